// SPDX-License-Identifier: GPL-2.0

//! Serving a request queue: batches of requests in, their status out.
//!
//! Lock: that of the worker, see `vhost_backend::QueueWorker`.

use crate::{
    disk::Disk,
    execute::{
        Execution,
        Failure, //
    },
    request::Limits, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use vhost_backend::{
    Serve,
    StopFlag, //
};
use vhost_bus::Virtqueue;
use virtio::{
    blk::RequestStatus,
    ring::{
        Batch,
        Chain,
        Used, //
    },
};

/// How many answered requests wait for the next publication, which reads across the link: half of a batch, so that
/// the first of many slow requests is not held up by the last.
const PUBLISH: usize = 32;

/// The size of the bounce buffer in bytes: two of the largest segments in one access to the store.
const BUFFER_BYTES: usize = 128 << 10;

/// A request queue and what requests need, allocated once.
pub(crate) struct RequestQueue {
    queue: Arc<dyn Virtqueue>,
    disk: Arc<Disk>,
    limits: Limits,
    batch: KBox<Batch>,
    used: KVec<Used>,
    buffer: KVec<u8>,
}

impl RequestQueue {
    pub(crate) fn new(queue: Arc<dyn Virtqueue>, disk: Arc<Disk>, limits: Limits) -> Result<Self> {
        Ok(Self {
            queue,
            disk,
            limits,
            batch: batch::new()?,
            used: KVec::with_capacity(PUBLISH, GFP_KERNEL)?,
            buffer: KVec::from_elem(0, BUFFER_BYTES, GFP_KERNEL)?,
        })
    }

    /// The device is started with these features.
    pub(crate) fn start(&mut self, negotiated: u64) {
        self.limits.features = negotiated;
        self.disk.start();
    }
}

impl Serve for RequestQueue {
    /// Serves what is available, at most a batch; a stop waits for one request at most.
    fn serve(&mut self, stop: &StopFlag) -> Result<bool> {
        self.queue.disable_notification()?;
        if self.queue.pop(&mut self.batch)? == 0 {
            return self.queue.enable_notification();
        }
        self.used.clear();
        for chain in self.batch.iter() {
            if stop.is_set() {
                break;
            }
            let answer = answer(
                &self.disk,
                &self.limits,
                &*self.queue,
                &chain,
                &mut self.buffer,
            );
            self.used.push_within_capacity(answer?)?;
            if self.used.len() == PUBLISH {
                self.queue.push(&self.used)?;
                self.used.clear();
            }
        }
        if !self.used.is_empty() {
            self.queue.push(&self.used)?;
        }
        Ok(!stop.is_set())
    }
}

/// Carries out the request in a chain and writes its status.
fn answer(
    disk: &Disk,
    limits: &Limits,
    queue: &dyn Virtqueue,
    chain: &Chain<'_>,
    buffer: &mut [u8],
) -> Result<Used> {
    let Some(writable) = chain.writable_len().checked_sub(1) else {
        queue.fail(fmt!("request at {} has no status byte", chain.head()));
        return Err(EPIPE);
    };
    let execution = Execution {
        disk,
        limits,
        queue,
        chain,
        writable,
        buffer,
    };
    let (written, status) = match execution.run() {
        Ok(written) => (written, RequestStatus::Ok),
        Err(Failure::Status(status)) => (0, status),
        Err(Failure::Queue(error)) => return Err(error),
    };
    // CAST: A kernel's `usize` has at least 32 bits.
    match queue.write(chain, writable as usize, &[status as u8]) {
        Ok(1) => Ok(chain.used(written.saturating_add(1))),
        Err(error) if error == EPIPE => Err(error),
        _ => {
            queue.fail(fmt!("status byte at {} cannot be written", chain.head()));
            Err(EPIPE)
        }
    }
}
