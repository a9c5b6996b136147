// SPDX-License-Identifier: GPL-2.0

//! Finishes what a lost endpoint left, so that the driver side never waits for it (H2).
//!
//! Linux 7.2 knows no other way: a virtio driver that has given a request to its device gets it back by
//! a used buffer or not at all, and waits for that when it is removed. As long as the endpoint is lost,
//! each queue that the driver side believes to be running is served here, new requests included.
//!
//! Locks: `queues`, a mutex, is held while queues are served and their callbacks called. It is taken
//! inside `vdpa_dev_lock` and `cf_lock`; locks of the virtio driver are taken inside it.
//!
//! Context: process, on the driver's workqueue, unless stated.

use crate::{
    interrupt::Signals,
    link::Link,
    orphan::Orphan,
    queue::QueueSetup, //
};
use concurrency::{
    Queue,
    Run,
    Worker, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use virtio::{
    ids::DeviceId,
    ring::Batch, //
};

/// Serves the queues of a lost endpoint until it is dropped.
pub(crate) struct Takeover {
    work: Arc<Work>,
    worker: Worker,
}

#[pin_data]
struct Work {
    link: Arc<Link>,
    signals: Arc<Signals>,
    #[pin]
    queues: Mutex<Queues>,
}

struct Queues {
    states: KVec<State>,
    /// The device is suspended: nothing is handed back for the time being.
    is_held: bool,
    batch: KBox<Batch>,
}

/// What became of a queue.
enum State {
    /// The driver side does not use it.
    Stopped,
    /// The driver side set it up so, with these features.
    Running(QueueSetup, u64),
    /// It is served here.
    Orphan(KBox<Orphan>),
    /// It cannot be served.
    Abandoned,
}

impl Takeover {
    /// Gets ready for the loss of the endpoint behind `link`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(
        queue: &Arc<Queue>,
        link: &Arc<Link>,
        signals: &Arc<Signals>,
    ) -> Result<Arc<Self>> {
        let num_queues = link.identity().num_queues();
        let mut states = KVec::with_capacity(num_queues.into(), GFP_KERNEL)?;
        for _ in 0..num_queues {
            states.push(State::Stopped, GFP_KERNEL)?;
        }
        let batch = batch::new()?;
        let work = pin_init!(Work {
            link: link.clone(),
            signals: signals.clone(),
            queues <- new_mutex!(Queues { states, is_held: false, batch }, "epf_vdpa::Takeover::queues"),
        });
        let work = Arc::pin_init(work, GFP_KERNEL)?;
        let worker = Worker::new(c"epf_vdpa::Takeover", queue, work.clone())?;
        Ok(Arc::new(Self { work, worker }, GFP_KERNEL)?)
    }

    /// Serves the queues soon, if the endpoint is lost. Context: any.
    pub(crate) fn wake(&self) {
        self.worker.wake();
    }

    /// Serves nothing from now on; when this returns, no queue is touched from here.
    pub(crate) fn hold(&self) {
        self.work.queues.lock().is_held = true;
    }

    /// Serves the queues again, if the endpoint is lost.
    pub(crate) fn release(&self) {
        self.work.queues.lock().is_held = false;
        self.wake();
    }

    /// To be called when the driver side begins to use a queue.
    pub(crate) fn queue_started(&self, vq: u16, setup: QueueSetup, features: u64) {
        self.work.set(vq, State::Running(setup, features));
        self.wake();
    }

    /// To be called when the driver side does not use a queue any more. When this returns, the queue
    /// is not touched any more from here, and its callback not called.
    pub(crate) fn queue_stopped(&self, vq: u16) {
        self.work.set(vq, State::Stopped);
    }
}

impl Work {
    fn set(&self, vq: u16, new: State) {
        if let Some(state) = self.queues.lock().states.get_mut(usize::from(vq)) {
            *state = new;
        }
    }

    /// Serves a queue, and tells the driver side.
    fn serve(&self, vq: u16, state: &mut State, batch: &mut Batch) {
        self.adopt(vq, state);
        let State::Orphan(orphan) = state else {
            return;
        };
        match orphan.hand_back(batch) {
            Ok(true) => {
                if let Some(signal) = self.signals.queue(vq) {
                    signal.callback.call_from_process();
                }
            }
            Ok(false) => {}
            Err(error) => {
                dev_err!(
                    self.link.dev(),
                    "Queue {} cannot be finished in place of the endpoint: {:?}\n",
                    vq,
                    error
                );
                *state = State::Abandoned;
            }
        }
    }

    fn adopt(&self, vq: u16, state: &mut State) {
        let State::Running(setup, features) = state else {
            return;
        };
        if setup.has_iovas {
            // Of a process, which learns of the loss and gives its requests up itself.
            *state = State::Abandoned;
            return;
        }
        let device_id = DeviceId::new(self.link.identity().device_id());
        let orphan = Orphan::new(self.link.dev(), device_id, setup, *features)
            .and_then(|orphan| Ok(KBox::new(orphan, GFP_KERNEL).map_err(Error::from)?));
        *state = match orphan {
            Ok(orphan) => State::Orphan(orphan),
            Err(error) => {
                dev_err!(
                    self.link.dev(),
                    "Queue {} cannot be taken over: {:?}\n",
                    vq,
                    error
                );
                State::Abandoned
            }
        };
    }
}

impl Run for Work {
    fn run(&self) {
        if !self.link.is_lost() {
            return;
        }
        let mut queues = self.queues.lock();
        let Queues {
            states,
            is_held,
            batch,
        } = &mut *queues;
        if *is_held {
            return;
        }
        for (vq, state) in (0..).zip(states.iter_mut()) {
            self.serve(vq, state, batch);
        }
    }
}
