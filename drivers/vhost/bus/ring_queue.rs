// SPDX-License-Identifier: GPL-2.0

//! A virtqueue for a transport to hand to a backend.
//!
//! The transport says how ring and buffers are reached (`M`) and how the driver side is signalled
//! (`S`); the backend gets an `Arc<dyn Virtqueue>`.
//!
//! Locks: the ring lock, a mutex, protects the ring and its memory; the signal is sent with it held,
//! so that none comes after [`RingQueue::deactivate`]. The kick lock, taken with interrupts off,
//! protects the way to the backend; with it held only [`Kicked::kicked`] runs. Neither is taken with
//! the other held.

use crate::{
    poll::Poll,
    Device,
    Kicked,
    QueueState,
    Virtqueue,
    VqSpec, //
};
use concurrency::{
    new_irq_lock,
    processor,
    IrqLock, //
};
use core::fmt;
use kernel::{
    prelude::*,
    processor::cpu_relax,
    static_lock_class,
    sync::{
        Arc,
        Mutex, //
    },
    time::{
        Delta,
        Instant, //
    },
};
use virtio::ring::{
    Batch,
    Chain,
    Position,
    Queue,
    QueueConfig,
    RingError,
    RingMemory,
    Used, //
};

/// How a used buffer notification reaches the driver side.
pub trait Signal: Send + Sync {
    /// Sends the notification of the queue `index`.
    ///
    /// Context: process, with the ring lock held.
    fn signal(&self, index: u16);
}

/// A virtqueue whose ring is reached by `M` and whose driver side is signalled by `S`.
#[pin_data]
pub struct RingQueue<M: RingMemory, S> {
    device: Arc<Device>,
    index: u16,
    name: &'static CStr,
    max_size: u16,
    group: u16,
    signal: S,
    #[pin]
    kicked: IrqLock<Option<Arc<dyn Kicked>>>,
    #[pin]
    ring: Mutex<Ring<M>>,
}

/// The name of the lockdep class of ring locks.
///
/// A static like the key: [`RingQueue::new`] is compiled into every transport, and a literal would be
/// another one in each, which lockdep takes for several classes with the same key.
static RING_LOCK: &CStr = c"vhost_bus::RingQueue::ring";

/// What is under the ring lock.
///
/// # Invariants
///
/// There is a queue if the state is [`QueueState::Ready`], [`QueueState::Suspended`] or
/// [`QueueState::Broken`].
struct Ring<M: RingMemory> {
    state: QueueState,
    /// The backend has not been told that this is another queue than it had.
    is_renewed: bool,
    poll: Poll,
    queue: Option<Queue<M>>,
}

/// The ring lies within the lock, but nothing in it is pinned there.
impl<M: RingMemory> Unpin for Ring<M> {}

/// For transports. Context: process, unless stated.
impl<M: RingMemory, S: Signal> RingQueue<M, S> {
    /// Makes the queue `index` of a device, for [`ConfigOps::create_vqs`](crate::ConfigOps::create_vqs).
    ///
    /// It has at most `max_size` descriptors, or what `spec` allows if that is less.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new(
        device: &Arc<Device>,
        index: u16,
        spec: &VqSpec,
        max_size: u16,
        signal: S,
    ) -> Result<Arc<Self>> {
        let queue = pin_init!(Self {
            device: device.clone(),
            index,
            name: spec.name,
            max_size: max_size.min(spec.max_size),
            group: spec.group,
            signal,
            kicked <- new_irq_lock!(Some(spec.kicked.clone()), "vhost_bus::RingQueue::kicked"),
            // INVARIANT: Neither ready nor broken, and no queue.
            ring <- Mutex::new(
                Ring {
                    state: QueueState::Configured,
                    is_renewed: false,
                    poll: Poll::new(Delta::ZERO),
                    queue: None,
                },
                RING_LOCK,
                static_lock_class!(),
            ),
        });
        Arc::pin_init(queue, GFP_KERNEL)
    }

    /// Has the backend look for more for `longest` at most, before it asks for kicks; by default it does not.
    pub fn poll_for(&self, longest: Delta) {
        self.ring.lock().poll = Poll::new(longest);
    }

    /// Returns the largest number of descriptors. Context: any.
    pub fn max_size(&self) -> u16 {
        self.max_size
    }

    /// Returns the number of the queue's group. Context: any.
    pub fn group(&self) -> u16 {
        self.group
    }

    /// The driver side kicked, or may have. Context: any, hard interrupts included.
    pub fn kick(&self) {
        if let Some(kicked) = &*self.kicked.lock() {
            kicked.kicked(self.index);
        }
    }

    /// The driver side has set up the queue: from now on the backend can use it.
    ///
    /// A backend that had it before is told by one `EPIPE`, lest it use what it took from that one.
    ///
    /// # Errors
    ///
    /// `EBUSY`: it is active; `EINVAL`: it is larger than [`max_size`](Self::max_size), or cannot go on
    /// where it is to. The memory is dropped.
    pub fn activate(&self, config: QueueConfig, memory: M) -> Result {
        let queue = config.start(memory).map_err(|_| EINVAL)?;
        if queue.size() > self.max_size {
            return Err(EINVAL);
        }
        let mut ring = self.ring.lock();
        if ring.queue.is_some() {
            return Err(EBUSY);
        }
        ring.is_renewed = ring.state == QueueState::Stopped;
        // INVARIANT: Ready, and there is a queue.
        ring.queue = Some(queue);
        ring.state = QueueState::Ready;
        Ok(())
    }

    /// Takes the queue away from the backend and drops its memory.
    ///
    /// On return nothing of the backend's uses the queue, and no signal is sent. Returns where to go on
    /// ([`QueueConfig::start_at`]), if the queue was active: at the first chain which was not given back.
    pub fn deactivate(&self) -> Option<Position> {
        let mut ring = self.ring.lock();
        let mut queue = ring.queue.take()?;
        // INVARIANT: Stopped, and no queue.
        ring.state = QueueState::Stopped;
        // Backends give chains back in order.
        queue.rewind();
        Some(queue.position())
    }

    /// Keeps a queue that is ready from the backend, which stands still, until
    /// [`resume`](Self::resume).
    ///
    /// Chains that were not given back are available again: [`position`](Self::position) is that of the
    /// first of them. The backend is told as by [`activate`](Self::activate), if there
    /// are any.
    pub fn suspend(&self) {
        let ring = &mut *self.ring.lock();
        if ring.state != QueueState::Ready {
            return;
        }
        if let Some(queue) = &mut ring.queue {
            ring.is_renewed |= queue.in_flight() != 0;
            // Backends give chains back in order.
            queue.rewind();
        }
        // INVARIANT: Suspended, and the queue that was ready stays.
        ring.state = QueueState::Suspended;
    }

    /// Lets the backend have a queue again that is suspended.
    pub fn resume(&self) {
        let mut ring = self.ring.lock();
        if ring.state == QueueState::Suspended {
            // INVARIANT: Ready, and the queue that was suspended stays.
            ring.state = QueueState::Ready;
        }
    }

    /// Sets where a suspended queue goes on; others go on as they are.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it cannot go on there, and goes on as it is.
    pub fn set_position(&self, position: Position) -> Result {
        let ring = &mut *self.ring.lock();
        match &mut ring.queue {
            Some(queue) if ring.state == QueueState::Suspended => {
                queue.go_on_at(position).map_err(|_| EINVAL)
            }
            _ => Ok(()),
        }
    }

    /// Returns where the next chain to be taken is, if the queue is active.
    pub fn position(&self) -> Option<Position> {
        Some(self.ring.lock().queue.as_ref()?.position())
    }

    /// Deactivates the queue and forgets the backend, for
    /// [`ConfigOps::del_vqs`](crate::ConfigOps::del_vqs).
    ///
    /// On return [`Kicked::kicked`] is not running and will not be called.
    pub fn retire(&self) {
        let kicked = self.kicked.lock().take();
        // The backend's object goes without the kick lock, as it may have to sleep.
        drop(kicked);
        self.deactivate();
    }
}

impl<M: RingMemory, S: Signal> RingQueue<M, S>
where
    M::Error: fmt::Debug,
{
    /// Does something with the queue if it is ready, and breaks it if that fails by a broken rule.
    fn with_ready<T>(
        &self,
        operation: impl FnOnce(&mut Queue<M>) -> Result<T, RingError<M::Error>>,
    ) -> Result<T> {
        self.with_ring(&mut self.ring.lock(), operation)
    }

    /// The same with the ring lock held.
    fn with_ring<T>(
        &self,
        ring: &mut Ring<M>,
        operation: impl FnOnce(&mut Queue<M>) -> Result<T, RingError<M::Error>>,
    ) -> Result<T> {
        let queue = ring.ready()?;
        operation(queue).map_err(|error| match error {
            RingError::UsedTooMany { .. } | RingError::UsedHead { .. } => EINVAL,
            error => {
                self.break_down(ring, format_args!("{error}"));
                EPIPE
            }
        })
    }

    /// Breaks a queue that is active if its memory is gone, as `is_gone` says.
    ///
    /// On return nothing uses the memory of a queue that was broken. Context: process.
    pub fn break_if(&self, is_gone: impl FnOnce(&M) -> bool, why: fmt::Arguments<'_>) {
        let ring = &mut *self.ring.lock();
        let is_active = matches!(ring.state, QueueState::Ready | QueueState::Suspended);
        let memory = ring.queue.as_ref().map(Queue::memory);
        if is_active && memory.is_some_and(is_gone) {
            self.break_down(ring, why);
        }
    }

    fn break_down(&self, ring: &mut Ring<M>, why: fmt::Arguments<'_>) {
        // INVARIANT: Broken, and the queue that was ready stays.
        ring.state = QueueState::Broken;
        self.device
            .needs_reset(fmt!("queue {} ({}): {}", self.index, self.name, why));
    }
}

impl<M: RingMemory> Ring<M> {
    fn ready(&mut self) -> Result<&mut Queue<M>> {
        if self.state != QueueState::Ready || core::mem::take(&mut self.is_renewed) {
            return Err(EPIPE);
        }
        self.queue.as_mut().ok_or(EPIPE)
    }
}

impl<M, S> Virtqueue for RingQueue<M, S>
where
    M: RingMemory<Error: fmt::Debug> + Send,
    S: Signal,
{
    fn index(&self) -> u16 {
        self.index
    }

    fn name(&self) -> &'static CStr {
        self.name
    }

    fn size(&self) -> u16 {
        let ring = self.ring.lock();
        let set_up = ring.queue.as_ref().map(|queue| queue.size());
        set_up.unwrap_or(self.max_size)
    }

    fn state(&self) -> QueueState {
        self.ring.lock().state
    }

    fn pop(&self, batch: &mut Batch) -> Result<usize> {
        let ring = &mut *self.ring.lock();
        let count = self.with_ring(ring, |queue| queue.pop(batch))?;
        if count != 0 {
            ring.poll.something(Instant::now);
        }
        Ok(count)
    }

    fn poll(&self) -> Result<bool> {
        let start = Instant::now();
        let time = self.ring.lock().poll.nothing(start);
        if time == Delta::ZERO {
            return Ok(false);
        }
        loop {
            if self.with_ready(Queue::poll)? {
                return Ok(true);
            }
            if start.elapsed() >= time || processor::is_wanted() {
                return Ok(false);
            }
            cpu_relax();
        }
    }

    fn read(&self, chain: &Chain<'_>, offset: usize, to: &mut [u8]) -> Result<usize> {
        let mut ring = self.ring.lock();
        let memory = ring.ready()?.memory();
        chain.read(memory, offset, to).map_err(|_| EIO)
    }

    fn write(&self, chain: &Chain<'_>, offset: usize, from: &[u8]) -> Result<usize> {
        let mut ring = self.ring.lock();
        let memory = ring.ready()?.memory();
        chain.write(memory, offset, from).map_err(|_| EIO)
    }

    fn push(&self, used: &[Used]) -> Result {
        self.with_ready(|queue| {
            if queue.push(used)? {
                self.signal.signal(self.index);
            }
            Ok(())
        })
    }

    fn disable_notification(&self) -> Result {
        self.with_ready(Queue::disable_notification)
    }

    fn enable_notification(&self) -> Result<bool> {
        self.with_ready(Queue::enable_notification)
    }

    fn fail(&self, why: fmt::Arguments<'_>) {
        let ring = &mut *self.ring.lock();
        if ring.state == QueueState::Ready {
            self.break_down(ring, why);
        }
    }
}
