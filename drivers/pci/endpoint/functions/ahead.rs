// SPDX-License-Identifier: GPL-2.0

//! What was read from RC memory before it is asked for: many short pieces by one DMA transfer.
//!
//! The ring engine knows from a batch of descriptors which tables, headers and packets are read next
//! (`RingMemory::read_ahead`). One by one they are not worth a transfer each; together they are. The available index
//! is behind them, so that the end of a batch need not be looked for by another load.
//!
//! Context: process, with the ring lock held.

use crate::dma::BUFFER_BYTES;
use kernel::prelude::*;
use virtio::ring::{
    memory::INDEX,
    Segment, //
};

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// How many pieces are read ahead: two of each chain of a batch. A transfer has room for twice as many, as a piece may
/// lie in two pages.
const MOST_PIECES: usize = 127;

/// Bytes from the begin of the driver area that have the available index.
pub(crate) const INDEX_BYTES: usize = INDEX + size_of::<u16>();

/// Pieces of RC memory as they were when they were read.
pub(crate) struct Ahead {
    held: KVec<Held>,
    /// Where the next one is looked for: pieces are asked for in the order in which they were given.
    next: usize,
    /// The pieces one behind the other, then the begin of the driver area. Grows to what is needed.
    bytes: KVVec<u8>,
}

/// A piece and where its bytes are.
struct Held {
    addr: u64,
    start: usize,
    len: usize,
}

impl Ahead {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            held: KVec::with_capacity(MOST_PIECES, GFP_KERNEL)?,
            next: 0,
            bytes: KVVec::new(),
        })
    }

    /// Reads, by `transfer`, those of the pieces that are shorter than `short` bytes, as far as there is room, and the
    /// begin of the driver area at `driver`. Those of the last time are forgotten.
    ///
    /// Returns the available index, if `transfer` did it.
    pub(crate) fn read(
        &mut self,
        pieces: &mut dyn Iterator<Item = Segment>,
        short: usize,
        driver: u64,
        transfer: impl FnOnce(&mut dyn Iterator<Item = Segment>, &mut [u8]) -> bool,
    ) -> Option<u16> {
        self.forget();
        let len = self.choose(pieces, short);
        let index = self.read_chosen(len, driver, transfer);
        if index.is_none() {
            self.forget();
        }
        index
    }

    /// Forgets all pieces.
    fn forget(&mut self) {
        self.held.clear();
        self.next = 0;
    }

    /// Notes the pieces that are to be read; returns how long they are together.
    fn choose(&mut self, pieces: &mut dyn Iterator<Item = Segment>, short: usize) -> usize {
        let mut end = 0;
        for Segment { addr, len } in pieces {
            // CAST: A kernel's `usize` has at least 32 bits.
            let len = len as usize;
            if len >= short || len > BUFFER_BYTES - INDEX_BYTES - end {
                continue;
            }
            let held = Held {
                addr,
                start: end,
                len,
            };
            if self.held.push_within_capacity(held).is_err() {
                break;
            }
            end += len;
        }
        end
    }

    fn read_chosen(
        &mut self,
        len: usize,
        driver: u64,
        transfer: impl FnOnce(&mut dyn Iterator<Item = Segment>, &mut [u8]) -> bool,
    ) -> Option<u16> {
        let end = len + INDEX_BYTES;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0, GFP_KERNEL).ok()?;
        }
        let index = Segment {
            addr: driver,
            len: INDEX_BYTES as u32,
        };
        let chosen = self.held.iter().map(|held| Segment {
            addr: held.addr,
            // CAST: At most the size of the buffer.
            len: held.len as u32,
        });
        let to = self.bytes.get_mut(..end)?;
        if !transfer(&mut Iterator::chain(chosen, [index]), to) {
            return None;
        }
        Some(u16::from_le_bytes(*to.last_chunk()?))
    }

    /// Copies bytes at `addr`, if they were read; returns whether they were.
    pub(crate) fn copy(&mut self, addr: u64, to: &mut [u8]) -> bool {
        let Some(start) = self.find(addr, to.len()) else {
            return false;
        };
        match self.bytes.get(start..start + to.len()) {
            Some(bytes) => to.copy_from_slice(bytes),
            None => return false,
        }
        true
    }

    /// Returns whether a piece was read.
    pub(crate) fn has(&mut self, piece: Segment) -> bool {
        // CAST: A kernel's `usize` has at least 32 bits.
        self.find(piece.addr, piece.len as usize).is_some()
    }

    /// Returns where bytes at `addr` are.
    fn find(&mut self, addr: u64, len: usize) -> Option<usize> {
        let (before, from) = self.held.split_at_checked(self.next)?;
        let mut all = Iterator::chain(from.iter(), before).enumerate();
        let (count, start) =
            all.find_map(|(count, held)| Some((count, held.locate(addr, len)?)))?;
        // Not behind it: a table is read in several runs, a header apart from its payload.
        self.next = (self.next + count) % self.held.len();
        Some(start)
    }
}

impl Held {
    /// Returns where these bytes are, if they are within the piece.
    fn locate(&self, addr: u64, len: usize) -> Option<usize> {
        let offset = usize::try_from(addr.checked_sub(self.addr)?).ok()?;
        let rest = self.len.checked_sub(offset)?;
        (len <= rest).then_some(self.start + offset)
    }
}
