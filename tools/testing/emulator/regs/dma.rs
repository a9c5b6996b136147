// SPDX-License-Identifier: GPL-2.0
//! Transfers of a DMA channel, and the list that describes one.

/// Number of DMA channels at most.
pub const DMA_CHANNELS_MAX: usize = 16;
/// Entries of the list of one transfer at most: 24 KiB of EP memory.
pub const DMA_ENTRIES_MAX: usize = 1024;
/// Bytes that one transfer moves at most, so that it ends soon.
pub const DMA_BYTES_MAX: u64 = 16 << 20;

/// Between what a DMA channel moves data, value of [`reg::DMA_KIND`](crate::reg::DMA_KIND).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DmaKind {
    /// From RC memory, by PCI address, to EP memory.
    Read = 1,
    /// From EP memory to RC memory, by PCI address.
    Write = 2,
    /// Between EP memory and mappings of the outbound window, in any combination.
    Copy = 3,
}

impl DmaKind {
    /// Returns the kind for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Read,
            2 => Self::Write,
            3 => Self::Copy,
            _ => return None,
        })
    }
}

/// Value of [`reg::DMA_CONTROL`](crate::reg::DMA_CONTROL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DmaControl {
    /// Starts the transfer that `DMA_LIST` and `DMA_ENTRIES` describe, unless one runs.
    Start = 1,
    /// Ends the transfer that runs; once this is written, it touches no memory.
    Abort = 2,
}

impl DmaControl {
    /// Returns the action for its register value, `None` when there is no such value.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Start,
            2 => Self::Abort,
            _ => return None,
        })
    }
}

/// One entry of the list of a transfer: three words of 64 bits in EP memory, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaEntry {
    /// Where the first byte comes from.
    pub source: u64,
    /// Where it goes.
    pub destination: u64,
    /// How many bytes, not 0.
    pub size: u32,
    /// Bits of [`dma_flags`].
    pub flags: u32,
}

impl DmaEntry {
    /// Words of 64 bits that an entry consists of.
    pub const WORDS: usize = 3;
    /// Bytes of an entry.
    pub const SIZE: usize = 8 * Self::WORDS;

    /// Returns the words of this entry.
    pub const fn to_words(self) -> [u64; Self::WORDS] {
        let last = self.size as u64 | ((self.flags as u64) << 32);
        [self.source, self.destination, last]
    }

    /// Returns the entry that consists of these words.
    pub const fn from_words(words: [u64; Self::WORDS]) -> Self {
        let [source, destination, last] = words;
        Self {
            source,
            destination,
            size: last as u32,
            flags: (last >> 32) as u32,
        }
    }
}

/// Bits of [`DmaEntry::flags`]; a channel that is not `Copy` takes none.
pub mod dma_flags {
    /// The source is an offset in the outbound window, not an EP address.
    pub const SOURCE_IN_WINDOW: u32 = 1 << 0;
    /// The destination is an offset in the outbound window, not an EP address.
    pub const DESTINATION_IN_WINDOW: u32 = 1 << 1;
    /// All flags that are accepted.
    pub const ALL: u32 = SOURCE_IN_WINDOW | DESTINATION_IN_WINDOW;
}
