// SPDX-License-Identifier: GPL-2.0
/* Functions for what the headers have as macros and inlines. */
#include "bindings_helper.h"

void virt_dma_set_capability(struct dma_device *device, enum dma_transaction_type type)
{
	dma_cap_set(type, device->cap_mask);
}

void virt_dma_init_channels(struct dma_device *device)
{
	INIT_LIST_HEAD(&device->channels);
}

unsigned long virt_dma_lock(struct virt_dma_chan *vc)
{
	unsigned long flags;

	spin_lock_irqsave(&vc->lock, flags);
	return flags;
}

void virt_dma_unlock(struct virt_dma_chan *vc, unsigned long flags)
{
	spin_unlock_irqrestore(&vc->lock, flags);
}

struct dma_async_tx_descriptor *virt_dma_prepare(struct virt_dma_chan *vc,
						  struct virt_dma_desc *vd, unsigned long flags)
{
	return vchan_tx_prep(vc, vd, flags);
}

/* The lock is held in the functions from here to virt_dma_take_all(). */
void virt_dma_issue(struct virt_dma_chan *vc)
{
	vchan_issue_pending(vc);
}

struct virt_dma_desc *virt_dma_take_issued(struct virt_dma_chan *vc)
{
	struct virt_dma_desc *vd = vchan_next_desc(vc);

	if (vd)
		list_del(&vd->node);
	return vd;
}

void virt_dma_complete(struct virt_dma_desc *vd)
{
	vchan_cookie_complete(vd);
}

void virt_dma_terminate(struct virt_dma_desc *vd)
{
	vchan_terminate_vdesc(vd);
}

void virt_dma_take_all(struct virt_dma_chan *vc, struct list_head *head)
{
	INIT_LIST_HEAD(head);
	vchan_get_all_descriptors(vc, head);
}

void virt_dma_synchronize_channel(struct virt_dma_chan *vc)
{
	vchan_synchronize(vc);
}

enum dma_status virt_dma_cookie_status(struct dma_chan *chan, dma_cookie_t cookie,
					struct dma_tx_state *state)
{
	return dma_cookie_status(chan, cookie, state);
}

void virt_dma_set_residue(struct dma_tx_state *state, u32 residue)
{
	dma_set_residue(state, residue);
}

dma_addr_t virt_dma_sg_address(struct scatterlist *sg)
{
	return sg_dma_address(sg);
}

unsigned int virt_dma_sg_size(struct scatterlist *sg)
{
	return sg_dma_len(sg);
}

struct scatterlist *virt_dma_sg_next(struct scatterlist *sg)
{
	return sg_next(sg);
}

/* A chunk with the gaps that count at either end. */
struct data_chunk virt_dma_chunk(struct dma_interleaved_template *template, size_t index)
{
	struct data_chunk chunk = template->sgl[index];

	chunk.src_icg = dmaengine_get_src_icg(template, &template->sgl[index]);
	chunk.dst_icg = dmaengine_get_dst_icg(template, &template->sgl[index]);
	return chunk;
}
