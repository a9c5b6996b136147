// SPDX-License-Identifier: GPL-2.0

//! One virtqueue: what the driver side has set up, and the ring as long as there is a backend.
//!
//! Locks, none held while another of these is taken:
//! * `setup`, a mutex: what the driver side sets before it starts the queue;
//! * `ring`, with interrupts off: which ring a kick goes to. Below it only the ring's kick lock.
//!
//! The callback's lock is taken with the ring lock of the bus held, by [`UsedSignal`].

use concurrency::{
    new_irq_lock,
    IrqLock, //
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
use vdpa::{
    CallbackSlot,
    KernelMap,
    MappedQueue,
    VqAddress, //
};
use vhost_bus::{
    RingQueue,
    Signal, //
};
use virtio::ring::{
    Position,
    QueueConfig, //
};

/// A ring in this kernel's memory.
pub(crate) type Ring = RingQueue<MappedQueue, UsedSignal>;

/// The used buffer notification: the vDPA callback of the queue.
pub(crate) struct UsedSignal(Arc<CallbackSlot>);

impl Signal for UsedSignal {
    fn signal(&self, _index: u16) {
        self.0.call_from_process();
    }
}

/// What the driver side sets before it starts a queue.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setup {
    pub(crate) address: VqAddress,
    /// The address space, if it is memory of a process.
    pub(crate) space: u32,
    /// In descriptors.
    pub(crate) size: u32,
    /// Where to start; at first where a queue begins that was never used.
    pub(crate) position: Option<Position>,
}

/// A virtqueue between its driver side and a backend.
#[pin_data]
pub(crate) struct Queue {
    kicks: Atomic<u64>,
    callback: Arc<CallbackSlot>,
    #[pin]
    setup: Mutex<Setup>,
    #[pin]
    ring: IrqLock<Option<Arc<Ring>>>,
}

impl Queue {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let callback = Arc::pin_init(CallbackSlot::new(), GFP_KERNEL)?;
        let queue = pin_init!(Self {
            kicks: Atomic::new(0),
            callback,
            setup <- new_mutex!(Setup::default(), "vhost_loop::Queue::setup"),
            ring <- new_irq_lock!(None, "vhost_loop::Queue::ring"),
        });
        Arc::pin_init(queue, GFP_KERNEL)
    }

    /// Returns the callback for used buffers.
    pub(crate) fn callback(&self) -> &CallbackSlot {
        &self.callback
    }

    /// Returns what signals the driver side.
    pub(crate) fn signal(&self) -> UsedSignal {
        UsedSignal(self.callback.clone())
    }

    /// Sets the ring that the backend uses; `None`: there is no backend any more.
    ///
    /// The ring before gets no more kicks from here, and is returned.
    pub(crate) fn replace_ring(&self, ring: Option<Arc<Ring>>) -> Option<Arc<Ring>> {
        core::mem::replace(&mut *self.ring.lock(), ring)
    }

    /// Returns the ring that the backend uses.
    ///
    /// Context: process, as the last reference may be dropped by the caller.
    pub(crate) fn ring(&self) -> Option<Arc<Ring>> {
        self.ring.lock().clone()
    }

    /// Changes what the next start uses.
    pub(crate) fn set_up(&self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup.lock());
    }

    /// Sets where the queue goes on: at its next start, or at the resume if the device is suspended.
    ///
    /// # Errors
    ///
    /// `EINVAL`: a suspended queue cannot go on there.
    pub(crate) fn set_position(&self, position: Position) -> Result {
        self.set_up(|setup| setup.position = Some(position));
        match self.ring() {
            Some(ring) => ring.set_position(position),
            None => Ok(()),
        }
    }

    /// Tells the backend that there are buffers. Context: any.
    pub(crate) fn kick(&self) {
        self.kicks.fetch_add(1, Relaxed);
        if let Some(ring) = &*self.ring.lock() {
            ring.kick();
        }
    }

    /// Returns how often that was done. Context: any.
    pub(crate) fn kicks(&self) -> u64 {
        self.kicks.load(Relaxed)
    }

    /// Starts the queue as it was set up, with these features.
    ///
    /// # Errors
    ///
    /// `ENODEV`: there is no backend; `EINVAL`: the size is not legal in the layout or too large;
    /// `EBUSY`: it is started.
    pub(crate) fn start(&self, map: Arc<KernelMap>, features: u64) -> Result {
        let ring = self.ring().ok_or(ENODEV)?;
        let setup = *self.setup.lock();
        let config = QueueConfig::new(setup.size.try_into()?, features).ok_or(EINVAL)?;
        let config = match setup.position {
            Some(position) => config.start_at(position),
            None => config,
        };
        ring.activate(config, MappedQueue::new(map, setup.space, setup.address))
    }

    /// Stops the queue; when this returns, its memory is not touched and nothing is signalled.
    pub(crate) fn stop(&self) {
        let position = self.ring().and_then(|ring| ring.deactivate());
        if position.is_some() {
            self.setup.lock().position = position;
        }
    }

    /// Stops the queue and forgets what was set up.
    pub(crate) fn reset(&self) {
        self.stop();
        self.callback.clear();
        *self.setup.lock() = Setup::default();
    }

    /// Returns whether the queue is started.
    pub(crate) fn is_started(&self) -> bool {
        self.ring().is_some_and(|ring| ring.position().is_some())
    }

    /// Returns where the next chain to take is; with these features, if it was never started.
    pub(crate) fn position(&self, features: u64) -> Position {
        self.ring()
            .and_then(|ring| ring.position())
            .or_else(|| self.setup.lock().position)
            .unwrap_or_else(|| Position::first(features))
    }

    /// Returns the number of its group; 0: there is no backend.
    pub(crate) fn group(&self) -> u32 {
        self.ring().map_or(0, |ring| ring.group().into())
    }

    /// Returns the largest size in descriptors; 0: there is no backend.
    pub(crate) fn max_size(&self) -> u16 {
        self.ring().map_or(0, |ring| ring.max_size())
    }
}
