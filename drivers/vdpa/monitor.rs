// SPDX-License-Identifier: GPL-2.0

//! Looks after the endpoint's life, once per beat (H1, H2).
//!
//! When the endpoint is lost, the device status reads `DEVICE_NEEDS_RESET`, the driver side is told to
//! look, and what is outstanding is finished by `takeover`. When it is there again, user space is told.
//!
//! Context: process, on a workqueue of its own. Takes the locks of the link.

use crate::{
    interrupt::Signals,
    link::Link,
    takeover::Takeover, //
};
use concurrency::{
    Queue,
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
        Arc, //
    },
    time::Delta, //
};
use transport::time;

/// Watches an endpoint until it is dropped.
pub(crate) struct Monitor {
    worker: Worker,
}

impl Monitor {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(
        queue: &Arc<Queue>,
        link: &Arc<Link>,
        signals: &Arc<Signals>,
        takeover: &Arc<Takeover>,
    ) -> Result<Self> {
        let watch = Watch {
            link: link.clone(),
            signals: signals.clone(),
            takeover: takeover.clone(),
            was_lost: Atomic::new(false),
        };
        let watch = Arc::new(watch, GFP_KERNEL)?;
        let worker = Worker::new(c"epf_vdpa::Monitor", queue, watch)?;
        worker.wake();
        Ok(Self { worker })
    }

    /// Looks now, not only at the next beat. Context: any.
    pub(crate) fn look(&self) {
        self.worker.wake();
    }
}

struct Watch {
    link: Arc<Link>,
    signals: Arc<Signals>,
    takeover: Arc<Takeover>,
    /// Whether the endpoint was lost at the last look, so that each loss is told once.
    was_lost: Atomic<bool>,
}

impl Run for Watch {
    fn run(&self) {
        self.link.watch();
        let is_lost = self.link.is_lost();
        if is_lost {
            self.takeover.wake();
        }
        if is_lost && !self.was_lost.xchg(is_lost, Relaxed) {
            self.signals.config.call_from_process();
        }
        self.was_lost.store(is_lost, Relaxed);
        self.link.tell_if_back();
    }

    fn again(&self) -> Option<Delta> {
        Some(Delta::from_millis(time::BEAT_MS as i64))
    }
}
