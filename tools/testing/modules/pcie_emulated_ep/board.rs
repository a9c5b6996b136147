// SPDX-License-Identifier: GPL-2.0

//! What the controller says of the board that it stands for.

use crate::hw::Hw;
use epc_regs::{
    caps,
    features,
    reg,
    BarKind as RawKind,
    BAR_COUNT,
    BAR_ONLY_64BIT,
    SPACE_MAX, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use pci_ep::{
    provider::Window,
    BarFeatures,
    BarKind,
    Features, //
};

/// The limits of a board.
pub(crate) struct Board {
    /// Bits of [`epc_regs::features`].
    features: u32,
    msi: u32,
    msix: u32,
    inbound_align: usize,
    /// The alignment in bytes of outbound mappings.
    pub(crate) outbound_align: usize,
    bars: [BarFeatures; BAR_COUNT],
    spaces: KVec<Space>,
}

/// A part of the outbound region, in bytes.
#[derive(Clone, Copy)]
struct Space {
    offset: u64,
    size: u64,
    page: u64,
}

impl Board {
    /// Reads it from the registers.
    ///
    /// # Errors
    ///
    /// `EINVAL` when it has no or too many spaces.
    pub(crate) fn read(hw: &Hw) -> Result<Self> {
        let mut bars = [BarFeatures::default(); BAR_COUNT];
        for (at, bar) in (reg::BAR0..)
            .step_by(reg::BAR_STRIDE as usize)
            .zip(&mut bars)
        {
            *bar = bar_features(hw.read(at + reg::BAR_KIND)?, hw.read64(at + reg::BAR_SIZE)?);
        }
        Ok(Self {
            features: hw.read(reg::FEATURES)?,
            msi: hw.read(reg::MSI_MAX)?,
            msix: hw.read(reg::MSIX_MAX)?,
            inbound_align: hw.read64(reg::INBOUND_ALIGN)?.try_into()?,
            outbound_align: hw.read64(reg::OUTBOUND_ALIGN)?.try_into()?,
            bars,
            spaces: spaces(hw)?,
        })
    }

    /// Returns what the controller, with `capabilities`, can do for a function.
    pub(crate) fn features(&self, capabilities: u32) -> Features {
        let dynamic = capabilities & caps::DYNAMIC_INBOUND != 0;
        Features {
            linkup_notifier: self.features & features::LINK_UP != 0,
            dynamic_inbound_mapping: dynamic,
            subrange_mapping: dynamic,
            msi: self.msi > 0,
            msix: self.msix > 0,
            intx: self.features & features::INTX != 0,
            align: self.inbound_align,
            bars: self.bars,
        }
    }

    /// Returns the spaces as windows of the framework, when the region begins at `region`.
    ///
    /// # Errors
    ///
    /// `EINVAL` when a space is not as windows are to be.
    pub(crate) fn windows(&self, region: u64) -> Result<KVec<Window>> {
        let mut windows = KVec::with_capacity(self.spaces.len(), GFP_KERNEL)?;
        for space in &self.spaces {
            windows.push(space.window(region)?, GFP_KERNEL)?;
        }
        Ok(windows)
    }
}

impl Space {
    fn window(self, region: u64) -> Result<Window> {
        let valid =
            self.page >= PAGE_SIZE as u64 && self.page.is_power_of_two() && self.size >= self.page;
        if !valid {
            return Err(EINVAL);
        }
        Ok(Window {
            address: region.checked_add(self.offset).ok_or(EINVAL)?,
            size: self.size.try_into()?,
            page_size: self.page.try_into()?,
        })
    }
}

fn spaces(hw: &Hw) -> Result<KVec<Space>> {
    let count = hw.read(reg::SPACE_COUNT)? as usize;
    if !(1..=SPACE_MAX).contains(&count) {
        return Err(EINVAL);
    }
    let mut spaces = KVec::with_capacity(count, GFP_KERNEL)?;
    for at in (reg::SPACE0..)
        .step_by(reg::SPACE_STRIDE as usize)
        .take(count)
    {
        let space = Space {
            offset: hw.read64(at + reg::SPACE_OFFSET)?,
            size: hw.read64(at + reg::SPACE_SIZE)?,
            page: hw.read64(at + reg::SPACE_PAGE)?,
        };
        spaces.push(space, GFP_KERNEL)?;
    }
    Ok(spaces)
}

/// Returns what the registers of a BAR say. A kind that a later version adds is not for functions.
fn bar_features(kind: u32, size: u64) -> BarFeatures {
    let kind_of = match RawKind::from_raw(kind & 0xff) {
        Some(RawKind::Programmable) => BarKind::Programmable,
        Some(RawKind::Fixed) => BarKind::Fixed(size),
        Some(RawKind::Resizable) => BarKind::Resizable,
        Some(RawKind::Disabled) => BarKind::Disabled,
        Some(RawKind::Reserved) | None => BarKind::Reserved,
    };
    BarFeatures {
        kind: kind_of,
        only_64bit: kind & BAR_ONLY_64BIT != 0,
    }
}

#[kunit_tests(pcie_emulated_ep_board)]
mod tests {
    use super::*;

    fn board(features: u32, msi: u32, msix: u32) -> Board {
        Board {
            features,
            msi,
            msix,
            inbound_align: 256,
            outbound_align: 4096,
            bars: [bar_features(RawKind::Resizable as u32, 0); BAR_COUNT],
            spaces: KVec::new(),
        }
    }

    #[test]
    fn kinds_of_bars() {
        let kind = |raw, size| bar_features(raw, size).kind;
        assert_eq!(kind(RawKind::Programmable as u32, 0), BarKind::Programmable);
        assert_eq!(kind(RawKind::Fixed as u32, 256), BarKind::Fixed(256));
        assert_eq!(kind(RawKind::Resizable as u32, 0), BarKind::Resizable);
        assert_eq!(kind(RawKind::Reserved as u32, 0), BarKind::Reserved);
        assert_eq!(kind(RawKind::Disabled as u32, 0), BarKind::Disabled);
        assert_eq!(kind(5, 0), BarKind::Reserved);
    }

    #[test]
    fn width_of_bars() {
        let wide = bar_features(RawKind::Fixed as u32 | BAR_ONLY_64BIT, 128);
        assert_eq!(wide.kind, BarKind::Fixed(128));
        assert!(wide.only_64bit);
        assert!(!bar_features(RawKind::Fixed as u32, 128).only_64bit);
    }

    #[test]
    fn features_are_those_of_the_board() {
        let none = board(0, 0, 0).features(caps::MAPPED_WINDOW);
        assert!(!none.linkup_notifier && !none.msi && !none.msix && !none.intx);
        assert!(!none.dynamic_inbound_mapping && !none.subrange_mapping);
        assert_eq!(none.align, 256);
        assert_eq!(none.bars[5].kind, BarKind::Resizable);
        let all = board(features::INTX | features::LINK_UP, 1, 1).features(caps::DYNAMIC_INBOUND);
        assert!(all.linkup_notifier && all.msi && all.msix && all.intx);
        assert!(all.dynamic_inbound_mapping && all.subrange_mapping);
    }

    #[test]
    fn windows_lie_in_the_region() {
        let space = |offset, size, page| Space { offset, size, page };
        let window = space(0x20_0000, 0x10_0000, 0x1_0000).window(0x4000_0000);
        let expected = Window {
            address: 0x4020_0000,
            size: 0x10_0000,
            page_size: 0x1_0000,
        };
        assert_eq!(window, Ok(expected));
        let whole = space(0, 0x1000, 0x1000);
        assert!(whole.window(0).is_ok());
        for (offset, size, page) in [
            (0, 0x1000, 0x800),
            (0, 0x10000, 0x3000),
            (0, 0x1000, 0x2000),
            (u64::MAX, 0x1000, 0x1000),
        ] {
            assert_eq!(space(offset, size, page).window(0x1000), Err(EINVAL));
        }
    }
}
