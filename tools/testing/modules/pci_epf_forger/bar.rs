// SPDX-License-Identifier: GPL-2.0

//! The register BAR: what the protocol writes, and the lies that the RC reads instead.

use crate::lies::Lies;
use concurrency::barrier;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pci_ep::{
    BarMemory,
    BarNumber,
    Endpoint, //
};
use transport::{
    offset,
    CommandWord,
    Layout,
    Offset,
    Registers, //
};

/// The BAR has at least this size, so that there is room for regions that the layout has not.
const MIN_SIZE: usize = 64 << 10;

/// The register BAR.
#[derive(Clone)]
pub(crate) struct ForgedBar {
    memory: Arc<BarMemory>,
    lies: Arc<Lies>,
    layout: Layout,
}

impl ForgedBar {
    /// Allocates the memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory; `EBUSY`: the BAR is in use.
    pub(crate) fn alloc(endpoint: &Endpoint, layout: Layout, lies: Arc<Lies>) -> Result<Self> {
        let bar = BarNumber::try_from(i32::from(layout.register_bar()))?;
        let size = MIN_SIZE.max(layout.register_bar_size().try_into()?);
        let memory = BarMemory::alloc(endpoint, bar, size)?;
        Ok(Self {
            memory: Arc::new(memory, GFP_KERNEL)?,
            lies,
            layout,
        })
    }

    /// Returns the memory, which the BAR shows.
    pub(crate) fn memory(&self) -> &BarMemory {
        &self.memory
    }

    /// Returns the command word.
    pub(crate) fn command(&self) -> CommandWord {
        CommandWord::from_word(self.read32(self.layout.command_word(offset::command::CMD)))
    }

    /// Writes a word as it is.
    pub(crate) fn poke(&self, offset: Offset, value: u32) -> Result {
        self.memory.store(offset.bytes() as usize, value)
    }

    /// Clears all but the MSI-X table, which is the controller's.
    pub(crate) fn clear(&self) {
        let msix = self.layout.msix().map(|msix| msix.region);
        let is_msix = |byte: u32| {
            msix.is_some_and(|msix| byte >= msix.offset && u64::from(byte) < msix.end())
        };
        // CAST: A BAR of this driver is much smaller.
        for byte in (0..self.memory.size() as u32).step_by(4) {
            if !is_msix(byte) {
                let _ = self.poke(Offset::new(byte), 0);
            }
        }
    }
}

impl Registers for ForgedBar {
    fn read32(&self, offset: Offset) -> u32 {
        self.memory
            .load(offset.bytes() as usize)
            .unwrap_or(u32::MAX)
    }

    fn write32(&self, offset: Offset, value: u32) {
        let shown = self.lies.shown(offset, value, self.command().opcode());
        // A write outside the BAR is dropped, as the trait says; no legal layout has such a word.
        let _ = self.poke(offset, shown);
    }

    fn read_barrier(&self) {
        barrier::dma_rmb();
    }

    fn write_barrier(&self) {
        barrier::dma_wmb();
    }
}
