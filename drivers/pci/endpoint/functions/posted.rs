// SPDX-License-Identifier: GPL-2.0

//! Writes to RC memory by a lane: what is written one after the other goes by one transfer.
//!
//! Payload waits in the lane's memory until the ring engine tells of it (`RingMemory::flush`), or there is no room for
//! more. What is together worth no transfer is copied by the processor then.
//!
//! Context: process, with the ring lock held.

use crate::{
    buffers::Buffers,
    dma::{
        Lane,
        LANE_SEGMENTS, //
    },
    window::Mapper, //
};
use kernel::prelude::*;
use transport::Access;
use virtio::ring::{
    Pieces,
    Segment, //
};

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// What is shorter does not wait: status bytes and small frames take a few stores.
const SHORTEST: usize = 256;

/// What waits for a transfer.
pub(crate) struct Posted<L> {
    lane: L,
    segments: KVec<Segment>,
    /// How many bytes the segments are together: the first of the lane's memory.
    len: usize,
    /// Some of it was lost when room had to be made, of which nobody was told yet.
    loss: Result,
}

impl<L: Lane> Posted<L> {
    pub(crate) fn new(lane: L) -> Result<Self> {
        Ok(Self {
            lane,
            segments: KVec::with_capacity(LANE_SEGMENTS, GFP_KERNEL)?,
            len: 0,
            loss: Ok(()),
        })
    }

    /// Takes payload for pieces that are as long together; returns whether it did.
    ///
    /// # Errors
    ///
    /// `EFAULT`: some of it is not mapped for the device to write.
    pub(crate) fn write<M: Mapper>(
        &mut self,
        buffers: &Buffers<M>,
        pieces: Pieces<'_>,
        from: &[u8],
    ) -> Result<bool> {
        let count = pieces.clone().count();
        if from.len() < SHORTEST || count > LANE_SEGMENTS {
            return Ok(false);
        }
        for piece in pieces.clone() {
            buffers.check(piece, Access::Write)?;
        }
        let has_room = self.room(from.len()).is_some();
        if !has_room || count > LANE_SEGMENTS - self.segments.len() {
            // What is lost is payload of others: the next flush tells.
            self.loss = self.flush(buffers);
        }
        let Some(room) = self.room(from.len()) else {
            return Ok(false);
        };
        room.copy_from_slice(from);
        for piece in pieces {
            self.segments.push_within_capacity(piece)?;
        }
        self.len += from.len();
        Ok(true)
    }

    /// Has all of it be in RC memory, or loses it.
    ///
    /// # Errors
    ///
    /// Of anything since the last flush: `EFAULT`: some of it is not mapped any more; else it cannot be reached.
    pub(crate) fn flush<M: Mapper>(&mut self, buffers: &Buffers<M>) -> Result {
        let moved = self.move_all(buffers);
        let result = self.loss.and(moved);
        self.discard();
        result
    }

    fn move_all<M: Mapper>(&mut self, buffers: &Buffers<M>) -> Result {
        if self.len == 0 {
            return Ok(());
        }
        let segments = self.segments.iter().copied();
        let is_moved =
            self.lane.takes(self.len) && buffers.transfer_to(&mut self.lane, self.len, segments);
        match is_moved {
            true => Ok(()),
            false => self.copy(buffers),
        }
    }

    /// Forgets all of it.
    pub(crate) fn discard(&mut self) {
        self.segments.clear();
        self.len = 0;
        self.loss = Ok(());
    }

    /// Has the processor copy it.
    fn copy<M: Mapper>(&self, buffers: &Buffers<M>) -> Result {
        let mut rest = self.lane.bytes();
        for segment in &self.segments {
            // CAST: A kernel's `usize` has at least 32 bits.
            let (bytes, others) = rest.split_at_checked(segment.len as usize).ok_or(EFAULT)?;
            buffers.write(segment.addr, bytes)?;
            rest = others;
        }
        Ok(())
    }

    /// Returns where the next `len` bytes go, if there is room.
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let (start, end) = (self.len, self.len.checked_add(len)?);
        self.lane.bytes_mut().get_mut(start..end)
    }
}
