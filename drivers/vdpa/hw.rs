// SPDX-License-Identifier: GPL-2.0

//! The BARs of the endpoint function: words and doorbells.
//!
//! The only file that touches them. Once the device is unbound, reads answer all-ones, as they do
//! when the link is dead, and writes are dropped.
//!
//! Context: any; no lock is taken.

use concurrency::barrier;
use kernel::{
    device::Bound,
    devres::Devres,
    io::{
        Io,
        PhysAddr, //
    },
    pci,
    prelude::*, //
};
use transport::{
    BarSizes,
    Doorbell,
    Offset,
    Registers,
    NUM_BARS, //
};

/// What a dead link answers.
const ALL_ONES: u32 = u32::MAX;

/// Sizes of the BARs of `pdev`; 0 for those it does not have.
pub(crate) fn bar_sizes(pdev: &pci::Device<Bound>) -> BarSizes {
    let mut sizes = [0; NUM_BARS];
    for (number, size) in (0..).zip(sizes.iter_mut()) {
        *size = pdev.resource_len(number).unwrap_or(0);
    }
    sizes
}

/// One BAR, mapped until the device is unbound.
pub(crate) struct Bar {
    number: u8,
    physical: PhysAddr,
    io: Devres<pci::Bar<'static>>,
}

impl Bar {
    /// Maps BAR `number`.
    ///
    /// # Errors
    ///
    /// `EBUSY`: another driver has it. `ENOMEM`: it has no size, or cannot be mapped.
    pub(crate) fn map(pdev: &pci::Device<Bound>, number: u8) -> Result<Self> {
        let io = pdev
            .iomap_region(number.into(), c"epf_vdpa")?
            .into_devres()?;
        Ok(Self {
            number,
            physical: pdev.resource_start(number.into())?,
            io,
        })
    }

    /// Number of the BAR.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// Physical address of the byte at `offset`.
    pub(crate) fn physical(&self, offset: u64) -> PhysAddr {
        self.physical + offset
    }

    /// Reads a word; all-ones if it is outside.
    pub(crate) fn read(&self, offset: usize) -> u32 {
        self.io
            .try_access_with(|io| io.try_read32(offset).unwrap_or(ALL_ONES))
            .unwrap_or(ALL_ONES)
    }

    /// Writes a word, unless it is outside.
    fn write(&self, offset: usize, value: u32) {
        // A write that is outside is dropped, as `Registers` has it; the layout was checked
        // against the size of the BAR, so there is none.
        let _ = self.io.try_access_with(|io| io.try_write32(value, offset));
    }
}

impl Registers for Bar {
    fn read32(&self, offset: Offset) -> u32 {
        self.read(offset.bytes() as usize)
    }

    fn write32(&self, offset: Offset, value: u32) {
        self.write(offset.bytes() as usize, value);
    }

    fn read_barrier(&self) {
        barrier::rmb();
    }

    fn write_barrier(&self) {
        barrier::wmb();
    }
}

/// The register BAR, and that of the doorbells where it is another one.
pub(crate) struct Bars {
    registers: Bar,
    doorbells: Option<Bar>,
}

impl Bars {
    /// Maps the BAR of the doorbells in addition to `registers`.
    pub(crate) fn new(pdev: &pci::Device<Bound>, registers: Bar, doorbell_bar: u8) -> Result<Self> {
        let doorbells = match doorbell_bar {
            number if number == registers.number() => None,
            number => Some(Bar::map(pdev, number)?),
        };
        Ok(Self {
            registers,
            doorbells,
        })
    }

    /// The words.
    pub(crate) fn registers(&self) -> &Bar {
        &self.registers
    }

    /// The BAR of the doorbells.
    pub(crate) fn doorbells(&self) -> &Bar {
        self.doorbells.as_ref().unwrap_or(&self.registers)
    }

    /// Kicks a queue: one posted write (D2).
    ///
    /// Context: any, also with interrupts off.
    pub(crate) fn ring(&self, doorbell: &Doorbell) {
        self.doorbells()
            .write(doorbell.offset() as usize, doorbell.next_value());
    }
}
