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
    pub(crate) fn as_raw(self) -> bindings::dma_transfer_direction {
        match self {
            Self::MemoryToDevice => bindings::dma_transfer_direction_DMA_MEM_TO_DEV,
            Self::DeviceToMemory => bindings::dma_transfer_direction_DMA_DEV_TO_MEM,
            Self::MemoryToMemory => bindings::dma_transfer_direction_DMA_MEM_TO_MEM,
        }
    }

    /// Says whether clients configure one end of its transfers.
    pub(crate) fn is_slave(self) -> bool {
        self != Self::MemoryToMemory
    }
}
