// SPDX-License-Identifier: GPL-2.0
/* Functions that stand for C inlines and macros, for the crate `storage`. */
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/stat.h>
#include <linux/uio.h>
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

static unsigned int storage_file_alignment(const struct file *file)
{
	struct block_device *bdev = storage_inode(file)->i_sb->s_bdev;
	struct kstat stat;

	if (!vfs_getattr(&file->f_path, &stat, STATX_DIOALIGN, AT_STATX_SYNC_AS_STAT) &&
	    (stat.result_mask & STATX_DIOALIGN))
		return stat.dio_offset_align;
	return bdev ? bdev_logical_block_size(bdev) : SECTOR_SIZE;
}

/*
 * What offset and length of a direct transfer must be multiples of, in bytes; 0 where there are
 * none. A file system that does not say it is taken to have that of its device, as by the loop
 * driver.
 */
unsigned int storage_direct_alignment(const struct file *file)
{
	if (!(file->f_mode & FMODE_CAN_ODIRECT))
		return 0;
	if (storage_kind(file) == STORAGE_BLOCK_DEVICE)
		return storage_logical_block_size(file);
	return storage_file_alignment(file);
}

/*
 * Starts a direct transfer. -EIOCBQUEUED: `ended` is called once, by whatever ends it, perhaps
 * already; else it has ended with that.
 */
ssize_t storage_start(struct kiocb *iocb, struct file *file, loff_t offset, bool is_write,
		      const struct kvec *memory, void (*ended)(struct kiocb *iocb, long result))
{
	struct iov_iter iter;

	init_sync_kiocb(iocb, file);
	iocb->ki_pos = offset;
	iocb->ki_complete = ended;
	iocb->ki_flags |= IOCB_DIRECT;
	iov_iter_kvec(&iter, is_write ? ITER_SOURCE : ITER_DEST, memory, 1, memory->iov_len);
	if (!is_write)
		return file->f_op->read_iter(iocb, &iter);
	iocb->ki_flags |= IOCB_WRITE;
	kiocb_start_write(iocb);
	return file->f_op->write_iter(iocb, &iter);
}

/* Undoes what storage_start() left to the end of the transfer. */
void storage_ended(struct kiocb *iocb)
{
	if (iocb->ki_flags & IOCB_WRITE)
		kiocb_end_write(iocb);
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
