// SPDX-License-Identifier: GPL-2.0

//! The register BAR: which one it is, what lies where in it, and its words.
//!
//! The EP is the first one to write (S2), the RC may write anything later: nothing that is read here
//! is trusted.
//!
//! Context: any for accesses to words.

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
    Features, //
};
use transport::{
    Layout,
    LayoutError,
    LayoutRequest,
    Offset,
    Placement,
    Registers, //
};

/// Size of a page of the EP.
// CAST: Pages have at most 64 KiB.
const PAGE: u32 = PAGE_SIZE as u32;

/// Size of the largest pages that an RC with Linux has.
const MAX_PAGE: u32 = 64 << 10;

/// What the register BAR has to have room for.
#[derive(Clone, Copy)]
pub(crate) struct Contents {
    pub(crate) num_queues: u16,
    pub(crate) config_size: u32,
    /// 0: no MSI-X.
    pub(crate) msix_vectors: u16,
    /// Length of the push area of each queue; 0: the RC pushes nothing.
    pub(crate) push_len: u32,
}

impl Contents {
    /// Returns the layout for `bar` and the doorbells of `placement`.
    pub(crate) fn plan(&self, bar: BarNumber, placement: Placement) -> Result<Layout, LayoutError> {
        Layout::plan(&LayoutRequest {
            // CAST: There are six.
            register_bar: bar.index() as u8,
            num_queues: self.num_queues,
            config_size: self.config_size,
            msix_vectors: self.msix_vectors,
            push_len: self.push_len,
            doorbells: placement,
        })
    }
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
            .plan(BarNumber::Bar0, placement)?
            .register_bar_size();
        if let Some(bar) = find(features, size) {
            return Ok((bar, placement));
        }
    }
    Err(LayoutError::OutsideBar)
}

fn polled(page_size: u32, stride: u32, scan_ms: u32) -> Placement {
    Placement::Here {
        page_size,
        stride,
        scan_ms,
    }
}

/// Returns the lowest BAR that is free and has `size` bytes.
fn find(features: &Features, size: u64) -> Option<BarNumber> {
    let has_room = |bar: &BarNumber| match features.bar(*bar).kind {
        BarKind::Fixed(fixed) => fixed >= size,
        _ => true,
    };
    features.free_bars().find(has_room)
}

/// The words of the register BAR.
#[derive(Clone)]
pub(crate) struct RegisterBar(Arc<BarMemory>);

impl RegisterBar {
    /// Allocates the memory of a BAR that is laid out like `layout`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory, or a fixed BAR is too small; `EBUSY`: the BAR is in use.
    pub(crate) fn alloc(endpoint: &Endpoint, layout: &Layout) -> Result<Self> {
        let bar = BarNumber::try_from(i32::from(layout.register_bar()))?;
        let size = layout.register_bar_size().try_into()?;
        let memory = BarMemory::alloc(endpoint, bar, size)?;
        Ok(Self(Arc::new(memory, GFP_KERNEL)?))
    }

    /// Returns the memory, which the BAR shows.
    pub(crate) fn memory(&self) -> &BarMemory {
        &self.0
    }
}

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
