/* SPDX-License-Identifier: GPL-2.0 */
/* What the crate `storage` uses of C: headers, and the wrappers of helpers.c. */
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/fs.h>

enum storage_kind {
	STORAGE_OTHER,
	STORAGE_REGULAR,
	STORAGE_BLOCK_DEVICE,
};

enum storage_kind storage_kind(const struct file *file);
loff_t storage_size(const struct file *file);
unsigned int storage_logical_block_size(const struct file *file);
bool storage_zeroes_by_command(const struct file *file);
unsigned int storage_direct_alignment(const struct file *file);
ssize_t storage_start(struct kiocb *iocb, struct file *file, loff_t offset, bool is_write,
		      const struct kvec *memory, void (*ended)(struct kiocb *iocb, long result));
void storage_ended(struct kiocb *iocb);
unsigned int storage_enter_io(void);
void storage_leave_io(unsigned int flags);

#if IS_BUILTIN(CONFIG_KUNIT)
struct file *storage_in_memory(loff_t size);
#endif
