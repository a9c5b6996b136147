// SPDX-License-Identifier: GPL-2.0

//! Looks after the endpoint's life, once per beat (H1, H2).
//!
//! When the endpoint is gone, the device status reads `DEVICE_NEEDS_RESET`, and the driver side is
//! told to look. Outstanding requests are not completed here.
//!
//! Context: process, on a workqueue of its own. Takes the port lock of the link.

use crate::{
    interrupt::Signals,
    link::Link, //
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
use transport::{
    time,
    Health, //
};

/// Watches an endpoint until it is dropped.
pub(crate) struct Monitor {
    _worker: Worker,
}

impl Monitor {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(link: &Arc<Link>, signals: &Arc<Signals>) -> Result<Self> {
        let watch = Watch {
            link: link.clone(),
            signals: signals.clone(),
            is_alive: Atomic::new(true),
        };
        let queue = Arc::new(Queue::new(c"epf_vdpa")?, GFP_KERNEL)?;
        let watch = Arc::new(watch, GFP_KERNEL)?;
        let worker = Worker::new(c"epf_vdpa::Monitor", &queue, watch)?;
        worker.wake();
        Ok(Self { _worker: worker })
    }
}

struct Watch {
    link: Arc<Link>,
    signals: Arc<Signals>,
    /// Whether the endpoint was alive at the last look, so that each change is told once.
    is_alive: Atomic<bool>,
}

impl Run for Watch {
    fn run(&self) {
        let health = self.link.watch();
        let is_alive = health == Health::Alive;
        let was_alive = self.is_alive.xchg(is_alive, Relaxed);
        match (was_alive, is_alive) {
            (true, false) => {
                dev_err!(
                    self.link.dev(),
                    "Endpoint lost ({:?}); the device needs a reset\n",
                    health
                );
                self.signals.config.call_from_process();
            }
            (false, true) => dev_info!(self.link.dev(), "Endpoint is back\n"),
            _ => {}
        }
    }

    fn again(&self) -> Option<Delta> {
        Some(Delta::from_millis(time::BEAT_MS as i64))
    }
}
