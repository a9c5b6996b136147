/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/dmaengine.h>
#include <linux/scatterlist.h>

/* Virtual channels are for all drivers of DMA engines, but their header is not under include/. */
#include <../drivers/dma/virt-dma.h>

void virt_dma_set_capability(struct dma_device *device, enum dma_transaction_type type);
void virt_dma_init_channels(struct dma_device *device);
unsigned long virt_dma_lock(struct virt_dma_chan *vc);
void virt_dma_unlock(struct virt_dma_chan *vc, unsigned long flags);
struct dma_async_tx_descriptor *virt_dma_prepare(struct virt_dma_chan *vc,
						  struct virt_dma_desc *vd, unsigned long flags);
void virt_dma_issue(struct virt_dma_chan *vc);
struct virt_dma_desc *virt_dma_take_issued(struct virt_dma_chan *vc);
void virt_dma_complete(struct virt_dma_desc *vd);
void virt_dma_terminate(struct virt_dma_desc *vd);
void virt_dma_take_all(struct virt_dma_chan *vc, struct list_head *head);
void virt_dma_synchronize_channel(struct virt_dma_chan *vc);
enum dma_status virt_dma_cookie_status(struct dma_chan *chan, dma_cookie_t cookie,
					struct dma_tx_state *state);
void virt_dma_set_residue(struct dma_tx_state *state, u32 residue);
dma_addr_t virt_dma_sg_address(struct scatterlist *sg);
unsigned int virt_dma_sg_size(struct scatterlist *sg);
struct scatterlist *virt_dma_sg_next(struct scatterlist *sg);
struct data_chunk virt_dma_chunk(struct dma_interleaved_template *template, size_t index);
