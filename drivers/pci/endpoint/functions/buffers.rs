// SPDX-License-Identifier: GPL-2.0

//! Copies from and to buffers in RC memory, of any length and alignment: through windows, or by a lane of the DMA engine.
//!
//! Context: process. The user's memo is locked from where an address is translated until the copy is
//! over; see `window`. `translation` is looked into with the memo locked.

use crate::{
    dma::Lane,
    window::{
        Chunk,
        Mapper,
        Memo,
        Remembered,
        Window,
        WindowCache, //
    }, //
};
use core::iter;
use dmaengine::Piece;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pci_ep::Endpoint;
use transport::Access;
use virtio::ring::Segment;

/// Access to buffers in RC memory, for a queue or another user.
pub(crate) struct Buffers<M: Mapper = Endpoint> {
    cache: Arc<WindowCache<M>>,
    memo: Arc<Memo<M::Window>>,
    /// The number of the address space that they are in.
    space: u16,
}

impl<M: Mapper> Buffers<M> {
    pub(crate) fn new(cache: &Arc<WindowCache<M>>, space: u16) -> Result<Self> {
        Ok(Self {
            memo: cache.add_user()?,
            cache: cache.clone(),
            space,
        })
    }

    /// Moves pieces of RC memory, which are `len` bytes together, to the memory of a lane; returns whether it did.
    pub(crate) fn transfer_from(
        &self,
        lane: &mut impl Lane,
        len: usize,
        pieces: impl Iterator<Item = Segment>,
    ) -> bool {
        let _memo = self.memo.chunks.lock();
        lane.transfer(len, self.find_all(pieces, Access::Read))
    }

    /// Moves the memory of a lane to pieces of RC memory, which are `len` bytes together; returns whether it did.
    pub(crate) fn transfer_to(
        &self,
        lane: &mut impl Lane,
        len: usize,
        pieces: impl Iterator<Item = Segment>,
    ) -> bool {
        let _memo = self.memo.chunks.lock();
        lane.transfer(len, self.find_all(pieces, Access::Write))
    }

    /// Checks that all of a segment is mapped for this.
    ///
    /// # Errors
    ///
    /// `EFAULT`: it is not.
    pub(crate) fn check(&self, segment: Segment, access: Access) -> Result {
        // Bounded by the number of mappings.
        self.find_pieces(segment, access)
            .try_for_each(|piece| piece.map(drop))
    }

    /// Returns where segments are in RC memory, piece by piece. The memo is locked as long as this is used.
    fn find_all<'a>(
        &'a self,
        segments: impl Iterator<Item = Segment> + 'a,
        access: Access,
    ) -> impl Iterator<Item = Result<Piece>> + 'a {
        segments.flat_map(move |segment| self.find_pieces(segment, access))
    }

    /// The same for one segment. Each piece is longer than 0, and an error is the last.
    fn find_pieces(
        &self,
        segment: Segment,
        access: Access,
    ) -> impl Iterator<Item = Result<Piece>> + '_ {
        // CAST: A kernel's `usize` has at least 32 bits.
        let (mut addr, mut left) = (segment.addr, segment.len as usize);
        iter::from_fn(move || {
            let wanted = core::mem::take(&mut left);
            if wanted == 0 {
                return None;
            }
            let found = self
                .cache
                .translation
                .find(self.space, addr, wanted, access);
            Some(found.map(|piece| {
                // CAST: Not more than was wanted.
                let len = piece.length as usize;
                left = wanted.saturating_sub(len);
                // The segment ends within the address space.
                addr = addr.wrapping_add(piece.length);
                Piece {
                    addr: piece.pci_addr,
                    len,
                }
            }))
        })
    }

    /// Copies from RC memory at `addr`, through windows.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the range passes the end of the address space, or is not mapped for the device to
    /// read; else it cannot be reached.
    pub(crate) fn read(&self, addr: u64, to: &mut [u8]) -> Result {
        let mut rest = to;
        let mut addr = addr;
        while !rest.is_empty() {
            let wanted = rest.len();
            let copied = self.with_chunk(addr, wanted, Access::Read, |window, offset, len| {
                let piece = rest.get_mut(..len).ok_or(EFAULT)?;
                window.read(offset, piece)
            })?;
            rest = rest.get_mut(copied..).ok_or(EFAULT)?;
            addr = advance(addr, copied, rest.is_empty())?;
        }
        Ok(())
    }

    /// Copies to RC memory at `addr`, through windows.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read), but for the device to write.
    pub(crate) fn write(&self, addr: u64, from: &[u8]) -> Result {
        let mut rest = from;
        let mut addr = addr;
        while !rest.is_empty() {
            let copied =
                self.with_chunk(addr, rest.len(), Access::Write, |window, offset, len| {
                    let piece = rest.get(..len).ok_or(EFAULT)?;
                    window.write(offset, piece)
                })?;
            rest = rest.get(copied..).ok_or(EFAULT)?;
            addr = advance(addr, copied, rest.is_empty())?;
        }
        Ok(())
    }

    /// Copies up to `wanted` bytes, as far as they are at consecutive addresses of RC memory and in the
    /// chunk with the first one; returns how many.
    fn with_chunk(
        &self,
        addr: u64,
        wanted: usize,
        access: Access,
        copy: impl FnOnce(&M::Window, usize, usize) -> Result,
    ) -> Result<usize> {
        let remembered = self.memo.chunks.lock();
        let find_piece = || {
            let translation = &self.cache.translation;
            translation.find(self.space, addr, wanted, access)
        };
        let piece = find_piece()?;
        let chunks = if find(&remembered, piece.pci_addr).is_some() {
            remembered
        } else {
            drop(remembered);
            let chunks = self.cache.fetch(piece.pci_addr, &self.memo)?;
            // The driver side may have unmapped it while the memo was not locked.
            if find_piece()? != piece {
                return Err(EFAULT);
            }
            chunks
        };
        let (chunk, offset, len) = find(&chunks, piece.pci_addr).ok_or(EFAULT)?;
        // CAST: Not more than was wanted.
        let len = len.min(piece.length as usize);
        self.cache.note_use(chunk);
        copy(&chunk.window, offset, len)?;
        Ok(len)
    }
}

impl<M: Mapper> Drop for Buffers<M> {
    fn drop(&mut self) {
        self.cache.remove_user(&self.memo);
    }
}

/// Returns the chunk with `addr`, its offset in it, and how many bytes follow.
fn find<W: Window>(chunks: &Remembered<W>, addr: u64) -> Option<(&Chunk<W>, usize, usize)> {
    chunks.iter().flatten().find_map(|chunk| {
        let (offset, len) = chunk.locate(addr)?;
        Some((&**chunk, offset, len))
    })
}

/// Returns the address after a piece; the last one may end with the address space.
fn advance(addr: u64, len: usize, is_last: bool) -> Result<u64> {
    // CAST: A kernel's `u64` holds each `usize`.
    match addr.checked_add(len as u64) {
        Some(next) => Ok(next),
        None if is_last => Ok(0),
        None => Err(EFAULT),
    }
}
