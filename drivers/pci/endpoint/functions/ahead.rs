// SPDX-License-Identifier: GPL-2.0

//! Reads of RC memory by a lane: many pieces by one transfer, before they are asked for.
//!
//! The ring engine knows from a batch of descriptors which tables, headers and payload are read next
//! (`RingMemory::read_ahead`). One by one they are not worth a transfer each; together they are. The available index
//! is behind the first of them, so that the end of a batch need not be looked for by another load.
//!
//! ```text
//!   pieces of a batch    header | payload | header | payload | header | payload
//!   in the lane's memory                  [------ held ------]
//! ```
//!
//! What is not held yet is fetched when it is asked for, with as many of those behind it as the memory takes.
//!
//! Context: process, with the ring lock held.

use crate::{
    buffers::Buffers,
    dma::{
        Lane,
        LANE_BYTES,
        LANE_SEGMENTS, //
    },
    window::Mapper, //
};
use core::ops::Range;
use kernel::prelude::*;
use virtio::ring::{
    memory::INDEX,
    Pieces,
    Segment, //
};

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// How many pieces are known ahead: those of a batch of frames, of 17 pieces each.
const MOST_PIECES: usize = 1024;

/// Bytes from the begin of the driver area that have the available index.
pub(crate) const INDEX_BYTES: usize = INDEX + size_of::<u16>();

/// What comes through the lane of a queue, and what of it is there.
pub(crate) struct Ahead<L> {
    lane: L,
    pieces: KVec<Piece>,
    /// Where the next one is looked for: they are asked for in the order in which they were given.
    next: usize,
    /// Those whose bytes are in the lane's memory.
    held: Range<usize>,
}

/// A piece, and where its bytes are if it is held.
struct Piece {
    segment: Segment,
    start: usize,
}

impl<L: Lane> Ahead<L> {
    pub(crate) fn new(lane: L) -> Result<Self> {
        Ok(Self {
            lane,
            pieces: KVec::with_capacity(MOST_PIECES, GFP_KERNEL)?,
            next: 0,
            held: 0..0,
        })
    }

    /// Reads the first of these pieces, and behind them `index`, if it is given, which ends with the available index.
    /// Those of the last time are forgotten, and these, too, if it cannot be done or is not worth it.
    ///
    /// Returns the available index, if it was read.
    pub(crate) fn read<M: Mapper>(
        &mut self,
        buffers: &Buffers<M>,
        pieces: &mut dyn Iterator<Item = Segment>,
        index: Option<Segment>,
    ) -> Option<u16> {
        self.forget();
        for segment in pieces.filter(fits) {
            let piece = Piece { segment, start: 0 };
            if self.pieces.push_within_capacity(piece).is_err() {
                break;
            }
        }
        if self.pieces.is_empty() {
            return None;
        }
        let end = self.fetch(buffers, 0, index)?;
        index?;
        Some(u16::from_le_bytes(
            *self.lane.bytes().get(..end)?.last_chunk()?,
        ))
    }

    /// Reads pieces that are as long as `to` together by a transfer of their own, if that is worth it; returns whether it
    /// did.
    pub(crate) fn read_now<M: Mapper>(
        &mut self,
        buffers: &Buffers<M>,
        pieces: impl Iterator<Item = Segment>,
        to: &mut [u8],
    ) -> bool {
        if !self.lane.takes(to.len()) {
            return false;
        }
        // They take the place of those that were held.
        self.held = 0..0;
        if !buffers.transfer_from(&mut self.lane, to.len(), pieces) {
            return false;
        }
        let bytes = self.lane.bytes().get(..to.len());
        bytes.map(|bytes| to.copy_from_slice(bytes)).is_some()
    }

    /// Copies bytes at `addr`, if they are known and can be fetched; returns whether they were.
    pub(crate) fn copy<M: Mapper>(
        &mut self,
        buffers: &Buffers<M>,
        addr: u64,
        to: &mut [u8],
    ) -> bool {
        let Some((index, offset)) = self.find(addr, to.len()) else {
            return false;
        };
        if !self.held.contains(&index) && self.fetch(buffers, index, None).is_none() {
            return false;
        }
        let start = self.pieces.get(index).map(|piece| piece.start + offset);
        let bytes = start.and_then(|start| self.lane.bytes().get(start..start + to.len()));
        bytes.map(|bytes| to.copy_from_slice(bytes)).is_some()
    }

    /// Returns whether all of the pieces are known.
    pub(crate) fn has(&mut self, mut pieces: Pieces<'_>) -> bool {
        // CAST: A kernel's `usize` has at least 32 bits.
        pieces.all(|piece| self.find(piece.addr, piece.len as usize).is_some())
    }

    /// Forgets all pieces.
    fn forget(&mut self) {
        self.pieces.clear();
        self.next = 0;
        self.held = 0..0;
    }

    /// Has the lane's memory hold pieces from `first` on, and `last` behind them; returns how many bytes these are.
    /// Otherwise all are forgotten.
    fn fetch<M: Mapper>(
        &mut self,
        buffers: &Buffers<M>,
        first: usize,
        last: Option<Segment>,
    ) -> Option<usize> {
        let (count, end) = self.place(first);
        let end = end + last.map_or(0, |last| last.len as usize);
        let chosen = self.pieces.iter().skip(first).take(count);
        let chosen = Iterator::chain(chosen.map(|piece| piece.segment), last);
        let is_there = self.lane.takes(end) && buffers.transfer_from(&mut self.lane, end, chosen);
        if !is_there {
            self.forget();
            return None;
        }
        self.held = first..first + count;
        Some(end)
    }

    /// Places as many pieces as there is room for, from `first` on; returns how many, and their bytes.
    fn place(&mut self, first: usize) -> (usize, usize) {
        let (mut count, mut end) = (0, 0);
        for piece in self.pieces.iter_mut().skip(first).take(LANE_SEGMENTS) {
            // CAST: A kernel's `usize` has at least 32 bits.
            let len = piece.segment.len as usize;
            if len > LANE_BYTES - INDEX_BYTES - end {
                break;
            }
            piece.start = end;
            end += len;
            count += 1;
        }
        (count, end)
    }

    /// Returns which piece has bytes at `addr`, and where in it they are.
    fn find(&mut self, addr: u64, len: usize) -> Option<(usize, usize)> {
        let (before, from) = self.pieces.split_at_checked(self.next)?;
        let mut all = Iterator::chain(from.iter(), before).enumerate();
        let (count, offset) =
            all.find_map(|(count, piece)| Some((count, piece.locate(addr, len)?)))?;
        // Not behind it: a table is read in several runs, a header apart from its payload.
        self.next = (self.next + count) % self.pieces.len();
        Some((self.next, offset))
    }
}

/// Whether there is room for a piece, with the index behind it.
fn fits(piece: &Segment) -> bool {
    // CAST: A kernel's `usize` has at least 32 bits.
    piece.len as usize <= LANE_BYTES - INDEX_BYTES
}

impl Piece {
    /// Returns where these bytes are, if they are within the piece.
    fn locate(&self, addr: u64, len: usize) -> Option<usize> {
        let offset = usize::try_from(addr.checked_sub(self.segment.addr)?).ok()?;
        // CAST: A kernel's `usize` has at least 32 bits.
        let rest = (self.segment.len as usize).checked_sub(offset)?;
        (len <= rest).then_some(offset)
    }
}
