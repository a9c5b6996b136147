// SPDX-License-Identifier: GPL-2.0
/* Functions that stand for C inlines and macros, for the crate `storage`. */
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include "bindings_helper.h"

/* The data of a block device is in another inode than its node: `f_mapping` leads to it. */
static struct inode *storage_inode(const struct file *file)
{
	return file->f_mapping->host;
}

enum storage_kind storage_kind(const struct file *file)
{
	umode_t mode = file_inode(file)->i_mode;

	if (S_ISREG(mode))
		return STORAGE_REGULAR;
	return S_ISBLK(mode) ? STORAGE_BLOCK_DEVICE : STORAGE_OTHER;
}

loff_t storage_size(const struct file *file)
{
	return i_size_read(storage_inode(file));
}

/* For block devices only. */
unsigned int storage_logical_block_size(const struct file *file)
{
	return bdev_logical_block_size(I_BDEV(storage_inode(file)));
}

/* For block devices only. */
bool storage_zeroes_by_command(const struct file *file)
{
	return bdev_write_zeroes_sectors(I_BDEV(storage_inode(file))) > 0;
}

/*
 * The store may be under a disk of this same kernel (vhost_loop): memory must not be reclaimed by
 * writing to that disk, and its own writeback must not be throttled by it. The loop driver does
 * the same.
 */
#define STORAGE_IO_FLAGS (PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE)

unsigned int storage_enter_io(void)
{
	unsigned int flags = current->flags;

	current->flags |= STORAGE_IO_FLAGS;
	return flags;
}

void storage_leave_io(unsigned int flags)
{
	current_restore_flags(flags, STORAGE_IO_FLAGS);
}

#if IS_BUILTIN(CONFIG_KUNIT)
struct file *storage_in_memory(loff_t size)
{
	return shmem_kernel_file_setup("storage", size, EMPTY_VMA_FLAGS);
}
#endif
