/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>

struct dma_chan *dma_client_request(const struct device *engine,
				   enum dma_transfer_direction direction);
void dma_client_release(struct dma_chan *chan);
struct device *dma_client_device(struct dma_chan *chan);
struct dma_async_tx_descriptor *dma_client_prepare(struct dma_chan *chan,
						  struct dma_interleaved_template *template);
int dma_client_submit_with(struct dma_async_tx_descriptor *tx,
			  dma_async_tx_callback_result callback, void *param);
void dma_client_issue(struct dma_chan *chan);
void dma_client_terminate(struct dma_chan *chan);

dma_addr_t dma_client_map(struct device *dev, void *memory, size_t size,
			 enum dma_data_direction direction);
bool dma_client_is_mapped(struct device *dev, dma_addr_t address);
void dma_client_unmap(struct device *dev, dma_addr_t address, size_t size,
		     enum dma_data_direction direction);
void dma_client_give_to_device(struct device *dev, dma_addr_t address, size_t size,
			      enum dma_data_direction direction);
void dma_client_take_from_device(struct device *dev, dma_addr_t address, size_t size,
				enum dma_data_direction direction);
void dma_client_keep_for_ever(const void *memory);
