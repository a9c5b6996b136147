// SPDX-License-Identifier: GPL-2.0
//! A checked buffer of the driver side, and copies from and to it.

use super::{
    RingMemory,
    Used, //
};

/// A piece of driver-side memory, never empty and never past the end of the address space.
///
/// Whether there is memory at the address only [`RingMemory`] knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The driver-side address.
    pub addr: u64,
    /// The length in bytes.
    pub len: u32,
}

/// A buffer that the driver side made available: a readable part, then a writable part.
///
/// A chain borrows from its [`Batch`](super::Batch). Its parts are a copy that the driver side cannot
/// change; the bytes they refer to it can change at any time.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    pub(super) head: u16,
    pub(super) slots: u16,
    pub(super) readable: &'a [Segment],
    pub(super) writable: &'a [Segment],
    pub(super) readable_len: u32,
    pub(super) writable_len: u32,
}

impl<'a> Chain<'a> {
    /// Returns what names the chain when it is used: the index of its first descriptor in a split queue,
    /// a number of the driver side's choice in a packed one.
    #[inline]
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Returns how many descriptors of the ring, or of the descriptor table, the chain has; those in an
    /// indirect table do not count.
    #[inline]
    pub fn descriptors(&self) -> u16 {
        self.slots
    }

    /// Returns the segments that the device may read, in order.
    #[inline]
    pub fn readable(&self) -> &'a [Segment] {
        self.readable
    }

    /// Returns the segments that the device may write, in order.
    #[inline]
    pub fn writable(&self) -> &'a [Segment] {
        self.writable
    }

    /// Returns the length of the readable part in bytes.
    #[inline]
    pub fn readable_len(&self) -> u32 {
        self.readable_len
    }

    /// Returns the length of the writable part in bytes.
    #[inline]
    pub fn writable_len(&self) -> u32 {
        self.writable_len
    }

    /// Returns the chain as it is handed back, after its first `written` bytes were written.
    #[inline]
    pub fn used(&self, written: u32) -> Used {
        Used {
            head: self.head,
            len: written,
            slots: self.slots,
            is_filled: written == self.writable_len,
        }
    }

    /// Copies readable bytes from `offset` on and returns how many there were.
    ///
    /// Fewer than asked for means that the readable part ended.
    ///
    /// # Errors
    ///
    /// That of the memory; some bytes may have been copied.
    pub fn read<M: RingMemory + ?Sized>(
        &self,
        memory: &M,
        offset: usize,
        to: &mut [u8],
    ) -> Result<usize, M::Error> {
        let len = part(self.readable_len, offset, to.len());
        let Some(to) = to.get_mut(..len) else {
            return Ok(0);
        };
        memory.read_pieces(Pieces::new(self.readable, offset, len), to)?;
        Ok(len)
    }

    /// Copies to writable bytes from `offset` on and returns how many there were.
    ///
    /// Fewer than asked for means that the writable part ended.
    ///
    /// # Errors
    ///
    /// That of the memory; some bytes may have been copied.
    pub fn write<M: RingMemory + ?Sized>(
        &self,
        memory: &M,
        offset: usize,
        from: &[u8],
    ) -> Result<usize, M::Error> {
        let len = part(self.writable_len, offset, from.len());
        let Some(from) = from.get(..len) else {
            return Ok(0);
        };
        memory.write_pieces(Pieces::new(self.writable, offset, len), from)?;
        Ok(len)
    }
}

/// Returns how many of `wanted` bytes from `offset` on there are in a part of `len` bytes.
fn part(len: u32, offset: usize, wanted: usize) -> usize {
    // CAST: a kernel's `usize` has at least 32 bits.
    (len as usize).saturating_sub(offset).min(wanted)
}

/// Where some bytes of a chain are, piece by piece.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    segments: &'a [Segment],
    /// Bytes before the first one.
    skip: usize,
    left: usize,
}

impl<'a> Pieces<'a> {
    /// Returns these segments, whole.
    pub fn all(segments: &'a [Segment]) -> Self {
        Self::new(segments, 0, usize::MAX)
    }

    /// Returns the pieces that make up `len` bytes from `offset` on, as far as the segments reach.
    fn new(segments: &'a [Segment], offset: usize, len: usize) -> Self {
        Self {
            segments,
            skip: offset,
            left: len,
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Segment;

    /// Each round takes a segment away.
    fn next(&mut self) -> Option<Segment> {
        while let Some((segment, rest)) = self.segments.split_first() {
            if self.left == 0 {
                break;
            }
            self.segments = rest;
            // CAST: a kernel's `usize` has at least 32 bits.
            let whole = segment.len as usize;
            let start = whole.min(self.skip);
            let len = whole.saturating_sub(start).min(self.left);
            self.skip = self.skip.saturating_sub(start);
            self.left = self.left.saturating_sub(len);
            if len != 0 {
                return Some(Segment {
                    // The sum is within the segment, which ends within the address space.
                    addr: segment.addr.wrapping_add(start as u64),
                    // CAST: not longer than the segment.
                    len: len as u32,
                });
            }
        }
        None
    }
}
