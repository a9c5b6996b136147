// SPDX-License-Identifier: GPL-2.0

//! Something that happens once, until it is reset, and that others wait for.
//!
//! It is a `struct completion`. Whoever waits for a peer waits with a time limit, as a peer that dies must not hang its
//! waiter.

use crate::bindings;
use kernel::{
    prelude::*,
    processor::cpu_relax,
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
    types::Opaque, //
};

/// An event: it has happened or it has not.
#[pin_data]
pub struct Event {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A `struct completion` may be used and freed by any thread.
unsafe impl Send for Event {}

// SAFETY: A `struct completion` has its own lock.
unsafe impl Sync for Event {}

impl Event {
    /// Returns an initialiser of an event that has not happened.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes and does not move once initialised.
                unsafe { bindings::init_completion(slot) }
            }),
        })
    }

    /// Says that the event has happened, to present and to later waiters.
    ///
    /// Context: any.
    pub fn signal(&self) {
        // SAFETY: `new` initialised the completion, and `self` is pinned since.
        unsafe { bindings::complete_all(self.inner.get()) }
    }

    /// Waits until the event happens or `timeout` has passed; returns whether it has happened.
    ///
    /// The time is rounded up to jiffies. A negative one counts as zero, and none is longer than 71
    /// minutes, the most microseconds that 32 bits hold.
    ///
    /// Context: process; not interruptible.
    pub fn wait_for(&self, timeout: Delta) -> bool {
        // SAFETY: As in `signal`.
        unsafe { bindings::wait_for_completion_timeout(self.inner.get(), jiffies(timeout)) != 0 }
    }

    /// Waits until the event happens: for what ends by itself, and whose memory cannot go before.
    ///
    /// Context: process; not interruptible.
    pub fn wait(&self) {
        // SAFETY: As in `signal`.
        unsafe { bindings::wait_for_completion(self.inner.get()) }
    }

    /// Looks, without a sleep, until the event has happened or `time` has passed; returns whether it has happened.
    ///
    /// Context: process, with interrupts on, as what signals the event may be one.
    pub fn poll_for(&self, time: Delta) -> bool {
        let start = Instant::<Monotonic>::now();
        loop {
            // SAFETY: As in `signal`.
            if unsafe { bindings::completion_done(self.inner.get()) } {
                return true;
            }
            if start.elapsed() >= time {
                return false;
            }
            cpu_relax();
        }
    }

    /// Makes the event one that has not happened.
    ///
    /// Whoever resets must know that no signal for the previous round is still to come, or the
    /// next wait ends with it.
    ///
    /// Context: any.
    pub fn reset(&self) {
        // SAFETY: As in `signal`.
        unsafe { bindings::concurrency_reinit_completion(self.inner.get()) }
    }
}

/// Returns the number of jiffies that last at least `time`.
fn jiffies(time: Delta) -> usize {
    let micros = time.as_micros_ceil().clamp(0, i64::from(u32::MAX));
    // CAST: Clamped to the range just above.
    //
    // SAFETY: The conversion has no preconditions.
    unsafe { bindings::__usecs_to_jiffies(micros as u32) }
}
