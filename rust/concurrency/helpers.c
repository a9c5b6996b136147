// SPDX-License-Identifier: GPL-2.0
/* Functions that stand for C inlines and macros, for the crate `concurrency`. */
#include "bindings_helper.h"

void concurrency_mb(void)
{
	mb();
}

void concurrency_rmb(void)
{
	rmb();
}

void concurrency_wmb(void)
{
	wmb();
}

void concurrency_dma_rmb(void)
{
	dma_rmb();
}

void concurrency_dma_wmb(void)
{
	dma_wmb();
}

unsigned long concurrency_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

void concurrency_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

void concurrency_reinit_completion(struct completion *completion)
{
	reinit_completion(completion);
}

bool concurrency_need_resched(void)
{
	return need_resched();
}
