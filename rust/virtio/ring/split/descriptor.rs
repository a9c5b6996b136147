// SPDX-License-Identifier: GPL-2.0
//! A descriptor of a table as the driver side wrote it (section 2.7.5).
//!
//! Nothing here is checked; `walk` does that.

use super::super::{
    batch::Buffer,
    memory::DESCRIPTOR, //
};

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// A copy of a descriptor; no field is checked. Reserved flags are ignored.
#[derive(Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) addr: u64,
    pub(super) len: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    /// Returns the descriptor that these bytes of a table are.
    #[inline]
    pub(super) fn from_bytes(bytes: &[u8; DESCRIPTOR]) -> Self {
        let [addr @ .., l0, l1, l2, l3, f0, f1, n0, n1] = *bytes;
        Self {
            addr: u64::from_le_bytes(addr),
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u16::from_le_bytes([f0, f1]),
            next: u16::from_le_bytes([n0, n1]),
        }
    }

    /// Returns the bytes of a table that are this descriptor.
    pub(super) fn to_bytes(self) -> [u8; DESCRIPTOR] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = self.addr.to_le_bytes();
        let [l0, l1, l2, l3] = self.len.to_le_bytes();
        let ([f0, f1], [n0, n1]) = (self.flags.to_le_bytes(), self.next.to_le_bytes());
        [
            a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3, f0, f1, n0, n1,
        ]
    }

    /// Returns the descriptor of a copy of the same at another address.
    pub(super) fn moved_to(self, addr: u64) -> Self {
        Self { addr, ..self }
    }

    /// Returns the index of the descriptor that continues the chain.
    #[inline]
    pub(super) fn next(self) -> Option<u16> {
        (self.flags & NEXT != 0).then_some(self.next)
    }

    /// Returns the buffer that it describes.
    #[inline]
    pub(super) fn buffer(self) -> Buffer {
        Buffer {
            addr: self.addr,
            len: self.len,
            is_writable: self.flags & WRITE != 0,
        }
    }

    /// Returns whether the buffer is a table of descriptors.
    #[inline]
    pub(super) fn is_indirect(self) -> bool {
        self.flags & INDIRECT != 0
    }
}
