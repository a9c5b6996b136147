// SPDX-License-Identifier: GPL-2.0

//! Rings and buffers of the driver side, as this side reaches them in the place of the endpoint.
//!
//! Context: process to make it and to write to buffers, as that maps memory; else any.

use crate::queue::QueueSetup;
use concurrency::barrier;
use kernel::{
    device::Device,
    prelude::*,
    sync::aref::ARef, //
};
use vdpa::DmaMemory;
use virtio::ring::{
    Area,
    Layout,
    RingMemory, //
};

/// Rings and buffers of the driver side, by their DMA addresses.
pub(crate) struct DriverMemory {
    dma: ARef<Device>,
    descriptor_area: DmaMemory,
    driver_area: DmaMemory,
    device_area: DmaMemory,
}

impl DriverMemory {
    /// Maps the areas of a queue, which the driver side keeps until it is told that the queue is not used.
    ///
    /// # Errors
    ///
    /// `EFAULT`: they cannot be reached, as those of a process; `ENOMEM`: no memory.
    pub(crate) fn new(dma: &Device, setup: &QueueSetup, layout: Layout) -> Result<Self> {
        if setup.has_iovas {
            return Err(EFAULT);
        }
        let map = |address, area: Area| DmaMemory::new(dma, address, area.len(layout));
        Ok(Self {
            dma: dma.into(),
            descriptor_area: map(setup.address.descriptor_area, Area::Descriptor)?,
            driver_area: map(setup.address.driver_area, Area::Driver)?,
            device_area: map(setup.address.device_area, Area::Device)?,
        })
    }

    fn area(&self, area: Area) -> &DmaMemory {
        match area {
            Area::Descriptor => &self.descriptor_area,
            Area::Driver => &self.driver_area,
            Area::Device => &self.device_area,
        }
    }
}

impl RingMemory for DriverMemory {
    type Error = Error;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result {
        self.area(area).read(offset, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result {
        self.area(area).write(offset, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16> {
        self.area(area).load_u16(offset).map(u16::from_le)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result {
        self.area(area).store_u16(offset, value.to_le())
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result {
        vdpa::read_dma(&self.dma, addr, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result {
        DmaMemory::new(&self.dma, addr, from.len())?.write(0, from)
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
