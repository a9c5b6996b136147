// SPDX-License-Identifier: GPL-2.0
//! What is where in a push area.
//!
//! ```text
//!   0                      descriptor table
//!   16 * size              driver area
//!   the next line          room for readable buffers and indirect tables
//!   len
//! ```

use super::super::{
    super::{
        layout::Layout,
        memory::{Area, DESCRIPTOR},
    },
    size::SplitSize,
};

/// What push areas and the room in them are aligned to: what a processor writes at once at most.
pub(super) const LINE: u32 = 64;

/// How many bytes of a buffer are pushed at most; larger ones are for the device side to fetch.
///
/// Kicks may come with interrupts off: by writes of 8 bytes that leave every 60 ns it takes 123 us.
pub const MOST_PUSHED: u32 = 16 << 10;

/// The upper half of addresses in a push area. No memory of a driver side is there: no system has
/// addresses of 64 bits.
const PUSHED: u64 = 0xffff_ffff_0000_0000;

/// The memory of the device that a queue is pushed to.
///
/// # Invariants
///
/// Descriptor table and driver area of the size are inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushArea {
    size: SplitSize,
    len: u32,
    /// The length from which on buffers are left to the device side.
    below: u32,
}

impl PushArea {
    /// Returns the push area of `len` bytes of a queue of this size, if the size is legal and the rings
    /// fit in.
    pub fn new(size: u16, len: u32) -> Option<Self> {
        let area = Self {
            size: SplitSize::new(size)?,
            len,
            below: MOST_PUSHED + 1,
        };
        // INVARIANT: The room is behind both.
        (area.room() <= len).then_some(area)
    }

    /// Returns how many bytes a push area needs for queues of up to `size` descriptors and `room` bytes
    /// besides; none if there are too many.
    pub fn len_for(size: SplitSize, room: u32) -> Option<u32> {
        let rings = Self {
            size,
            len: 0,
            below: 0,
        };
        let len = rings.room().checked_add(room)?;
        len.checked_next_multiple_of(LINE)
    }

    /// Leaves buffers of `below` bytes and more to the device side too, which has other means than loads to fetch
    /// them; 0: none.
    pub fn pushing_below(self, below: u32) -> Self {
        match below {
            0 => self,
            // INVARIANT: Size and length stay.
            _ => Self {
                below: below.min(self.below),
                ..self
            },
        }
    }

    /// Returns whether a buffer of `len` bytes is worth pushing.
    pub(super) fn takes(self, len: u32) -> bool {
        (1..self.below).contains(&len)
    }

    /// Returns the queue size.
    pub(super) fn size(self) -> SplitSize {
        self.size
    }

    /// Returns where the descriptor table or the driver area begins.
    ///
    /// The device area is not in a push area.
    pub fn offset(self, area: Area) -> Option<usize> {
        match area {
            Area::Descriptor => Some(0),
            Area::Driver => Some(self.driver()),
            Area::Device => None,
        }
    }

    /// Returns where the driver area begins.
    pub(super) fn driver(self) -> usize {
        DESCRIPTOR * self.size.entries()
    }

    /// Returns where the room begins.
    pub(super) fn room(self) -> u32 {
        let driver = Area::Driver.len(Layout::Split(self.size));
        // CAST: less than a megabyte, for the largest queue.
        ((self.driver() + driver) as u32).next_multiple_of(LINE)
    }

    /// Returns how many bytes the room has: whole lines.
    pub(super) fn room_len(self) -> u32 {
        let len = self.len.saturating_sub(self.room());
        len.saturating_sub(len % LINE)
    }

    /// Returns the address that stands for a byte of the push area in descriptors.
    pub fn address(offset: u32) -> u64 {
        PUSHED | u64::from(offset)
    }

    /// Returns which byte of the push area an address stands for, if it stands for one of those that can be
    /// there. Whether it is inside is not checked.
    pub fn offset_of(address: u64) -> Option<u32> {
        // CAST: The upper half is compared.
        (address & PUSHED == PUSHED).then_some(address as u32)
    }
}
