// SPDX-License-Identifier: GPL-2.0

//! Between what a channel moves data.

use crate::bindings;

/// Between what a channel moves data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From memory to a device, whose address clients configure: a slave channel.
    MemoryToDevice,
    /// From such a device to memory: a slave channel.
    DeviceToMemory,
    /// From memory to memory: a memcpy channel.
    MemoryToMemory,
}

impl Direction {
    /// Returns the `enum dma_transfer_direction`, for drivers of engines.
    pub fn as_raw(self) -> u32 {
        match self {
            Self::MemoryToDevice => bindings::dma_transfer_direction_DMA_MEM_TO_DEV,
            Self::DeviceToMemory => bindings::dma_transfer_direction_DMA_DEV_TO_MEM,
            Self::MemoryToMemory => bindings::dma_transfer_direction_DMA_MEM_TO_MEM,
        }
    }

    /// Says whether clients configure one end of its transfers.
    pub fn is_slave(self) -> bool {
        self != Self::MemoryToMemory
    }

    /// Returns what it is for the memory of a slave channel, an `enum dma_data_direction`.
    pub(crate) fn of_memory(self) -> bindings::dma_data_direction {
        match self {
            Self::MemoryToDevice => bindings::dma_data_direction_DMA_TO_DEVICE,
            Self::DeviceToMemory => bindings::dma_data_direction_DMA_FROM_DEVICE,
            Self::MemoryToMemory => bindings::dma_data_direction_DMA_BIDIRECTIONAL,
        }
    }
}
