// SPDX-License-Identifier: GPL-2.0
//! The two forms of a virtqueue, and the three areas of each.
//!
//! ```text
//!                      split                                                packed
//!   Area::Descriptor   16 bytes per descriptor                              16 bytes per descriptor
//!   Area::Driver       flags, index: u16, ring: [u16; size], used_event: u16   place, flags: u16
//!   Area::Device       flags, index: u16, ring: [{id, len: u32}; size],        place, flags: u16
//!                      avail_event: u16
//! ```

use crate::features;

use super::{
    memory::{Area, DESCRIPTOR},
    packed::PackedSize,
    split::SplitSize, //
};

/// The length of the words in which a side of a packed queue says what notifications it wants, in bytes.
const EVENT_SUPPRESSION: usize = 4;

/// The form of a virtqueue and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A descriptor table, and a ring for each side.
    Split(SplitSize),
    /// One ring of descriptors.
    Packed(PackedSize),
}

impl Layout {
    /// Returns the layout that the negotiated features ask for, when the size is legal in it: a power of
    /// two for a split queue (section 2.7), any for a packed one, and at most 32768.
    ///
    /// Of the features, [`features::RING_PACKED`] counts.
    pub const fn new(size: u16, negotiated: u64) -> Option<Self> {
        if negotiated & features::RING_PACKED != 0 {
            match PackedSize::new(size) {
                Some(size) => Some(Self::Packed(size)),
                None => None,
            }
        } else {
            match SplitSize::new(size) {
                Some(size) => Some(Self::Split(size)),
                None => None,
            }
        }
    }

    /// Returns the number of descriptors.
    #[inline]
    pub const fn size(self) -> u16 {
        match self {
            Self::Split(size) => size.get(),
            Self::Packed(size) => size.get(),
        }
    }
}

impl Area {
    /// Returns the length of the area in bytes.
    pub const fn len(self, layout: Layout) -> usize {
        match (self, layout) {
            // CAST: widens; `usize::from` is not `const`.
            (Self::Descriptor, _) => DESCRIPTOR * layout.size() as usize,
            (Self::Driver, Layout::Split(size)) => size.used_event() + 2,
            (Self::Device, Layout::Split(size)) => size.avail_event() + 2,
            (_, Layout::Packed(_)) => EVENT_SUPPRESSION,
        }
    }
}
