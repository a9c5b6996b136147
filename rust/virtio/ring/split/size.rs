// SPDX-License-Identifier: GPL-2.0
//! The size of a split queue, and what depends on it.

use super::super::memory::{AVAILABLE_ENTRY, RING, USED_ENTRY};

/// The number of descriptors of a split virtqueue.
///
/// # Invariants
///
/// A power of two from 1 to [`SplitSize::MAX`] (section 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SplitSize(u16);

impl SplitSize {
    /// The largest size (section 2.7).
    pub const MAX: u16 = 32768;

    /// Returns the size when it is a legal one.
    pub const fn new(size: u16) -> Option<Self> {
        if size.is_power_of_two() {
            // INVARIANT: the largest power of two in 16 bits is `MAX`, and zero is none.
            Some(Self(size))
        } else {
            None
        }
    }

    /// Returns the number of descriptors.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns the number of descriptors as a count of entries in memory.
    pub(super) const fn entries(self) -> usize {
        // CAST: widens; `usize::from` is not `const`.
        self.0 as usize
    }

    /// Returns what is left of a free-running index or of a place in the table beyond its end.
    #[inline]
    pub(super) const fn wrapped(self, index: u16) -> u16 {
        // The size is a power of two, hence the mask.
        index & self.0.wrapping_sub(1)
    }

    /// Returns the slot of the ring entry that belongs to a free-running index.
    #[inline]
    pub(super) const fn slot(self, index: u16) -> usize {
        // CAST: widens.
        self.wrapped(index) as usize
    }

    /// Returns where `used_event` is in the driver area, in bytes.
    pub(in super::super) const fn used_event(self) -> usize {
        RING + AVAILABLE_ENTRY * self.entries()
    }

    /// Returns where `avail_event` is in the device area, in bytes.
    pub(in super::super) const fn avail_event(self) -> usize {
        RING + USED_ENTRY * self.entries()
    }
}
