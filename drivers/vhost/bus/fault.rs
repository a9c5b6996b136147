// SPDX-License-Identifier: GPL-2.0

//! Errors that only a reset cures, from where they are met to the driver side.
//!
//! They are met with locks held, by workers that a reset waits for. So they are noted here, and a
//! work item tells the driver side.
//!
//! Context: any. The log's lock is a leaf.

use concurrency::{
    new_irq_lock,
    IrqLock, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
};

/// At most one message per device in this time: a hostile driver side can break queues as fast as
/// it can reset the device, and the log has to stay readable.
const MESSAGE_INTERVAL: Delta = Delta::from_secs(5);

/// Whether there is a fault to report, and when the last one was logged.
#[pin_data]
pub(crate) struct Fault {
    is_pending: Atomic<bool>,
    #[pin]
    log: IrqLock<Log>,
}

#[derive(Default)]
struct Log {
    last: Option<Instant<Monotonic>>,
    missed: u32,
}

impl Fault {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            is_pending: Atomic::new(false),
            log <- new_irq_lock!(Log::default(), "vhost_bus::Fault::log"),
        })
    }

    /// Notes a fault.
    pub(crate) fn note(&self) {
        self.is_pending.store(true, Relaxed);
    }

    /// Returns whether there was a fault since the last call.
    pub(crate) fn take(&self) -> bool {
        self.is_pending.xchg(false, Full)
    }

    /// Returns how many messages were left out, when it is time for one.
    pub(crate) fn may_log(&self) -> Option<u32> {
        let mut log = self.log.lock();
        let is_early = |last: Instant<Monotonic>| last.elapsed() < MESSAGE_INTERVAL;
        if log.last.is_some_and(is_early) {
            log.missed = log.missed.saturating_add(1);
            return None;
        }
        log.last = Some(Instant::now());
        Some(core::mem::take(&mut log.missed))
    }
}
