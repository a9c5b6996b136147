// SPDX-License-Identifier: GPL-2.0

//! A queue in RC memory. Each access maps what it needs: slow, but it takes one window at a time.
//!
//! Context: process.

use concurrency::barrier;
use kernel::prelude::*;
use pci_ep::{
    Endpoint,
    OutboundWindow,
    PciAddr,
    Word, //
};
use transport::QueueSetup;
use virtio::ring::{
    Area,
    RingMemory, //
};

/// How a queue in RC memory is reached.
pub(crate) struct RcMemory {
    endpoint: Endpoint,
    setup: QueueSetup,
}

impl RcMemory {
    pub(crate) fn new(endpoint: &Endpoint, setup: &QueueSetup) -> Self {
        Self {
            endpoint: endpoint.clone(),
            setup: *setup,
        }
    }

    /// Returns the address of the byte at `offset` of an area.
    fn place(&self, area: Area, offset: usize) -> Result<u64> {
        let start = match area {
            Area::Descriptor => self.setup.desc_area(),
            Area::Driver => self.setup.driver_area(),
            Area::Device => self.setup.device_area(),
        };
        // CAST: A kernel's `u64` holds each `usize`.
        start.checked_add(offset as u64).ok_or(EINVAL)
    }

    fn map(&self, address: u64, len: usize) -> Result<OutboundWindow> {
        OutboundWindow::map_all(&self.endpoint, PciAddr(address), len)
    }

    /// Reads a word of an area.
    fn load<W: Word>(&self, area: Area, offset: usize) -> Result<W> {
        let window = self.map(self.place(area, offset)?, core::mem::size_of::<W>())?;
        window.load(0)
    }

    /// Writes a word of an area.
    pub(crate) fn store<W: Word>(&self, area: Area, offset: usize, value: W) -> Result {
        let window = self.map(self.place(area, offset)?, core::mem::size_of::<W>())?;
        window.store(0, value)
    }
}

impl RingMemory for RcMemory {
    type Error = Error;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result {
        self.read_buffer(self.place(area, offset)?, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result {
        self.write_buffer(self.place(area, offset)?, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16> {
        self.load(area, offset)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result {
        self.store(area, offset, value)
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result {
        self.map(addr, to.len())?.read(0, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result {
        self.map(addr, from.len())?.write(0, from)
    }

    // Windows are I/O memory: the `dma_*` barriers, for memory alone, are too weak.

    fn read_barrier(&self) {
        barrier::rmb();
    }

    fn write_barrier(&self) {
        barrier::wmb();
    }

    fn full_barrier(&self) {
        barrier::mb();
    }
}
