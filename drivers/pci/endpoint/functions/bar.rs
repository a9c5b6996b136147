// SPDX-License-Identifier: GPL-2.0

//! The BARs of registers and push areas: which ones they are, what lies where in them, and the words.
//!
//! The EP is the first one to write (S2), the RC may write anything later: nothing that is read here
//! is trusted.
//!
//! Context: any for accesses to words, else process.

use concurrency::barrier;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};
use pci_ep::{
    BarKind,
    BarMemory,
    BarNumber,
    Endpoint,
    Features,
    ProgrammedBar, //
};
use transport::{
    Layout,
    LayoutError,
    LayoutRequest,
    Offset,
    Placement,
    Registers, //
};

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// Size of a page of the EP.
// CAST: Pages have at most 64 KiB.
const PAGE: u32 = PAGE_SIZE as u32;

/// Size of the largest pages that an RC with Linux has.
const MAX_PAGE: u32 = 64 << 10;

/// What the BARs have to have room for.
#[derive(Clone, Copy)]
pub(crate) struct Contents {
    pub(crate) num_queues: u16,
    pub(crate) config_size: u32,
    /// 0: no MSI-X.
    pub(crate) msix_vectors: u16,
    /// Length of the push area of each queue; 0: the RC pushes nothing.
    pub(crate) push_len: u32,
    /// The length from which on the RC pushes no buffer; 0: there is none.
    pub(crate) push_below: u32,
}

impl Contents {
    /// Returns the layout for registers in `bar`, push areas in `push_bar`, if any, and the doorbells of
    /// `placement`.
    fn plan(
        &self,
        bar: BarNumber,
        push_bar: Option<BarNumber>,
        placement: Placement,
    ) -> Result<Layout, LayoutError> {
        Layout::plan(&LayoutRequest {
            register_bar: number(bar),
            num_queues: self.num_queues,
            config_size: self.config_size,
            msix_vectors: self.msix_vectors,
            push_len: push_bar.map_or(0, |_| self.push_len),
            push_bar: number(push_bar.unwrap_or(bar)),
            push_below: self.push_below,
            doorbells: placement,
        })
    }
}

/// The number of a BAR as the protocol has it.
fn number(bar: BarNumber) -> u8 {
    // CAST: There are six.
    bar.index() as u8
}

/// Returns the lowest BAR that is free and large enough for registers and polled doorbells, and where
/// the latter go in it.
///
/// They are behind the registers, on pages of their own. With a scan each has its page, so that it can
/// be given to user space: of the RC's largest size, or the EP's where the BAR is too small for that.
pub(crate) fn choose(
    features: &Features,
    contents: &Contents,
    scan_ms: u32,
) -> Result<(BarNumber, Placement), LayoutError> {
    let words = [polled(PAGE, 4, scan_ms)];
    let pages = [MAX_PAGE, PAGE].map(|size| polled(size, size, scan_ms));
    let placements: &[Placement] = if scan_ms == 0 { &words } else { &pages };
    for &placement in placements {
        let size = contents
            .plan(BarNumber::Bar0, None, placement)?
            .register_bar_size();
        if let Some(bar) = with_room(features, size).next() {
            return Ok((bar, placement));
        }
    }
    Err(LayoutError::OutsideBar)
}

/// Returns where push areas can be, the best first: in a BAR of their own, whose writes the RC can combine; with the
/// registers; nowhere, so that the queues are pulled.
fn plans<'a>(
    features: &'a Features,
    contents: &'a Contents,
    registers: BarNumber,
    placement: Placement,
) -> impl Iterator<Item = Result<Layout, LayoutError>> + 'a {
    let has_doorbells = move |bar: &BarNumber| match placement {
        Placement::At(doorbells) => doorbells.bar == number(*bar),
        Placement::Here { .. } => false,
    };
    let others = BarNumber::ALL
        .into_iter()
        .filter(move |bar| *bar != registers && !has_doorbells(bar));
    let bars = Iterator::chain(others, [registers])
        .map(Some)
        .filter(|_| contents.push_len != 0);
    Iterator::chain(bars, [None])
        .map(move |push_bar| contents.plan(registers, push_bar, placement))
        .filter(|plan| plan.as_ref().map_or(true, |layout| fits(features, layout)))
}

/// Whether the BARs have room for registers and push areas.
fn fits(features: &Features, layout: &Layout) -> bool {
    let push_bar = layout.push().map(|push| push.bar);
    [Some(layout.register_bar()), push_bar]
        .into_iter()
        .flatten()
        .all(|bar| with_room(features, layout.bar_size(bar)).any(|free| number(free) == bar))
}

fn polled(page_size: u32, stride: u32, scan_ms: u32) -> Placement {
    Placement::Here {
        page_size,
        stride,
        scan_ms,
    }
}

/// Returns the BARs that functions may use and that have `size` bytes, in order.
fn with_room(features: &Features, size: u64) -> impl Iterator<Item = BarNumber> + '_ {
    features
        .free_bars()
        .filter(move |bar| match features.bar(*bar).kind {
            BarKind::Fixed(fixed) => fixed >= size,
            _ => true,
        })
}

/// The memory that the RC sees, and what is where in it.
pub(crate) struct Memory {
    pub(crate) layout: Layout,
    pub(crate) registers: RegisterBar,
    /// That of the push areas, which may be that of the registers; `None`: there are none.
    pub(crate) push: Option<Arc<BarMemory>>,
}

impl Memory {
    /// Allocates memory for registers in `bar`, for doorbells of `placement`, and for push areas where they can
    /// be.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory, or a fixed BAR is too small for the registers; `EINVAL`: the layout is not legal.
    pub(crate) fn alloc(
        endpoint: &Endpoint,
        contents: &Contents,
        bar: BarNumber,
        placement: Placement,
    ) -> Result<Self> {
        let mut outcome = Err(ENOMEM);
        for layout in plans(endpoint.features(), contents, bar, placement) {
            let layout = layout.map_err(|error| explain(endpoint, error))?;
            outcome = Self::alloc_as(endpoint, layout);
            if outcome.is_ok() {
                break;
            }
        }
        outcome.inspect_err(|error| {
            dev_err!(
                endpoint,
                "No memory for the registers in BAR {}: {:?}\n",
                number(bar),
                error
            );
        })
    }

    fn alloc_as(endpoint: &Endpoint, layout: Layout) -> Result<Self> {
        let registers = alloc(endpoint, &layout, layout.register_bar())?;
        let push = match layout.push().map(|push| push.bar) {
            None => None,
            Some(bar) if bar == layout.register_bar() => Some(registers.clone()),
            Some(bar) => Some(alloc(endpoint, &layout, bar)?),
        };
        Ok(Self {
            layout,
            registers: RegisterBar(registers),
            push,
        })
    }

    /// Programs the BARs.
    pub(crate) fn program(&self) -> Result<Programmed> {
        let push = self.push.as_ref();
        let push = push.filter(|memory| memory.bar() != self.registers.0.bar());
        Ok(Programmed {
            registers: self.registers.0.program()?,
            push: push.map(|memory| memory.program()).transpose()?,
        })
    }
}

/// Allocates the memory of a BAR that is laid out like `layout`.
///
/// # Errors
///
/// `ENOMEM`: no memory, or a fixed BAR is too small; `EBUSY`: the BAR is in use.
fn alloc(endpoint: &Endpoint, layout: &Layout, number: u8) -> Result<Arc<BarMemory>> {
    let bar = BarNumber::try_from(i32::from(number))?;
    let size = layout.bar_size(number).try_into()?;
    let memory = BarMemory::alloc(endpoint, bar, size)?;
    Ok(Arc::new(memory, GFP_KERNEL)?)
}

/// The BARs with memory that the RC sees.
pub(crate) struct Programmed {
    registers: ProgrammedBar,
    push: Option<ProgrammedBar>,
}

impl Programmed {
    /// Programs them again, after the controller lost them.
    pub(crate) fn again(&self) -> Result {
        self.registers.program_again()?;
        self.push
            .as_ref()
            .map_or(Ok(()), ProgrammedBar::program_again)
    }
}

/// Says why registers have no place.
pub(crate) fn explain(endpoint: &Endpoint, error: LayoutError) -> Error {
    if error == LayoutError::OutsideBar {
        dev_err!(
            endpoint,
            "No BAR of the controller is large enough for the registers\n"
        );
        return ENOSPC;
    }
    dev_err!(endpoint, "Registers cannot be laid out: {:?}\n", error);
    EINVAL
}

/// The words of the register BAR.
#[derive(Clone)]
pub(crate) struct RegisterBar(Arc<BarMemory>);

impl Registers for RegisterBar {
    fn read32(&self, offset: Offset) -> u32 {
        self.0.load(offset.bytes() as usize).unwrap_or(u32::MAX)
    }

    fn write32(&self, offset: Offset, value: u32) {
        // A write outside the BAR is dropped, as the trait says; no legal layout has such a word.
        let _ = self.0.store(offset.bytes() as usize, value);
    }

    fn read_barrier(&self) {
        barrier::dma_rmb();
    }

    fn write_barrier(&self) {
        barrier::dma_wmb();
    }
}
