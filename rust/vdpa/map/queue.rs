// SPDX-License-Identifier: GPL-2.0

//! A virtqueue in memory of a [`KernelMap`], as the ring engine wants to reach it.
//!
//! The map checks that addresses are mapped. Both sides are processors, and the driver side orders its accesses
//! as for a device (ORDER_PLATFORM): so do we.

use super::KernelMap;
use crate::config_ops::VqAddress;
use concurrency::barrier;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio::ring::{
    Area,
    Layout,
    RingMemory, //
};

/// The memory of one virtqueue. Any context; copies a page at a time with interrupts off.
pub struct MappedQueue {
    map: Arc<KernelMap>,
    space: u32,
    address: VqAddress,
}

impl MappedQueue {
    /// Returns the memory of a queue with areas at `address` of an address space.
    pub fn new(map: Arc<KernelMap>, space: u32, address: VqAddress) -> Self {
        Self {
            map,
            space,
            address,
        }
    }

    /// Returns whether all areas of a queue of this layout are mapped now for the device to read.
    pub fn is_readable(&self, layout: Layout) -> bool {
        [Area::Descriptor, Area::Driver, Area::Device]
            .into_iter()
            .all(|area| {
                let address = self.address(area, 0);
                let is_readable =
                    |address| self.map.is_readable(self.space, address, area.len(layout));
                address.is_ok_and(is_readable)
            })
    }

    /// Returns the address of a byte of an area.
    fn address(&self, area: Area, offset: usize) -> Result<u64> {
        let start = match area {
            Area::Descriptor => self.address.descriptor_area,
            Area::Driver => self.address.driver_area,
            Area::Device => self.address.device_area,
        };
        start.checked_add(offset as u64).ok_or(EFAULT)
    }
}

impl RingMemory for MappedQueue {
    type Error = Error;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result {
        self.map.read(self.space, self.address(area, offset)?, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result {
        self.map
            .write(self.space, self.address(area, offset)?, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16> {
        let value = self.map.load_u16(self.space, self.address(area, offset)?)?;
        Ok(u16::from_le(value))
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result {
        self.map
            .store_u16(self.space, self.address(area, offset)?, value.to_le())
    }

    #[cfg(CONFIG_64BIT)]
    fn load_u64(&self, area: Area, offset: usize) -> Result<u64> {
        let value = self.map.load_u64(self.space, self.address(area, offset)?)?;
        Ok(u64::from_le(value))
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result {
        self.map.read(self.space, addr, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result {
        self.map.write(self.space, addr, from)
    }

    fn read_barrier(&self) {
        barrier::dma_rmb();
    }

    fn write_barrier(&self) {
        barrier::dma_wmb();
    }

    fn full_barrier(&self) {
        barrier::mb();
    }
}
