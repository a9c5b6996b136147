// SPDX-License-Identifier: GPL-2.0

//! An address space: which PCI address lies behind an IOVA, and what the EP may do there.
//!
//! Mappings stay as they were made: they are not joined, so that `UNMAP` never has to split one. The
//! caller owns the memory for them and the lock around them.

use core::ops::DerefMut;

use crate::command::{
    CommandError,
    Mapping,
    Range, //
};

/// What the EP wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// It does both.
    ReadWrite,
}

/// A run of bytes at consecutive PCI addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// PCI address of the first byte.
    pub pci_addr: u64,
    /// Number of bytes, not 0.
    pub length: u64,
}

/// The mappings of one address space, as many as there are slots in `S`.
///
/// # Invariants
///
/// The first `count` slots are legal mappings in the order of their IOVAs, and do not overlap.
#[derive(Clone, Debug)]
pub struct AddressSpace<S> {
    slots: S,
    count: usize,
}

impl<S: DerefMut<Target = [Mapping]>> AddressSpace<S> {
    /// Nothing is mapped. What is in `slots` does not matter.
    pub fn new(slots: S) -> Self {
        // INVARIANT: There is no mapping.
        Self { slots, count: 0 }
    }

    /// The mappings, in the order of their IOVAs.
    pub fn mappings(&self) -> &[Mapping] {
        self.slots.get(..self.count).unwrap_or(&[])
    }

    /// Adds a mapping, whose ranges are legal.
    ///
    /// # Errors
    ///
    /// [`CommandError::BadState`] if some of it is mapped; [`CommandError::NoResources`] if there is
    /// no slot for it.
    pub fn insert(&mut self, mapping: &Mapping) -> Result<(), CommandError> {
        let place = self.first_from(mapping.range.iova);
        let next = self.mappings().get(place);
        if next.is_some_and(|next| next.range.iova <= mapping.range.last()) {
            return Err(CommandError::BadState);
        }
        let tail = self.slots.get_mut(place..=self.count);
        let tail = tail.ok_or(CommandError::NoResources)?;
        // INVARIANT: All before it end before it, and the next one begins after it.
        tail.rotate_right(1);
        if let Some(first) = tail.first_mut() {
            *first = *mapping;
        }
        self.count += 1;
        Ok(())
    }

    /// Removes the mappings that lie in `range`, if any.
    ///
    /// # Errors
    ///
    /// [`CommandError::BadState`] if a mapping lies in it with a part only; nothing is removed.
    pub fn remove(&mut self, range: &Range) -> Result<(), CommandError> {
        let first = self.first_from(range.iova);
        let end = self.first_beyond(range.last());
        let inside = self.mappings().get(first..end).unwrap_or(&[]);
        if !inside.iter().all(|mapping| range.contains(&mapping.range)) {
            return Err(CommandError::BadState);
        }
        let count = inside.len();
        if let Some(tail) = self.slots.get_mut(first..self.count) {
            // INVARIANT: Those that are left keep their order.
            tail.rotate_left(count);
            self.count -= count;
        }
        Ok(())
    }

    /// Where the byte at `iova` is, and how many of the `wanted` bytes from there on follow it.
    ///
    /// Returns `None` if the byte is not mapped for this access, or nothing is wanted.
    pub fn find(&self, iova: u64, wanted: u64, access: Access) -> Option<Piece> {
        let mut rest = self.mappings().get(self.first_from(iova)..)?.iter();
        let first = rest.next().filter(|mapping| mapping.permits(access))?;
        let offset = iova.checked_sub(first.range.iova)?;
        let pci_addr = first.pci_addr.checked_add(offset)?;
        let mut length = first.range.length - offset;
        for next in rest {
            let follows = iova.checked_add(length) == Some(next.range.iova)
                && pci_addr.checked_add(length) == Some(next.pci_addr)
                && next.permits(access);
            if length >= wanted || !follows {
                break;
            }
            length = length.saturating_add(next.range.length);
        }
        let length = length.min(wanted);
        (length != 0).then_some(Piece { pci_addr, length })
    }

    /// The slot of the first mapping that ends at or after `iova`.
    fn first_from(&self, iova: u64) -> usize {
        let is_before = |mapping: &Mapping| mapping.range.last() < iova;
        self.mappings().partition_point(is_before)
    }

    /// The slot of the first mapping that begins after `iova`.
    fn first_beyond(&self, iova: u64) -> usize {
        let is_before = |mapping: &Mapping| mapping.range.iova <= iova;
        self.mappings().partition_point(is_before)
    }
}
