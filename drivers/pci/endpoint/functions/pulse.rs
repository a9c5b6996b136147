// SPDX-License-Identifier: GPL-2.0

//! The heartbeat while the worker is in a command (H1), on a work item of its own.
//!
//! Locks: `pulse`, a mutex, held for moments; nothing is taken inside it. Context: process.

use crate::{
    bar::RegisterBar,
    clock::Clock, //
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
        Arc,
        Mutex, //
    },
    time::Delta, //
};
use transport::{
    time,
    Pulse, //
};

/// How often the pulse is to beat.
// CAST: A fraction of a second.
const PERIOD: Delta = Delta::from_millis((time::BEAT_MS / 2) as i64);

/// Beats for the worker while that is in a command.
pub(crate) struct Pacemaker {
    worker: Worker,
    beating: Arc<Beating>,
}

#[pin_data]
struct Beating {
    bar: RegisterBar,
    clock: Clock,
    /// `None`: the worker beats itself.
    #[pin]
    pulse: Mutex<Option<Pulse>>,
}

impl Pacemaker {
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(queue: &Arc<Workqueue>, bar: &RegisterBar, clock: Clock) -> Result<Self> {
        let beating = pin_init!(Beating {
            bar: bar.clone(),
            clock,
            pulse <- new_mutex!(None, "pci_epf_vhost::Pacemaker::pulse"),
        });
        let beating = Arc::pin_init(beating, GFP_KERNEL)?;
        let worker = Worker::new(c"pci_epf_vhost::Pacemaker", queue, beating.clone())?;
        Ok(Self { worker, beating })
    }

    /// Has `pulse` beat until it is taken back, or is over.
    pub(crate) fn begin(&self, pulse: Pulse) {
        *self.beating.pulse.lock() = Some(pulse);
        self.worker.wake_after(PERIOD);
    }

    /// Takes the pulse back. On return it does not beat any more.
    pub(crate) fn end(&self) -> Option<Pulse> {
        self.beating.pulse.lock().take()
    }
}

impl Run for Beating {
    fn run(&self) {
        if let Some(pulse) = &mut *self.pulse.lock() {
            pulse.beat(&self.bar, self.clock.now_ms());
        }
    }

    fn again(&self) -> Option<Delta> {
        let pulse = self.pulse.lock();
        let is_over = pulse.as_ref()?.is_over(self.clock.now_ms());
        (!is_over).then_some(PERIOD)
    }
}
