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
        Mmio,
        PhysAddr, //
    },
    pci,
    prelude::*, //
};
use pci_host::CombiningBar;
use transport::{
    BarSizes,
    Doorbell,
    Layout,
    Offset,
    PushAreas,
    Registers,
    NUM_BARS, //
};

/// Who has the BARs, for `/proc/iomem`.
const NAME: &CStr = c"epf_vdpa";

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
        let io = pdev.iomap_region(number.into(), NAME)?.into_devres()?;
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

    fn push(&self, offset: usize, from: &[u8]) -> Option<Result> {
        self.io.try_access_with(|io| write_bytes(io, offset, from))
    }
}

/// Writes bytes, in order but for a BAR that combines writes, by accesses as long as their alignment allows; none
/// if they are not all inside.
fn write_bytes(io: &Mmio, offset: usize, from: &[u8]) -> Result {
    let io = io.relaxed();
    let mut at = offset;
    let mut rest = from;
    // Bounded by the number of bytes.
    while !rest.is_empty() {
        let len = access_len(at, rest.len());
        let (word, others) = rest.split_at_checked(len).ok_or(EINVAL)?;
        match *word {
            #[cfg(CONFIG_64BIT)]
            [a, b, c, d, e, f, g, h] => {
                io.try_write64(u64::from_le_bytes([a, b, c, d, e, f, g, h]), at)?
            }
            [a, b, c, d] => io.try_write32(u32::from_le_bytes([a, b, c, d]), at)?,
            [a, b] => io.try_write16(u16::from_le_bytes([a, b]), at)?,
            [a] => io.try_write8(a, at)?,
            _ => return Err(EINVAL),
        }
        at += len;
        rest = others;
    }
    Ok(())
}

/// The longest access that is aligned at `at`, for `left` bytes.
fn access_len(at: usize, left: usize) -> usize {
    let fits = |len: &usize| at % len == 0 && *len <= left;
    [size_of::<usize>(), 4, 2]
        .into_iter()
        .find(fits)
        .unwrap_or(1)
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

/// The register BAR, and those of the doorbells and of the push areas where they are other ones.
pub(crate) struct Bars {
    registers: Bar,
    doorbells: Option<Bar>,
    /// Mapped so that writes are combined, which registers and doorbells must not be.
    push: Option<Devres<CombiningBar>>,
}

impl Bars {
    /// Maps what `layout` needs in addition to `registers`.
    pub(crate) fn new(pdev: &pci::Device<Bound>, registers: Bar, layout: &Layout) -> Result<Self> {
        let doorbell_bar = layout.doorbells().bar;
        let has = |number| number == registers.number();
        let doorbells = (!has(doorbell_bar)).then(|| Bar::map(pdev, doorbell_bar));
        let push_bar = layout.push().map(|push| push.bar);
        let push_bar = push_bar.filter(|number| !has(*number) && *number != doorbell_bar);
        let push = push_bar.map(|number| CombiningBar::map(pdev, number, NAME));
        Ok(Self {
            doorbells: doorbells.transpose()?,
            push: push.transpose()?,
            registers,
        })
    }

    /// Writes bytes to push areas; see `write_barrier` of [`Registers`] for when they arrive.
    ///
    /// Context: any, also with interrupts off.
    pub(crate) fn push(&self, areas: &PushAreas, offset: usize, from: &[u8]) {
        // What is outside is dropped, as in `Bar::write`.
        let _ = match &self.push {
            Some(bar) => bar.try_access_with(|io| write_bytes(io, offset, from)),
            None if areas.bar == self.registers.number() => self.registers.push(offset, from),
            None => self.doorbells().push(offset, from),
        };
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
