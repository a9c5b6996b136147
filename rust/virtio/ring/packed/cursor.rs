// SPDX-License-Identifier: GPL-2.0
//! Places in a packed ring: an offset, and the round in which it is meant (section 2.8.1).

use super::super::memory::DESCRIPTOR;

/// The number of descriptors of a packed virtqueue.
///
/// # Invariants
///
/// From 1 to [`PackedSize::MAX`] (section 2.8.10.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct PackedSize(u16);

impl PackedSize {
    /// The largest size (section 2.8.10.1).
    pub const MAX: u16 = 32768;

    /// Returns the size when it is a legal one.
    pub const fn new(size: u16) -> Option<Self> {
        if size == 0 || size > Self::MAX {
            return None;
        }
        // INVARIANT: in the range.
        Some(Self(size))
    }

    /// Returns the number of descriptors.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The wrap counter in a word that holds a cursor.
const WRAP: u16 = 1 << 15;

/// A descriptor of a ring, in one of two rounds that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) offset: u16,
    /// The ring wrap counter, which changes at the end of the ring.
    pub(super) wrap: bool,
}

impl Cursor {
    /// Returns the cursor that is the offset in bits 14:0 and the wrap counter in bit 15, when the ring
    /// has the descriptor.
    pub(super) fn from_word(word: u16, size: PackedSize) -> Option<Self> {
        let cursor = Self {
            offset: word & !WRAP,
            wrap: word & WRAP != 0,
        };
        (cursor.offset < size.get()).then_some(cursor)
    }

    /// Returns the word for it.
    pub(super) const fn to_word(self) -> u16 {
        self.offset | if self.wrap { WRAP } else { 0 }
    }

    /// Returns where the descriptor is in its area, in bytes.
    pub(super) fn position(self) -> usize {
        usize::from(self.offset).wrapping_mul(DESCRIPTOR)
    }

    /// Returns the cursor so many descriptors further on, at most a whole ring.
    pub(super) fn advanced(self, by: u16, size: PackedSize) -> Self {
        // 16 bits hold twice the largest size less one.
        let offset = self.offset.wrapping_add(by);
        match offset.checked_sub(size.get()) {
            Some(offset) => Self {
                offset,
                wrap: !self.wrap,
            },
            None => Self { offset, ..self },
        }
    }

    /// Returns how many descriptors there are from here to `other`, counted in two rounds.
    pub(super) fn distance(self, other: Self, size: PackedSize) -> u32 {
        let size = u32::from(size.get());
        let round = if self.wrap == other.wrap { 0 } else { size };
        let place = u32::from(other.offset).wrapping_add(round);
        match place.checked_sub(self.offset.into()) {
            Some(distance) => distance,
            // The same round, and an earlier place: the round after the next.
            None => place
                .wrapping_add(size)
                .wrapping_add(size)
                .wrapping_sub(self.offset.into()),
        }
    }
}
