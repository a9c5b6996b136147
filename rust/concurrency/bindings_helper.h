/* SPDX-License-Identifier: GPL-2.0 */
/* What the crate `concurrency` uses of C: headers, and the wrappers of helpers.c. */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

void concurrency_mb(void);
void concurrency_rmb(void);
void concurrency_wmb(void);
void concurrency_dma_rmb(void);
void concurrency_dma_wmb(void);
unsigned long concurrency_spin_lock_irqsave(spinlock_t *lock);
void concurrency_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags);
void concurrency_reinit_completion(struct completion *completion);
bool concurrency_need_resched(void);
