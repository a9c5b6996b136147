// SPDX-License-Identifier: GPL-2.0

//! A piece of work that is woken, runs in process context, and can be cancelled.
//!
//! The kernel crate's `Work` keeps its owner alive by itself and cannot be cancelled, so a device
//! cannot be quiesced. Here the owner has a [`Worker`], and dropping it ends the work.
//!
//! # Rules
//!
//! * One worker never runs twice at the same time; a wake during a run makes it run again. No wake
//!   is lost, except those while the worker is disabled.
//! * What the work uses must not own the worker: the two would keep each other alive.
//! * A worker must not be disabled or dropped from its own work, which would wait for itself, nor
//!   with a lock held that its work takes.

use crate::{
    bindings,
    Queue, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        LockClassKey, //
    },
    time::Delta,
    types::Opaque, //
};

/// Something to do whenever it is woken.
pub trait Run: Send + Sync {
    /// Does what there is to do and returns; is called again after the next wake.
    ///
    /// Context: process, on the worker's queue, never concurrently with itself.
    fn run(&self);

    /// Returns when to run again without being woken; asked once after each run.
    ///
    /// `None`, the default: only when woken. Zero: at once, after whatever else the queue has. Being
    /// disabled ends such a series; a wake begins it again.
    ///
    /// Context: as for [`run`](Self::run).
    fn again(&self) -> Option<Delta> {
        None
    }
}

impl<F: Fn() + Send + Sync> Run for F {
    fn run(&self) {
        self()
    }
}

/// A [`Run`] on a [`Queue`]. Dropping it cancels the work and waits for a run in progress.
pub struct Worker {
    item: Pin<KBox<Item>>,
}

/// The parts that C links into its lists, at an address that does not change.
#[pin_data(PinnedDrop)]
struct Item {
    #[pin]
    work: Opaque<bindings::work_struct>,
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    queue: Arc<Queue>,
    what: Arc<dyn Run>,
    #[pin]
    class: LockClassKey,
}

// SAFETY: `work_struct` and `hrtimer` may be used from any thread; the rest is `Send` itself.
unsafe impl Send for Item {}

// SAFETY: `work_struct` and `hrtimer` have their own synchronisation; the rest is `Sync` itself.
unsafe impl Sync for Item {}

impl Worker {
    /// Makes a worker that runs `what` on `queue` when woken; `name` is that of its lockdep class.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new(name: &'static CStr, queue: &Arc<Queue>, what: Arc<dyn Run>) -> Result<Self> {
        let item = KBox::pin_init(Item::new(name, queue.clone(), what), GFP_KERNEL)?;
        Ok(Self { item })
    }

    /// Makes the work run soon; does nothing when that is due already.
    ///
    /// Context: any.
    #[inline]
    pub fn wake(&self) {
        self.item.wake();
    }

    /// Makes the work run when `delay` has passed; a later call replaces the time of an earlier
    /// one, and a negative time counts as zero.
    ///
    /// A [`wake`](Self::wake) before that is not postponed, nor does it cancel the later run.
    ///
    /// Context: any.
    pub fn wake_after(&self, delay: Delta) {
        self.item.wake_after(delay);
    }

    /// Cancels the work, waits for a run in progress, and ignores wakes from here on.
    ///
    /// Calls nest: as many calls of [`enable`](Self::enable) make it run again.
    ///
    /// Context: process; not from the work itself, nor with a lock held that the work takes.
    pub fn disable_and_wait(&self) {
        self.item.disable_and_wait();
    }

    /// Undoes one [`disable_and_wait`](Self::disable_and_wait).
    ///
    /// Wakes that came meanwhile are gone: wake it if there may be something to do.
    ///
    /// Context: any.
    pub fn enable(&self) {
        // SAFETY: `Item::new` initialised the work item, and it is pinned since.
        unsafe { bindings::enable_work(self.item.work.get()) };
    }
}

impl Item {
    fn new(name: &'static CStr, queue: Arc<Queue>, what: Arc<dyn Run>) -> impl PinInit<Self> {
        pin_init!(&this in Self {
            class <- LockClassKey::new_dynamic(),
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: The class above is initialised; it is dropped after the work is disabled.
                let key = unsafe { (*this.as_ptr()).class.as_ptr() };
                // SAFETY: `slot` is valid for writes and does not move once initialised; `name`
                // lives for ever.
                unsafe {
                    bindings::init_work_with_key(
                        slot,
                        Some(Self::work_runs),
                        false,
                        name.as_char_ptr(),
                        key,
                    )
                }
            }),
            timer <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes and does not move once initialised.
                unsafe {
                    bindings::hrtimer_setup(
                        slot,
                        Some(Self::timer_expires),
                        bindings::CLOCK_MONOTONIC as i32,
                        bindings::hrtimer_mode_HRTIMER_MODE_REL,
                    )
                }
            }),
            queue,
            what,
        })
    }

    #[inline]
    fn wake(&self) {
        const ANY_CPU: i32 = bindings::wq_misc_consts_WORK_CPU_UNBOUND as i32;

        // SAFETY: The queue lives as long as `self`; `new` initialised the work item, which stays
        // until `drop` has cancelled it.
        unsafe { bindings::queue_work_on(ANY_CPU, self.queue.as_ptr(), self.work.get()) };
    }

    fn wake_after(&self, delay: Delta) {
        // SAFETY: `new` initialised the timer, and it is pinned since.
        unsafe {
            bindings::hrtimer_start_range_ns(
                self.timer.get(),
                delay.as_nanos().max(0),
                0,
                bindings::hrtimer_mode_HRTIMER_MODE_REL,
            );
        }
    }

    fn disable_and_wait(&self) {
        // The work may arm the timer and the timer wakes the work: with the work disabled first,
        // neither can start the other again.
        //
        // SAFETY: `new` initialised both, and they are pinned since.
        unsafe {
            bindings::disable_work_sync(self.work.get());
            bindings::hrtimer_cancel(self.timer.get());
        }
    }

    /// # Safety
    ///
    /// Called by the workqueue with the `work` of a live `Item`.
    unsafe extern "C" fn work_runs(work: *mut bindings::work_struct) {
        // CAST: `Opaque` is transparent.
        //
        // SAFETY: `work` is the field of an `Item`, which lives: its `drop` waits for this run.
        let item = unsafe { &*kernel::container_of!(Opaque::cast_from(work), Item, work) };
        item.what.run();
        match item.what.again() {
            Some(delay) if delay > Delta::ZERO => item.wake_after(delay),
            Some(_) => item.wake(),
            None => {}
        }
    }

    /// # Safety
    ///
    /// Called by the timer core with the `timer` of a live `Item`.
    unsafe extern "C" fn timer_expires(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // CAST: `Opaque` is transparent.
        //
        // SAFETY: `timer` is the field of an `Item`, which lives: its `drop` waits for this call.
        let item = unsafe { &*kernel::container_of!(Opaque::cast_from(timer), Item, timer) };
        item.wake();
        bindings::hrtimer_restart_HRTIMER_NORESTART
    }
}

#[pinned_drop]
impl PinnedDrop for Item {
    /// Context: process; not from the work itself.
    fn drop(self: Pin<&mut Self>) {
        self.disable_and_wait();
    }
}
