// SPDX-License-Identifier: GPL-2.0

//! Areas at addresses of our choice: a slot number and an offset.
//!
//! ```text
//!     63            32 31             0
//!    +----------------+----------------+
//!    |    slot + 1    |     offset     |
//!    +----------------+----------------+
//! ```
//!
//! Buffers are mapped and unmapped all the time: both take constant time, and allocate only when
//! there are more areas than ever before.

use super::area::Area;
use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        Flags, //
    },
    prelude::*, //
};

/// Slots are allocated in groups of this many, less than a page.
const GROUP_SLOTS: usize = 128;

/// The highest number of groups: 65536 slots, enough for 256 requests of 256 segments each.
const MAX_GROUPS: usize = 512;

/// How much the offset part of an address can tell apart.
pub(super) const MAX_AREA_SIZE: usize = u32::MAX as usize;

/// A place for an area.
enum Slot {
    /// Without area; the number of the next one in the list of free slots.
    Free(Option<u32>),
    Used(Area),
}

/// The table of slots.
pub(super) struct Slots {
    groups: KVec<KVec<Slot>>,
    /// The head of the list of free slots.
    free: Option<u32>,
}

impl Slots {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            groups: KVec::with_capacity(MAX_GROUPS, GFP_KERNEL)?,
            free: None,
        })
    }

    /// Returns the area that `address` is in or after, and the offset in it.
    pub(super) fn find(&self, address: u64) -> Option<(Area, u64)> {
        let (number, offset) = split(address)?;
        match self.slot(number)? {
            &Slot::Used(area) => Some((area, offset)),
            Slot::Free(_) => None,
        }
    }

    /// Puts an area into a free slot and returns its address.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it is too large; `ENOSPC`: there are too many; `ENOMEM`.
    pub(super) fn insert(&mut self, area: Area) -> Result<u64> {
        if area.size() > MAX_AREA_SIZE {
            return Err(EINVAL);
        }
        let number = match self.free {
            Some(number) => number,
            None => self.grow()?,
        };
        let slot = self.slot_mut(number).ok_or(ENOSPC)?;
        if let Slot::Free(next) = *slot {
            *slot = Slot::Used(area);
            self.free = next;
        }
        Ok((u64::from(number) + 1) << 32)
    }

    /// Frees the slot of an area.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no area at this address.
    pub(super) fn remove(&mut self, address: u64) -> Result {
        let (number, _) = split(address).ok_or(EINVAL)?;
        let free = self.free;
        let slot = self.slot_mut(number).ok_or(EINVAL)?;
        if matches!(slot, Slot::Free(_)) {
            return Err(EINVAL);
        }
        *slot = Slot::Free(free);
        self.free = Some(number);
        Ok(())
    }

    /// Adds a group of free slots and returns the first.
    fn grow(&mut self) -> Result<u32> {
        if self.groups.len() >= MAX_GROUPS {
            return Err(ENOSPC);
        }
        // CAST: Below MAX_GROUPS * GROUP_SLOTS.
        let first = (self.groups.len() * GROUP_SLOTS) as u32;
        let last = first + GROUP_SLOTS as u32 - 1;
        let mut group = KVec::with_capacity(GROUP_SLOTS, atomic())?;
        for number in first..=last {
            let next = (number < last).then_some(number + 1);
            group.push(Slot::Free(next), atomic())?;
        }
        self.groups.push(group, atomic())?;
        self.free = Some(first);
        Ok(first)
    }

    fn slot(&self, number: u32) -> Option<&Slot> {
        let number = number as usize;
        self.groups
            .get(number / GROUP_SLOTS)?
            .get(number % GROUP_SLOTS)
    }

    fn slot_mut(&mut self, number: u32) -> Option<&mut Slot> {
        let number = number as usize;
        self.groups
            .get_mut(number / GROUP_SLOTS)?
            .get_mut(number % GROUP_SLOTS)
    }
}

/// Returns the slot number and the offset of an address.
fn split(address: u64) -> Option<(u32, u64)> {
    // CAST: The high half fits after the shift.
    let number = ((address >> 32) as u32).checked_sub(1)?;
    Some((number, address & u64::from(u32::MAX)))
}

/// Allocation with the map locked; a failure is the mapping's, which virtio drivers retry.
fn atomic() -> Flags {
    GFP_ATOMIC | __GFP_NOWARN
}
