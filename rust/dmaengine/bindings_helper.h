/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/dmaengine.h>
#include <linux/scatterlist.h>

/* Virtual channels are for all drivers of DMA engines, but their header is not under include/. */
#include <../drivers/dma/virt-dma.h>

void dmaengine_set_capability(struct dma_device *device, enum dma_transaction_type type);
void dmaengine_init_channels(struct dma_device *device);
unsigned long dmaengine_lock(struct virt_dma_chan *vc);
void dmaengine_unlock(struct virt_dma_chan *vc, unsigned long flags);
struct dma_async_tx_descriptor *dmaengine_prepare(struct virt_dma_chan *vc,
						  struct virt_dma_desc *vd, unsigned long flags);
void dmaengine_issue(struct virt_dma_chan *vc);
struct virt_dma_desc *dmaengine_take_issued(struct virt_dma_chan *vc);
void dmaengine_complete(struct virt_dma_desc *vd);
void dmaengine_terminate(struct virt_dma_desc *vd);
void dmaengine_take_all(struct virt_dma_chan *vc, struct list_head *head);
void dmaengine_synchronize_channel(struct virt_dma_chan *vc);
enum dma_status dmaengine_cookie_status(struct dma_chan *chan, dma_cookie_t cookie,
					struct dma_tx_state *state);
void dmaengine_set_residue(struct dma_tx_state *state, u32 residue);
dma_addr_t dmaengine_sg_address(struct scatterlist *sg);
unsigned int dmaengine_sg_size(struct scatterlist *sg);
struct scatterlist *dmaengine_sg_next(struct scatterlist *sg);
