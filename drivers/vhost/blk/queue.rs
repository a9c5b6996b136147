// SPDX-License-Identifier: GPL-2.0

//! One request queue and the worker that empties it.
//!
//! ```text
//!   kick --> Worker --> Server::run --> pop a batch --> each request --> push
//!              ^                             |
//!              +----- more may come ---------+
//! ```
//!
//! Lock: the state of a server is held for a whole run, in process context. It is taken below the
//! state lock of the device, whose holder starts and stops the worker; a run takes ring locks.
//!
//! The server has its queue and its worker, and both have the server: the ring of references is cut
//! by [`RequestQueue`]'s drop.

use crate::{
    disk::Disk,
    execute::{
        Execution,
        Failure, //
    },
    request::Limits, //
};
use concurrency::{
    Queue as Workqueue,
    Run,
    Worker, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};
use vhost_bus::{
    Kicked,
    Virtqueue, //
};
use virtio::{
    blk::RequestStatus,
    ring::{
        Batch,
        Chain,
        Used, //
    },
};

/// How many answered requests wait for the next publication: a quarter of a batch, so that the
/// first of many slow requests is not held up by the last.
const PUBLISH: usize = 16;

/// The size of the bounce buffer in bytes: two of the largest segments in one access to the store.
const BUFFER_BYTES: usize = 128 << 10;

/// A request queue in the hands of the backend. Dropping it ends its work.
pub(crate) struct RequestQueue {
    worker: Arc<Worker>,
    server: Arc<Server>,
}

impl RequestQueue {
    /// Makes what does not need the queue of the transport; it is stopped.
    pub(crate) fn new(workqueue: &Arc<Workqueue>) -> Result<Self> {
        let server = Arc::pin_init(Server::new(), GFP_KERNEL)?;
        let worker = Worker::new(c"vhost_bus_blk::Server", workqueue, server.clone())?;
        worker.disable_and_wait();
        Ok(Self {
            worker: Arc::new(worker, GFP_KERNEL)?,
            server,
        })
    }

    /// Returns what kicks of the queue go to.
    pub(crate) fn kicked(&self) -> Result<Arc<dyn Kicked>> {
        Ok(Arc::new(Doorbell(self.worker.clone()), GFP_KERNEL)?)
    }

    /// Joins it with the queue that the transport made.
    pub(crate) fn attach(
        &self,
        queue: Arc<dyn Virtqueue>,
        disk: Arc<Disk>,
        limits: Limits,
    ) -> Result {
        let attached = Attached::new(self.worker.clone(), queue, disk, limits)?;
        *self.server.attached.lock() = Some(attached);
        Ok(())
    }

    /// Serves requests from now on.
    pub(crate) fn start(&self, negotiated: u64) {
        if let Some(attached) = &mut *self.server.attached.lock() {
            attached.limits.features = negotiated;
        }
        self.server.is_stopping.store(false, Relaxed);
        self.worker.enable();
        self.worker.wake();
    }

    /// Returns when no request is being served any more; at most the present one is finished.
    pub(crate) fn stop(&self) {
        self.server.is_stopping.store(true, Relaxed);
        self.worker.disable_and_wait();
    }
}

impl Drop for RequestQueue {
    fn drop(&mut self) {
        let attached = self.server.attached.lock().take();
        drop(attached);
    }
}

/// Wakes the worker of a queue.
struct Doorbell(Arc<Worker>);

impl Kicked for Doorbell {
    fn kicked(&self, _index: u16) {
        self.0.wake();
    }
}

/// What the worker does.
#[pin_data]
struct Server {
    is_stopping: Atomic<bool>,
    #[pin]
    attached: Mutex<Option<Attached>>,
}

impl Server {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            is_stopping: Atomic::new(false),
            attached <- new_mutex!(None, "vhost_bus_blk::Server::attached"),
        })
    }
}

impl Run for Server {
    /// Serves a batch; another one is served in a run of its own, so that runs are bounded.
    fn run(&self) {
        let mut attached = self.attached.lock();
        let Some(attached) = &mut *attached else {
            return;
        };
        // An error means that the queue is broken or reset: the bus has said so, and the next start
        // begins anew.
        if let Ok(true) = attached.serve_batch(&self.is_stopping) {
            attached.worker.wake();
        }
    }
}

/// A server's queue and what requests need, allocated once.
struct Attached {
    worker: Arc<Worker>,
    queue: Arc<dyn Virtqueue>,
    disk: Arc<Disk>,
    limits: Limits,
    batch: KBox<Batch>,
    used: KVec<Used>,
    buffer: KVec<u8>,
}

impl Attached {
    fn new(
        worker: Arc<Worker>,
        queue: Arc<dyn Virtqueue>,
        disk: Arc<Disk>,
        limits: Limits,
    ) -> Result<Self> {
        Ok(Self {
            worker,
            queue,
            disk,
            limits,
            batch: batch::new()?,
            used: KVec::with_capacity(PUBLISH, GFP_KERNEL)?,
            buffer: KVec::from_elem(0, BUFFER_BYTES, GFP_KERNEL)?,
        })
    }

    /// Serves what is available, at most a batch; returns whether to look again.
    fn serve_batch(&mut self, is_stopping: &Atomic<bool>) -> Result<bool> {
        self.queue.disable_notification()?;
        if self.queue.pop(&mut self.batch)? == 0 {
            return self.queue.enable_notification();
        }
        self.used.clear();
        for chain in self.batch.iter() {
            if is_stopping.load(Relaxed) {
                return Ok(false);
            }
            let used = answer(
                &self.disk,
                &self.limits,
                &*self.queue,
                &chain,
                &mut self.buffer,
            )?;
            self.used.push_within_capacity(used)?;
            if self.used.len() == PUBLISH {
                self.queue.push(&self.used)?;
                self.used.clear();
            }
        }
        if !self.used.is_empty() {
            self.queue.push(&self.used)?;
        }
        Ok(true)
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
