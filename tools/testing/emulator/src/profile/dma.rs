// SPDX-License-Identifier: GPL-2.0
//! The keys of a profile about DMA.

use epc_regs::{DmaKind, DMA_CHANNELS_MAX};
use serde::Deserialize;

use super::board::{check_count, BoardError};

/// The DMA engine: how many channels of each kind, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawDma")]
pub struct Dma {
    /// From RC memory to EP memory.
    pub read: usize,
    /// From EP memory to RC memory.
    pub write: usize,
    /// Between EP memory and the outbound window.
    pub copy: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDma {
    read: usize,
    write: usize,
    copy: usize,
}

impl TryFrom<RawDma> for Dma {
    type Error = BoardError;

    fn try_from(raw: RawDma) -> Result<Self, BoardError> {
        let RawDma { read, write, copy } = raw;
        let all = read.saturating_add(write).saturating_add(copy);
        check_count("DMA channels", all, 1, DMA_CHANNELS_MAX)?;
        Ok(Self { read, write, copy })
    }
}

impl Dma {
    /// Returns the kinds of the channels, by number.
    pub fn channels(self) -> impl Iterator<Item = DmaKind> {
        let several = |kind, count| std::iter::repeat_n(kind, count);
        several(DmaKind::Read, self.read)
            .chain(several(DmaKind::Write, self.write))
            .chain(several(DmaKind::Copy, self.copy))
    }
}
