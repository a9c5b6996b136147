// SPDX-License-Identifier: GPL-2.0

//! Carrying out requests: data between a chain and the store, through a bounce buffer.

use crate::{
    config::MAX_RANGES,
    disk::Disk,
    request::{
        Extent,
        Limits,
        Parts,
        RangeKind,
        RangeRequest,
        Request, //
    },
};
use kernel::prelude::*;
use vhost_bus::Virtqueue;
use virtio::{
    blk::{
        RangeSegment,
        RequestHeader,
        RequestStatus, //
    },
    ring::Chain, //
};

/// Why a request did not succeed.
pub(crate) enum Failure {
    /// It is answered with this status.
    Status(RequestStatus),
    /// The queue is gone and with it the request.
    Queue(Error),
}

impl From<RequestStatus> for Failure {
    fn from(status: RequestStatus) -> Self {
        Self::Status(status)
    }
}

/// What a queue fails with, as a failure of the request: `EPIPE` alone is the end of the queue.
fn transfer_failed(error: Error) -> Failure {
    if error == EPIPE {
        Failure::Queue(error)
    } else {
        Failure::Status(RequestStatus::IoErr)
    }
}

/// A request being carried out.
pub(crate) struct Execution<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) limits: &'a Limits,
    pub(crate) queue: &'a dyn Virtqueue,
    pub(crate) chain: &'a Chain<'a>,
    /// How many bytes of the chain's writable part come before the status byte.
    pub(crate) writable: u32,
    /// What data goes through, not empty.
    pub(crate) buffer: &'a mut [u8],
}

impl Execution<'_> {
    /// Carries the request out and returns how many bytes of data the driver side got.
    pub(crate) fn run(mut self) -> Result<u32, Failure> {
        match self.parse()? {
            Request::Read(extent) => self.read(extent),
            Request::Write(extent) => self.write(extent),
            Request::Flush => self.flush(),
            Request::GetId { len } => self.get_id(len),
            Request::Ranges { kind, count } => self.ranges(kind, count),
        }
    }

    fn parse(&self) -> Result<Request, Failure> {
        let mut header = [0; RequestHeader::LEN];
        self.copy_in(0, &mut header)?;
        let parts = Parts {
            // The header was there, hence no underflow.
            readable: (self.chain.readable_len()).wrapping_sub(RequestHeader::LEN as u32),
            writable: self.writable,
        };
        let header = RequestHeader::from_bytes(&header);
        Ok(Request::parse(header, parts, self.limits)?)
    }

    fn read(&mut self, extent: Extent) -> Result<u32, Failure> {
        let mut done = 0;
        while done < extent.len {
            let piece = piece_of(self.buffer, extent.len - done)?;
            let at = extent.offset + done;
            let stored = self.disk.store.read_at(at, piece);
            stored.map_err(|error| self.disk.failed("read", at, error))?;
            // CAST: A request is shorter than 4 GiB.
            let copied = self.queue.write(self.chain, done as usize, piece);
            complete(copied, piece.len())?;
            done += piece.len() as u64;
        }
        // CAST: A request is shorter than 4 GiB.
        Ok(done as u32)
    }

    fn write(&mut self, extent: Extent) -> Result<u32, Failure> {
        let mut done = 0;
        while done < extent.len {
            let piece = piece_of(self.buffer, extent.len - done)?;
            // CAST: A request is shorter than 4 GiB.
            let from = RequestHeader::LEN + done as usize;
            complete(self.queue.read(self.chain, from, piece), piece.len())?;
            let at = extent.offset + done;
            let stored = self.disk.store.write_at(at, piece);
            stored.map_err(|error| self.disk.failed("write", at, error))?;
            done += piece.len() as u64;
        }
        self.make_durable()
    }

    fn flush(&self) -> Result<u32, Failure> {
        let flushed = self.disk.store.flush();
        flushed.map_err(|error| self.disk.failed("flush", 0, error))?;
        Ok(0)
    }

    /// Ends a request that has written.
    fn make_durable(&self) -> Result<u32, Failure> {
        if self.limits.is_write_through() {
            return self.flush();
        }
        Ok(0)
    }

    fn get_id(&self, len: usize) -> Result<u32, Failure> {
        let id = self.disk.id.get(..len).ok_or(RequestStatus::IoErr)?;
        complete(self.queue.write(self.chain, 0, id), len)?;
        // CAST: At most `ID_LEN`.
        Ok(len as u32)
    }

    /// Checks all ranges before the first is touched.
    fn ranges(&self, kind: RangeKind, count: usize) -> Result<u32, Failure> {
        let mut bytes = [[0; RangeSegment::LEN]; MAX_RANGES];
        let bytes = bytes.get_mut(..count).ok_or(RequestStatus::IoErr)?;
        self.copy_in(RequestHeader::LEN, bytes.as_flattened_mut())?;
        let ranges = || {
            let segments = bytes.iter().map(RangeSegment::from_bytes);
            segments.map(|segment| self.limits.range(kind, segment))
        };
        for range in ranges() {
            range?;
        }
        for range in ranges() {
            self.range(kind, range?)?;
        }
        self.make_durable()
    }

    fn range(&self, kind: RangeKind, range: RangeRequest) -> Result<(), Failure> {
        let Extent { offset, len } = range.extent;
        let store = &self.disk.store;
        let done = match kind {
            RangeKind::Discard => store.discard(offset, len),
            RangeKind::WriteZeroes if range.unmap && store.can_discard() => {
                store.discard(offset, len)
            }
            RangeKind::WriteZeroes => store.write_zeroes(offset, len),
        };
        done.map_err(|error| self.disk.failed("zeroing", offset, error))?;
        Ok(())
    }

    /// Copies all of `to` from the readable part of the chain.
    fn copy_in(&self, offset: usize, to: &mut [u8]) -> Result<(), Failure> {
        let len = to.len();
        complete(self.queue.read(self.chain, offset, to), len)
    }
}

/// The part of the buffer for the next piece of a transfer of which `left` bytes are left.
fn piece_of(buffer: &mut [u8], left: u64) -> Result<&mut [u8], Failure> {
    let len = left.min(buffer.len() as u64);
    // CAST: At most the length of the buffer.
    let piece = buffer.get_mut(..len as usize);
    Ok(piece.ok_or(RequestStatus::IoErr)?)
}

/// Checks that a copy moved all of `expected` bytes.
fn complete(copied: Result<usize>, expected: usize) -> Result<(), Failure> {
    match copied {
        Ok(count) if count == expected => Ok(()),
        Ok(_) => Err(Failure::Status(RequestStatus::IoErr)),
        Err(error) => Err(transfer_failed(error)),
    }
}
