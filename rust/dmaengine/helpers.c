// SPDX-License-Identifier: GPL-2.0
/* Functions for what the headers have as macros and inlines, with or without CONFIG_DMA_ENGINE. */
#include <linux/kmemleak.h>
#include "bindings_helper.h"

struct wanted {
	const struct device *engine;
	u32 directions;
};

static bool is_wanted(struct dma_chan *chan, void *param)
{
	const struct wanted *wanted = param;
	struct dma_slave_caps caps = {};

	return chan->device->dev == wanted->engine && !dma_get_slave_caps(chan, &caps) &&
	       (caps.directions & wanted->directions);
}

/* Gaps between pieces have to be as long as addresses, so that one can lead to any address. */
struct dma_chan *dma_client_request(const struct device *engine,
				   enum dma_transfer_direction direction)
{
	struct wanted wanted = { .engine = engine, .directions = BIT(direction) };
	dma_cap_mask_t mask;

	if (sizeof(size_t) < sizeof(dma_addr_t))
		return NULL;
	dma_cap_zero(mask);
	dma_cap_set(DMA_SLAVE, mask);
	dma_cap_set(DMA_INTERLEAVE, mask);
	return dma_request_channel(mask, is_wanted, &wanted);
}

void dma_client_release(struct dma_chan *chan)
{
	dma_release_channel(chan);
}

struct device *dma_client_device(struct dma_chan *chan)
{
	return dmaengine_get_dma_device(chan);
}

/* drivers/dma/dw-edma wants a configuration, of which it uses nothing here. */
struct dma_async_tx_descriptor *dma_client_prepare(struct dma_chan *chan,
						  struct dma_interleaved_template *template)
{
	struct dma_slave_config config = {
		.direction = template->dir,
		.src_addr = template->src_start,
		.dst_addr = template->dst_start,
	};

	if (dmaengine_slave_config(chan, &config))
		return NULL;
	return dmaengine_prep_interleaved_dma(chan, template, DMA_CTRL_ACK | DMA_PREP_INTERRUPT);
}

int dma_client_submit_with(struct dma_async_tx_descriptor *tx,
			  dma_async_tx_callback_result callback, void *param)
{
	tx->callback_result = callback;
	tx->callback_param = param;
	return dma_submit_error(dmaengine_submit(tx));
}

void dma_client_issue(struct dma_chan *chan)
{
	dma_async_issue_pending(chan);
}

void dma_client_terminate(struct dma_chan *chan)
{
	dmaengine_terminate_sync(chan);
}

dma_addr_t dma_client_map(struct device *dev, void *memory, size_t size,
			 enum dma_data_direction direction)
{
	return dma_map_single(dev, memory, size, direction);
}

bool dma_client_is_mapped(struct device *dev, dma_addr_t address)
{
	return !dma_mapping_error(dev, address);
}

void dma_client_unmap(struct device *dev, dma_addr_t address, size_t size,
		     enum dma_data_direction direction)
{
	dma_unmap_single(dev, address, size, direction);
}

void dma_client_give_to_device(struct device *dev, dma_addr_t address, size_t size,
			      enum dma_data_direction direction)
{
	dma_sync_single_for_device(dev, address, size, direction);
}

void dma_client_take_from_device(struct device *dev, dma_addr_t address, size_t size,
				enum dma_data_direction direction)
{
	dma_sync_single_for_cpu(dev, address, size, direction);
}

void dma_client_keep_for_ever(const void *memory)
{
	kmemleak_not_leak(memory);
}
