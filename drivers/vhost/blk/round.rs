// SPDX-License-Identifier: GPL-2.0

//! The requests of a batch, from when they are taken until they are answered, in order.
//!
//! ```text
//!   requests:  answered ... | under way ... | not begun ...
//!                           front           next
//! ```
//!
//! Data moves in transfers of a pipeline, which are as old as the requests they belong to. All else is done when a
//! request is answered, after all before it.

use crate::{
    disk::Disk,
    execute::{
        complete,
        Execution,
        Failure, //
    },
    request::{
        Extent,
        Limits,
        Request, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use storage::{
    Ended,
    Pipeline,
    MAX_TRANSFER, //
};
use vhost_bus::Virtqueue;
use virtio::{
    blk::{
        RequestHeader,
        RequestStatus, //
    },
    ring::{
        Batch,
        Chain,
        BATCH_CHAINS, //
    },
};

/// What requests are carried out with.
pub(crate) struct Means {
    pub(crate) queue: Arc<dyn Virtqueue>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) limits: Limits,
}

/// A batch and how far each of its requests is.
pub(crate) struct Round {
    batch: KBox<Batch>,
    requests: KVec<Progress>,
    /// Where the first request is which is not answered.
    front: usize,
    /// Where the first request is for which more transfers have to be begun.
    next: usize,
}

/// How far a request is.
struct Progress {
    /// What is asked for, or the status that it ends with.
    request: Result<Request, RequestStatus>,
    /// How many bytes there are transfers for, or have been.
    begun: u64,
    /// For how many of them the transfer has ended.
    ended: u64,
}

/// What to do for the front.
pub(crate) enum Step {
    /// There is no request.
    Nothing,
    /// Its transfers are under way, or have to be begun.
    Wait,
    /// One of its transfers was seen to its end.
    Again,
    /// It is to be answered.
    Answer,
}

impl Round {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            batch: batch::new()?,
            requests: KVec::with_capacity(BATCH_CHAINS, GFP_KERNEL)?,
            front: 0,
            next: 0,
        })
    }

    /// Returns whether all requests are answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.front == self.requests.len()
    }

    /// Returns whether no request needs a transfer that was not begun.
    pub(crate) fn is_begun(&self) -> bool {
        let waiting = self.requests.get(self.next..).unwrap_or_default();
        waiting.iter().all(Progress::is_begun)
    }

    /// Forgets all requests.
    pub(crate) fn clear(&mut self) {
        self.batch.clear();
        self.requests.clear();
        self.front = 0;
        self.next = 0;
    }

    /// Takes what is available in place of what there was, which is answered; returns how many requests that is.
    pub(crate) fn take(&mut self, means: &Means) -> Result<usize> {
        self.clear();
        let count = means.queue.pop(&mut self.batch)?;
        for chain in self.batch.iter() {
            let request = match Execution::new(means, &chain)?.parse() {
                Ok(request) => Ok(request),
                Err(Failure::Status(status)) => Err(status),
                Err(Failure::Queue(error)) => return Err(error),
            };
            self.requests.push_within_capacity(Progress {
                request,
                begun: 0,
                ended: 0,
            })?;
        }
        Ok(count)
    }

    /// Begins the next transfer; returns whether there is one and room for it.
    pub(crate) fn begin(&mut self, means: &Means, pipeline: &mut Pipeline) -> Result<bool> {
        while let Some(progress) = self.requests.get_mut(self.next) {
            if !progress.is_begun() {
                let chain = self.batch.get(self.next).ok_or(EPIPE)?;
                return progress.begin(means, &chain, pipeline);
            }
            self.next += 1;
        }
        Ok(false)
    }

    /// Looks what the front waits for.
    pub(crate) fn step(&mut self, means: &Means, pipeline: &mut Pipeline) -> Result<Step> {
        let Some(progress) = self.requests.get_mut(self.front) else {
            return Ok(Step::Nothing);
        };
        if progress.begun == progress.ended {
            return Ok(match progress.is_begun() {
                true => Step::Answer,
                false => Step::Wait,
            });
        }
        let Some(ended) = pipeline.oldest() else {
            return Ok(Step::Wait);
        };
        let chain = self.batch.get(self.front).ok_or(EPIPE)?;
        progress.end(means, &chain, ended)?;
        Ok(Step::Again)
    }

    /// Returns the chain of the front and what it asked for, or has failed with; the next one is the front then.
    pub(crate) fn answer(&mut self) -> Option<(Chain<'_>, Result<Request, RequestStatus>)> {
        let request = self.requests.get(self.front)?.request;
        let chain = self.batch.get(self.front)?;
        self.front += 1;
        Some((chain, request))
    }
}

impl Progress {
    /// Returns what is to be moved.
    fn extent(&self) -> Option<Extent> {
        match self.request {
            Ok(Request::Read(extent) | Request::Write(extent)) => Some(extent),
            _ => None,
        }
    }

    fn is_begun(&self) -> bool {
        let extent = self.extent();
        extent.is_none_or(|extent| self.begun == extent.len)
    }

    fn begin(&mut self, means: &Means, chain: &Chain<'_>, pipeline: &mut Pipeline) -> Result<bool> {
        let Some(extent) = self.extent() else {
            return Ok(false);
        };
        let len = piece_len(extent.len - self.begun);
        let Some(mut prepared) = pipeline.prepare(len) else {
            return Ok(false);
        };
        let offset = extent.offset + self.begun;
        if let Ok(Request::Read(_)) = self.request {
            prepared.read(offset);
        } else {
            // CAST: A request is shorter than 4 GiB.
            let from = RequestHeader::LEN + self.begun as usize;
            match complete(means.queue.read(chain, from, prepared.memory()), len) {
                Ok(()) => prepared.write(offset),
                Err(failure) => {
                    self.request = Err(failure.status()?);
                    return Ok(true);
                }
            }
        }
        self.begun += len as u64;
        Ok(true)
    }

    fn end(&mut self, means: &Means, chain: &Chain<'_>, mut ended: Ended<'_>) -> Result {
        let at = self.ended;
        self.ended += piece_len(self.begun - at) as u64;
        let (what, extent, result) = match self.request {
            Ok(Request::Read(extent)) => ("read", extent, ended.bytes()),
            Ok(Request::Write(extent)) => ("write", extent, ended.bytes().map(|_| &[][..])),
            _ => return Ok(()),
        };
        // CAST: A request is shorter than 4 GiB.
        let at = at as usize;
        let result = match result {
            Ok(bytes) => complete(means.queue.write(chain, at, bytes), bytes.len()),
            Err(error) => {
                let at = extent.offset + at as u64;
                Err(means.disk.failed(what, at, error).into())
            }
        };
        if let Err(failure) = result {
            self.request = Err(failure.status()?);
        }
        Ok(())
    }
}

/// The length of the next transfer, if there are `left` bytes.
fn piece_len(left: u64) -> usize {
    // CAST: At most the longest transfer.
    left.min(MAX_TRANSFER as u64) as usize
}
