// SPDX-License-Identifier: GPL-2.0
/* Functions for what the headers have as macros and inlines. */
#include "bindings_helper.h"

void dmaengine_set_capability(struct dma_device *device, enum dma_transaction_type type)
{
	dma_cap_set(type, device->cap_mask);
}

void dmaengine_init_channels(struct dma_device *device)
{
	INIT_LIST_HEAD(&device->channels);
}

unsigned long dmaengine_lock(struct virt_dma_chan *vc)
{
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	return flags;
}

void dmaengine_unlock(struct virt_dma_chan *vc, unsigned long flags)
{
	spin_unlock_irqrestore(&vc->lock, flags);
}

struct dma_async_tx_descriptor *dmaengine_prepare(struct virt_dma_chan *vc,
						  struct virt_dma_desc *vd, unsigned long flags)
{
	return vchan_tx_prep(vc, vd, flags);
}

/* The lock is held in the functions from here to dmaengine_take_all(). */
void dmaengine_issue(struct virt_dma_chan *vc)
{
	vchan_issue_pending(vc);
}

struct virt_dma_desc *dmaengine_take_issued(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd = vchan_next_desc(vc);

	if (vd)
		list_del(&vd->node);
	return vd;
}

void dmaengine_complete(struct virt_dma_desc *vd)
{
	vchan_cookie_complete(vd);
}

void dmaengine_terminate(struct virt_dma_desc *vd)
{
	vchan_terminate_vdesc(vd);
}

void dmaengine_take_all(struct virt_dma_chan *vc, struct list_head *head)
{
	INIT_LIST_HEAD(head);
	vchan_get_all_descriptors(vc, head);
}

void dmaengine_synchronize_channel(struct virt_dma_chan *vc)
{
	vchan_synchronize(vc);
}

enum dma_status dmaengine_cookie_status(struct dma_chan *chan, dma_cookie_t cookie,
					struct dma_tx_state *state)
{
	return dma_cookie_status(chan, cookie, state);
}

void dmaengine_set_residue(struct dma_tx_state *state, u32 residue)
{
	dma_set_residue(state, residue);
}

dma_addr_t dmaengine_sg_address(struct scatterlist *sg)
{
	return sg_dma_address(sg);
}

unsigned int dmaengine_sg_size(struct scatterlist *sg)
{
	return sg_dma_len(sg);
}

struct scatterlist *dmaengine_sg_next(struct scatterlist *sg)
{
	return sg_next(sg);
}
