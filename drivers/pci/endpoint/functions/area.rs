// SPDX-License-Identifier: GPL-2.0

//! The areas of a queue in RC memory, mapped for as long as the queue is enabled.
//!
//! An area is at consecutive addresses of the driver side, but may lie in *pieces* that are anywhere in
//! RC memory.
//!
//! Context: process. No lock is taken here but those of `window` and `translation`.

use crate::window::{
    Mapper,
    Window,
    WindowCache, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use transport::{
    Access,
    Piece,
    Range, //
};
use virtio::ring::Segment;

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// Pieces that lie within so many bytes share a window: those of a ring of 16384 descriptors do.
const SHARED_WINDOW: u64 = 512 << 10;

/// Where an area is for the driver side; the protocol checked that it does not wrap around.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The number of its address space.
    pub(crate) space: u16,
    pub(crate) addr: u64,
    pub(crate) len: usize,
    /// What is done there.
    pub(crate) access: Access,
}

impl Place {
    /// Returns where it is in RC memory.
    ///
    /// # Errors
    ///
    /// `EACCES`, which no controller has: some of it is not mapped for this access; `ENOMEM`.
    fn find<M: Mapper>(&self, cache: &WindowCache<M>) -> Result<KVec<Piece>> {
        let mut pieces = KVec::new();
        let mut done = 0;
        // Bounded: each round but the first finds at least a page.
        while done < self.len {
            // CAST: A kernel's `u64` holds each `usize`.
            let addr = self.addr.checked_add(done as u64).ok_or(EFAULT)?;
            let wanted = self.len - done;
            let piece = cache
                .translation
                .find(self.space, addr, wanted, self.access);
            let piece = piece.map_err(|_| EACCES)?;
            // CAST: Not more than was wanted.
            done += piece.length as usize;
            pieces.push(piece, GFP_KERNEL)?;
        }
        Ok(pieces)
    }
}

/// A piece in a window.
struct MappedPiece<W> {
    window: Arc<W>,
    /// Where the piece begins in the window.
    start: usize,
    /// Where it begins in the area.
    offset: usize,
    len: usize,
}

/// An area in windows.
///
/// # Invariants
///
/// The pieces are in order and without gaps.
pub(crate) struct MappedArea<W> {
    place: Place,
    pieces: KVec<MappedPiece<W>>,
}

impl<W: Window> MappedArea<W> {
    /// Maps the areas of a queue: with one window if they are close to each other, else with one for each
    /// piece.
    ///
    /// # Errors
    ///
    /// `EACCES`: some of an area is not mapped for its access; else it cannot be reached.
    pub(crate) fn map_all<M: Mapper<Window = W>>(
        cache: &WindowCache<M>,
        places: &[Place; 3],
    ) -> Result<[Self; 3]> {
        let [a, b, c] = places;
        let found = [a.find(cache)?, b.find(cache)?, c.find(cache)?];
        let shared = map_together(cache, &found)?;
        let map = |place: &Place, pieces: &KVec<Piece>| match &shared {
            Some((first, window)) => Self::new(place, pieces, |piece| {
                // CAST: At most `SHARED_WINDOW`.
                Ok((window.clone(), (piece.pci_addr - first) as usize))
            }),
            None => Self::new(place, pieces, |piece| {
                let window = cache.map_apart(piece.pci_addr, piece.length as usize)?;
                Ok((window, 0))
            }),
        };
        let [x, y, z] = &found;
        Ok([map(a, x)?, map(b, y)?, map(c, z)?])
    }

    /// Makes an area of its pieces, each in the window, and from the byte in it, that `map` returns.
    fn new(
        place: &Place,
        found: &KVec<Piece>,
        map: impl Fn(&Piece) -> Result<(Arc<W>, usize)>,
    ) -> Result<Self> {
        let mut pieces = KVec::with_capacity(found.len(), GFP_KERNEL)?;
        let mut offset = 0;
        for piece in found {
            let (window, start) = map(piece)?;
            // CAST: A part of the area.
            let len = piece.length as usize;
            let mapped = MappedPiece {
                window,
                start,
                offset,
                len,
            };
            pieces.push(mapped, GFP_KERNEL)?;
            offset += len;
        }
        // INVARIANT: Each begins where the one before it ends.
        Ok(Self {
            place: *place,
            pieces,
        })
    }

    /// Returns whether some of the area is in `range`.
    pub(crate) fn is_in(&self, range: &Range) -> bool {
        // CAST: A kernel's `u64` holds each `usize`.
        range.space == self.place.space && range.overlaps(self.place.addr, self.place.len as u64)
    }

    /// Returns where `len` bytes from `offset` on are for the driver side, if they are in the area.
    pub(crate) fn segment(&self, offset: usize, len: usize) -> Option<Segment> {
        let end = offset.checked_add(len)?;
        if end > self.place.len {
            return None;
        }
        Some(Segment {
            // CAST: A kernel's `u64` holds each `usize`.
            addr: self.place.addr.checked_add(offset as u64)?,
            len: len.try_into().ok()?,
        })
    }

    /// Copies from the area.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the bytes are not in the area.
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        let mut offset = offset;
        let mut rest = to;
        // Bounded by the number of pieces.
        while !rest.is_empty() {
            let (window, start, len) = self.at(offset).ok_or(EINVAL)?;
            let len = len.min(rest.len());
            let (piece, others) = rest.split_at_mut_checked(len).ok_or(EINVAL)?;
            window.read(start, piece)?;
            rest = others;
            offset += len;
        }
        Ok(())
    }

    /// Copies to the area.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the bytes are not in the area.
    pub(crate) fn write(&self, offset: usize, from: &[u8]) -> Result {
        let mut offset = offset;
        let mut rest = from;
        // Bounded by the number of pieces.
        while !rest.is_empty() {
            let (window, start, len) = self.at(offset).ok_or(EINVAL)?;
            let len = len.min(rest.len());
            let (piece, others) = rest.split_at_checked(len).ok_or(EINVAL)?;
            window.write(start, piece)?;
            rest = others;
            offset += len;
        }
        Ok(())
    }

    /// Reads a word with one access.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the word is not in the area.
    pub(crate) fn load_u16(&self, offset: usize) -> Result<u16> {
        let (window, start) = self.word_at::<u16>(offset)?;
        window.load_u16(start)
    }

    /// Reads a long word with one access.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the word is not in the area.
    #[cfg(CONFIG_64BIT)]
    pub(crate) fn load_u64(&self, offset: usize) -> Result<u64> {
        let (window, start) = self.word_at::<u64>(offset)?;
        window.load_u64(start)
    }

    /// Writes a word with one access.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the word is not in the area.
    pub(crate) fn store_u16(&self, offset: usize, value: u16) -> Result {
        let (window, start) = self.word_at::<u16>(offset)?;
        window.store_u16(start, value)
    }

    /// Words are aligned, and mappings whole pages, so no word is in two pieces.
    fn word_at<T>(&self, offset: usize) -> Result<(&W, usize)> {
        let (window, start, _) = self
            .at(offset)
            .filter(|(_, _, len)| *len >= size_of::<T>())
            .ok_or(EINVAL)?;
        Ok((window, start))
    }

    /// Returns the window with the byte at `offset`, its place there, and how many bytes of the piece
    /// follow from there on.
    fn at(&self, offset: usize) -> Option<(&W, usize, usize)> {
        self.pieces.iter().find_map(|piece| {
            let inside = offset.checked_sub(piece.offset)?;
            let len = piece.len.checked_sub(inside).filter(|len| *len != 0)?;
            Some((&*piece.window, piece.start + inside, len))
        })
    }
}

/// Maps all pieces with one window, if they are close to each other; returns also where it begins.
fn map_together<M: Mapper>(
    cache: &WindowCache<M>,
    areas: &[KVec<Piece>; 3],
) -> Result<Option<(u64, Arc<M::Window>)>> {
    let pieces = || areas.iter().flatten();
    let end = |piece: &Piece| piece.pci_addr.saturating_add(piece.length);
    let first = pieces().map(|piece| piece.pci_addr).min().unwrap_or(0);
    let span = pieces().map(end).max().unwrap_or(0).saturating_sub(first);
    if span > SHARED_WINDOW {
        return Ok(None);
    }
    // CAST: At most `SHARED_WINDOW`.
    match cache.map_apart(first, span as usize) {
        Ok(window) => Ok(Some((first, window))),
        // Windows are too small for all of them, but may be large enough for each.
        Err(error) if error == E2BIG => Ok(None),
        Err(error) => Err(error),
    }
}
