// SPDX-License-Identifier: GPL-2.0
//! What a profile says, as the registers that the EP's driver reads.

use epc_regs::{event, features, reg, BAR_COUNT, BAR_ONLY_64BIT};

use super::{BarRule, Intx, Profile, Size, Space};

/// First byte behind the two alignments.
const ALIGNS_END: u64 = reg::OUTBOUND_ALIGN + 8;
/// First byte behind the descriptions of BARs.
const BARS_END: u64 = reg::BAR0 + reg::BAR_STRIDE * BAR_COUNT as u64;
/// First byte behind the spaces.
const SPACES_END: u64 = reg::SPACE0 + reg::SPACE_STRIDE * epc_regs::SPACE_MAX as u64;

impl Profile {
    /// Returns the 32-bit word at an offset, `None` when no register of a profile is there.
    pub fn register(&self, offset: u64) -> Option<u32> {
        Some(match offset {
            reg::FEATURES => self.feature_bits(),
            reg::MSI_MAX => self.interrupts.msi.into(),
            reg::MSIX_MAX => self.interrupts.msix.map_or(0, |msix| msix.vectors.into()),
            reg::SPACE_COUNT => self.outbound.spaces.len() as u32,
            reg::INBOUND_ALIGN..ALIGNS_END => {
                let inbound = self.inbound.align.map_or(0, Size::bytes);
                half(offset, reg::INBOUND_ALIGN, inbound)
                    .or_else(|| half(offset, reg::OUTBOUND_ALIGN, self.outbound.align.bytes()))
                    .unwrap_or(0)
            }
            reg::FUNCTION_COUNT => self.functions.get().into(),
            reg::DMA_COUNT => self.dma.channels().count() as u32,
            reg::BAR0..BARS_END => {
                let (index, at) = entry(offset - reg::BAR0, reg::BAR_STRIDE);
                self.bars.get(index).map_or(0, |bar| bar_word(bar, at))
            }
            reg::SPACE0..SPACES_END => {
                let (index, at) = entry(offset - reg::SPACE0, reg::SPACE_STRIDE);
                let layout = self.outbound.layout();
                layout.get(index).map_or(0, |space| space_word(space, at))
            }
            _ => return None,
        })
    }

    fn feature_bits(&self) -> u32 {
        let intx = self.interrupts.intx == Intx::Announced;
        let link_up = self.event_bits() & event::LINK_UP != 0;
        [(intx, features::INTX), (link_up, features::LINK_UP)]
            .iter()
            .fold(0, |all, (set, bit)| if *set { all | bit } else { all })
    }
}

/// Index of an entry of a table, and the offset in it.
fn entry(offset: u64, stride: u64) -> (usize, u64) {
    ((offset / stride) as usize, offset % stride)
}

/// The half of a 64-bit register at `field` that an access at `at` reads, if it is one of the two.
fn half(at: u64, field: u64, value: u64) -> Option<u32> {
    match at.checked_sub(field)? {
        0 => Some(value as u32),
        4 => Some((value >> 32) as u32),
        _ => None,
    }
}

fn bar_word(bar: &BarRule, at: u64) -> u32 {
    let only_64bit = if bar.only_64bit { BAR_ONLY_64BIT } else { 0 };
    match at {
        reg::BAR_KIND => bar.kind as u32 | only_64bit,
        _ => half(at, reg::BAR_SIZE, bar.size.map_or(0, Size::bytes)).unwrap_or(0),
    }
}

fn space_word(space: &Space, at: u64) -> u32 {
    half(at, reg::SPACE_OFFSET, space.offset)
        .or_else(|| half(at, reg::SPACE_SIZE, space.size))
        .or_else(|| half(at, reg::SPACE_PAGE, space.page))
        .unwrap_or(0)
}
