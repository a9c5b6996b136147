// SPDX-License-Identifier: GPL-2.0

//! Carrying out requests but for their data, which `round` moves.

use crate::{
    config::MAX_RANGES,
    request::{
        Extent,
        Parts,
        RangeKind,
        RangeRequest,
        Request, //
    },
    round::Means,
};
use kernel::prelude::*;
use virtio::{
    blk::{
        RangeSegment,
        RequestHeader,
        RequestStatus, //
    },
    ring::{
        Chain,
        Used, //
    },
};

/// Why a request did not succeed.
pub(crate) enum Failure {
    /// It is answered with this status.
    Status(RequestStatus),
    /// The queue is gone and with it the request.
    Queue(Error),
}

impl Failure {
    /// The status to answer with, or the end of the queue.
    pub(crate) fn status(self) -> Result<RequestStatus> {
        match self {
            Self::Status(status) => Ok(status),
            Self::Queue(error) => Err(error),
        }
    }
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
    means: &'a Means,
    chain: &'a Chain<'a>,
    /// How many bytes of the chain's writable part come before the status byte.
    writable: u32,
}

impl<'a> Execution<'a> {
    /// `EPIPE`: there is no status byte, and the queue is broken.
    pub(crate) fn new(means: &'a Means, chain: &'a Chain<'a>) -> Result<Self> {
        let Some(writable) = chain.writable_len().checked_sub(1) else {
            let head = chain.head();
            means
                .queue
                .fail(fmt!("request at {head} has no status byte"));
            return Err(EPIPE);
        };
        Ok(Self {
            means,
            chain,
            writable,
        })
    }

    /// Does what is left of a request when its data is moved, writes its status, and returns the chain as it is used.
    pub(crate) fn answer(&self, request: Result<Request, RequestStatus>) -> Result<Used> {
        let done = match request {
            Ok(request) => self.finish(request),
            Err(status) => Err(status.into()),
        };
        let (written, status) = match done {
            Ok(written) => (written, RequestStatus::Ok),
            Err(failure) => (0, failure.status()?),
        };
        let Self { means, chain, .. } = self;
        // CAST: A kernel's `usize` has at least 32 bits.
        let at = self.writable as usize;
        match means.queue.write(chain, at, &[status as u8]) {
            Ok(1) => Ok(chain.used(written.saturating_add(1))),
            Err(error) if error == EPIPE => Err(error),
            _ => {
                let head = chain.head();
                means
                    .queue
                    .fail(fmt!("status byte at {head} cannot be written"));
                Err(EPIPE)
            }
        }
    }

    /// Returns how many bytes of data the driver side got.
    fn finish(&self, request: Request) -> Result<u32, Failure> {
        match request {
            // CAST: A request is shorter than 4 GiB.
            Request::Read(extent) => Ok(extent.len as u32),
            Request::Write(_) => self.make_durable(),
            Request::Flush => self.flush(),
            Request::GetId { len } => self.get_id(len),
            Request::Ranges { kind, count } => self.ranges(kind, count),
        }
    }

    /// Reads and checks what is asked for.
    pub(crate) fn parse(&self) -> Result<Request, Failure> {
        let mut header = [0; RequestHeader::LEN];
        self.copy_in(0, &mut header)?;
        let parts = Parts {
            // The header was there, hence no underflow.
            readable: (self.chain.readable_len()).wrapping_sub(RequestHeader::LEN as u32),
            writable: self.writable,
        };
        let header = RequestHeader::from_bytes(&header);
        Ok(Request::parse(header, parts, &self.means.limits)?)
    }

    fn flush(&self) -> Result<u32, Failure> {
        let flushed = self.means.disk.store.flush();
        flushed.map_err(|error| self.means.disk.failed("flush", 0, error))?;
        Ok(0)
    }

    /// Ends a request that has written.
    fn make_durable(&self) -> Result<u32, Failure> {
        if self.means.limits.is_write_through() {
            return self.flush();
        }
        Ok(0)
    }

    fn get_id(&self, len: usize) -> Result<u32, Failure> {
        let id = self.means.disk.id.get(..len).ok_or(RequestStatus::IoErr)?;
        complete(self.means.queue.write(self.chain, 0, id), len)?;
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
            segments.map(|segment| self.means.limits.range(kind, segment))
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
        let store = &self.means.disk.store;
        let done = match kind {
            RangeKind::Discard => store.discard(offset, len),
            RangeKind::WriteZeroes if range.unmap && store.can_discard() => {
                store.discard(offset, len)
            }
            RangeKind::WriteZeroes => store.write_zeroes(offset, len),
        };
        done.map_err(|error| self.means.disk.failed("zeroing", offset, error))?;
        Ok(())
    }

    /// Copies all of `to` from the readable part of the chain.
    fn copy_in(&self, offset: usize, to: &mut [u8]) -> Result<(), Failure> {
        let len = to.len();
        complete(self.means.queue.read(self.chain, offset, to), len)
    }
}

/// Checks that a copy moved all of `expected` bytes.
pub(crate) fn complete(copied: Result<usize>, expected: usize) -> Result<(), Failure> {
    match copied {
        Ok(count) if count == expected => Ok(()),
        Ok(_) => Err(Failure::Status(RequestStatus::IoErr)),
        Err(error) => Err(transfer_failed(error)),
    }
}
