// SPDX-License-Identifier: GPL-2.0

//! Memory of the driver side in this kernel, as the ring engine wants to reach it.
//!
//! Addresses are those of the [`KernelMap`], which checks that they are mapped. Both sides are
//! processors, and the driver side orders its accesses as for a device (ORDER_PLATFORM): so do we.

use concurrency::barrier;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use vdpa::{
    KernelMap,
    VqAddress, //
};
use virtio::ring::{
    Area,
    RingMemory, //
};

/// The memory of one virtqueue. Any context; copies a page at a time with interrupts off.
pub(crate) struct LoopMemory {
    map: Arc<KernelMap>,
    space: u32,
    address: VqAddress,
}

impl LoopMemory {
    /// Returns the memory of a queue with areas at `address` of an address space.
    pub(crate) fn new(map: Arc<KernelMap>, space: u32, address: VqAddress) -> Self {
        Self {
            map,
            space,
            address,
        }
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

impl RingMemory for LoopMemory {
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
