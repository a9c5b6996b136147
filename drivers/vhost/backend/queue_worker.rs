// SPDX-License-Identifier: GPL-2.0

//! A worker that serves one queue: woken by kicks, run in bounded parts, stopped for a reset or a
//! suspension.
//!
//! ```text
//!   kick --> Worker --> Serve::serve --> false: sleeps until the next kick
//!              ^             |
//!              +--- true ----+
//! ```
//!
//! Lock: what a server serves is held for a whole run, in process context. It is taken below the
//! state lock of the device, whose holder starts and stops the worker; a run takes ring locks, and may take what
//! another kind of worker serves. So each kind has a lockdep class.
//!
//! What is served has the queue, whose kicks have the worker, which has what is served: this circle
//! is cut when the [`QueueWorker`] is dropped.

use concurrency::{
    Queue as Workqueue,
    Run,
    Worker, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        LockClassKey,
        Mutex, //
    },
};
use vhost_bus::Kicked;

/// How a queue is served.
pub trait Serve: Send + Unpin + 'static {
    /// Does a bounded part of what there is to do; returns whether to be called again at once.
    ///
    /// Context: process; never concurrently with itself, and not while stopped.
    ///
    /// # Errors
    ///
    /// The queue is broken or was taken away, and may have been set up again.
    fn serve(&mut self, stop: &StopFlag) -> Result<bool>;

    /// Waits for what goes on without the worker. For those that have such a thing; called when it is stopped.
    fn settle(&mut self) {}

    /// Forgets what was taken from the queue. For those that keep something between two runs.
    fn forget(&mut self) {}
}

/// Says that a run should end early, because somebody waits for its end.
pub struct StopFlag(Atomic<bool>);

impl StopFlag {
    /// Returns a flag that says so or not.
    pub const fn new(is_set: bool) -> Self {
        Self(Atomic::new(is_set))
    }

    /// Returns whether to end early.
    pub fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The worker of a queue, stopped at first. Dropping it ends its work and drops what is served.
pub struct QueueWorker<T: Serve> {
    worker: Arc<Worker>,
    server: Arc<Server<T>>,
}

impl<T: Serve> QueueWorker<T> {
    /// Makes a worker on `workqueue` that has nothing to serve yet; `name` and `class` are those of its kind.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new(
        (name, class): (&'static CStr, Pin<&'static LockClassKey>),
        workqueue: &Arc<Workqueue>,
    ) -> Result<Self> {
        let server = Arc::pin_init(Server::new(name, class), GFP_KERNEL)?;
        let worker = Worker::new(name, workqueue, server.clone())?;
        worker.disable_and_wait();
        Ok(Self {
            worker: Arc::new(worker, GFP_KERNEL)?,
            server,
        })
    }

    /// Returns the worker, for what else than kicks may wake it.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// Returns what kicks of the queue go to.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn kicked(&self) -> Result<Arc<dyn Kicked>> {
        Ok(Arc::new(Doorbell(self.worker.clone()), GFP_KERNEL)?)
    }

    /// Gives it what to serve. Context: process, while stopped.
    pub fn attach(&self, what: T) {
        let served = Served {
            worker: self.worker.clone(),
            what,
        };
        *self.server.served.lock() = Some(served);
    }

    /// Has `prepare` prepare what is served. Context: process, while stopped.
    pub fn prepare(&self, prepare: impl FnOnce(&mut T)) {
        if let Some(served) = &mut *self.server.served.lock() {
            prepare(&mut served.what);
        }
    }

    /// Has `prepare` prepare what is served, and serves it from now on. Context: process, while stopped.
    pub fn start(&self, prepare: impl FnOnce(&mut T)) {
        self.prepare(prepare);
        self.resume();
    }

    /// Goes on where [`stop`](Self::stop) ended it. Context: process, while stopped.
    pub fn resume(&self) {
        self.server.stop.0.store(false, Relaxed);
        self.worker.enable();
        self.worker.wake();
    }

    /// Returns when nothing is served any more, nor goes on, until the next start. Context: process.
    pub fn stop(&self) {
        // Calls of `disable_and_wait` nest, and a suspended device is stopped once more for a reset.
        if !self.server.stop.0.xchg(true, Relaxed) {
            self.worker.disable_and_wait();
            self.prepare(Serve::settle);
        }
    }
}

impl<T: Serve> Drop for QueueWorker<T> {
    fn drop(&mut self) {
        let served = self.server.served.lock().take();
        // Only now, without the lock: it may be large, and have guards of its own.
        drop(served);
    }
}

/// Wakes the worker of a queue.
struct Doorbell(Arc<Worker>);

impl Kicked for Doorbell {
    fn kicked(&self, _index: u16) {
        self.0.wake();
    }
}

/// What the worker runs.
#[pin_data]
struct Server<T> {
    stop: StopFlag,
    #[pin]
    served: Mutex<Option<Served<T>>>,
}

struct Served<T> {
    worker: Arc<Worker>,
    what: T,
}

impl<T: Serve> Server<T> {
    fn new(name: &'static CStr, class: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            stop: StopFlag::new(true),
            served <- Mutex::new(None, name, class),
        })
    }
}

impl<T: Serve> Run for Server<T> {
    fn run(&self) {
        let mut served = self.served.lock();
        let Some(served) = &mut *served else {
            return;
        };
        let mut result = served.what.serve(&self.stop);
        if result.is_err() && !self.stop.is_set() {
            // A queue that was set up again says so once. One that does not work says so again, and
            // is left alone until the next kick or start.
            served.what.forget();
            result = served.what.serve(&self.stop);
        }
        if let Ok(true) = result {
            served.worker.wake();
        }
    }
}
