// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's drivers/vhost/vringh.c over memory of its own, one queue at a time: the functions that
 * src/differential/vringh.rs calls. Not for several threads.
 */
#include <linux/kernel.h>
#include <linux/virtio_ring.h>
#include <linux/vringh.h>

#define MEMORY_SIZE 0x1000

static unsigned char memory[MEMORY_SIZE] __attribute__((aligned(16)));
static u64 base;
static struct vringh ring;
static struct vringh_iov readable, writable;

/* What tools/virtio's headers expect; nothing is faked. */
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

void peer_reset(u64 memory_base, u16 size, u64 features, u16 start, size_t desc, size_t driver,
		size_t device)
{
	base = memory_base;
	memset(memory, 0, sizeof(memory));
	vringh_init_user(&ring, features, size, true, (void *)(memory + desc),
			 (void *)(memory + driver), (void *)(memory + device));
	ring.last_avail_idx = start;
	ring.last_used_idx = start;
}

void peer_write(size_t offset, const void *from, size_t len)
{
	memcpy(memory + offset, from, len);
}

void peer_read(size_t offset, void *to, size_t len)
{
	memcpy(to, memory + offset, len);
}

/* Whether a range is inside the memory, for what vringh takes for user space. */
bool peer_has(const volatile void *start, unsigned long len)
{
	unsigned long offset = (unsigned long)start - (unsigned long)memory;

	return offset <= MEMORY_SIZE && len <= MEMORY_SIZE - offset;
}

/* Buffers may be anywhere, as they are not accessed here; the accessors check tables. */
static bool getrange(struct vringh *vrh, u64 addr, struct vringh_range *range)
{
	range->start = 0;
	range->end_incl = -1ULL;
	range->offset = (unsigned long)memory - base;
	return true;
}

/* Returns 1 and a chain, 0 when there is none, or a negative errno. */
int peer_pop(u16 *head)
{
	return vringh_getdesc_user(&ring, &readable, &writable, getrange, head);
}

/* Returns whether the last chain has a segment with this number, and gives it. */
bool peer_segment(bool is_writable, unsigned int number, u64 *addr, u64 *len)
{
	struct vringh_iov *iov = is_writable ? &writable : &readable;

	if (number >= iov->used)
		return false;
	*addr = (unsigned long)iov->iov[number].iov_base - (unsigned long)memory + base;
	*len = iov->iov[number].iov_len;
	return true;
}

int peer_push(const struct vring_used_elem *used, unsigned int count)
{
	return vringh_complete_multi_user(&ring, used, count);
}

int peer_wants_signal(void)
{
	return vringh_need_notify_user(&ring);
}

/* Returns whether there is nothing more. */
bool peer_enable_notification(void)
{
	return vringh_notify_enable_user(&ring);
}
