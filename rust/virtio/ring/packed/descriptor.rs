// SPDX-License-Identifier: GPL-2.0
//! A descriptor of a packed ring, and its other half, which tells whose it is (sections 2.8.1, 2.8.13).
//!
//! ```text
//!   addr: u64 | len: u32, id: u16, flags: u16
//!     head    |            tail
//! ```
//!
//! Nothing here is checked.

use super::{
    super::{
        batch::Buffer,
        memory::DESCRIPTOR, //
    },
    cursor::Cursor,
};

/// Where the tail is in a descriptor, in bytes.
pub(super) const TAIL: usize = 8;
/// Where the flags are in a descriptor, in bytes.
pub(super) const FLAGS: usize = 14;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const AVAILABLE: u16 = 1 << 7;
const USED: u16 = 1 << 15;

/// The flags of a descriptor.
#[derive(Clone, Copy)]
pub(super) struct Flags(pub(super) u16);

impl Flags {
    /// Returns the flags of a used descriptor, of whose buffer some was written or none.
    pub(super) fn used(at: Cursor, is_written: bool) -> Self {
        let owner = if at.wrap { AVAILABLE | USED } else { 0 };
        Self(owner | if is_written { WRITE } else { 0 })
    }

    /// Returns whether the descriptor at `at` is available.
    pub(super) fn is_available(self, at: Cursor) -> bool {
        let is_set = |bit: u16| self.0 & bit != 0;
        is_set(AVAILABLE) == at.wrap && is_set(USED) != at.wrap
    }

    /// Returns whether the next descriptor of the ring continues the list.
    pub(super) fn has_next(self) -> bool {
        self.0 & NEXT != 0
    }

    /// Returns whether the buffer is a table of descriptors.
    pub(super) fn is_indirect(self) -> bool {
        self.0 & INDIRECT != 0
    }
}

/// All of a descriptor but the address.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    pub(super) len: u32,
    pub(super) id: u16,
    pub(super) flags: Flags,
}

impl Tail {
    /// Returns the tail that is in a word of 64 bits.
    pub(super) fn from_word(word: u64) -> Self {
        let [l0, l1, l2, l3, i0, i1, f0, f1] = word.to_le_bytes();
        Self {
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            id: u16::from_le_bytes([i0, i1]),
            flags: Flags(u16::from_le_bytes([f0, f1])),
        }
    }

    /// Returns the bytes of it in memory.
    pub(super) fn to_bytes(self) -> [u8; DESCRIPTOR - TAIL] {
        let [l0, l1, l2, l3] = self.len.to_le_bytes();
        let [i0, i1] = self.id.to_le_bytes();
        let [f0, f1] = self.flags.0.to_le_bytes();
        [l0, l1, l2, l3, i0, i1, f0, f1]
    }
}

/// A copy of a descriptor. Reserved flags are ignored.
#[derive(Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) addr: u64,
    pub(super) tail: Tail,
}

impl Descriptor {
    /// Returns the descriptor that these bytes are.
    pub(super) fn from_bytes(bytes: &[u8; DESCRIPTOR]) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7, tail @ ..] = *bytes;
        Self {
            addr: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            tail: Tail::from_word(u64::from_le_bytes(tail)),
        }
    }

    /// Returns the buffer that it describes.
    pub(super) fn buffer(self) -> Buffer {
        Buffer {
            addr: self.addr,
            len: self.tail.len,
            is_writable: self.tail.flags.0 & WRITE != 0,
        }
    }
}
