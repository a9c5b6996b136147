// SPDX-License-Identifier: GPL-2.0

//! The state of a device, and the only place where a backend is started, stopped and let go.
//!
//! Context: process. The state lock protects [`State`] and is held while the backend's and the
//! transport's functions are called, so that they see one thing at a time. It is taken below the
//! device lock of the driver core and above the ring locks.
//!
//! Whatever ends a backend's work does so in this order; each step makes the next one safe:
//!
//! 1. *quiesce*: [`Backend::stop`] returns when no worker touches a queue;
//! 2. *cancel*: the transport deactivates the queues (reset) or forgets them (unbind), after which
//!    no kick is delivered and no driver-side memory is mapped;
//! 3. *release*: the driver side sees the new status (reset), or the backend is dropped (unbind).
//!
//! A suspension takes the first two steps, by [`Backend::suspend`] and [`ConfigOps::suspend`], and
//! undoes them in the other order.

use crate::{
    fault::Fault,
    status::{
        Machine,
        Step, //
    },
    Backend,
    ConfigOps,
    Virtqueue, //
};
use kernel::{
    prelude::*,
    sync::{
        new_mutex,
        Arc,
        Mutex, //
    },
};
use virtio::status::Status;

/// A device's state and its transport.
#[pin_data]
pub(crate) struct Control {
    pub(crate) ops: Arc<dyn ConfigOps>,
    #[pin]
    pub(crate) fault: Fault,
    #[pin]
    state: Mutex<State>,
}

/// What the backend is doing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Work {
    /// Nothing: it has not been started, or was stopped.
    #[default]
    Stopped,
    /// [`Backend::start`] succeeded.
    Running,
    /// It stands still after [`Backend::suspend`].
    Suspended,
}

/// What is under the state lock.
#[derive(Default)]
struct State {
    machine: Machine,
    /// What the backend offers.
    offered: u64,
    backend: Option<Arc<dyn Backend>>,
    work: Work,
    queues: KVec<Arc<dyn Virtqueue>>,
}

impl State {
    /// Step 1: quiesce.
    fn stop(&mut self) {
        let work = core::mem::take(&mut self.work);
        if let Some(backend) = self.backend.as_ref().filter(|_| work != Work::Stopped) {
            backend.stop();
        }
    }

    /// Returns the backend, if it is doing that.
    fn backend_in(&self, work: Work) -> Result<&Arc<dyn Backend>> {
        match self.work == work {
            true => self.backend(),
            false => Err(EBUSY),
        }
    }

    fn backend(&self) -> Result<&Arc<dyn Backend>> {
        self.backend.as_ref().ok_or(ENODEV)
    }
}

impl Control {
    pub(crate) fn new(ops: Arc<dyn ConfigOps>) -> impl PinInit<Self> {
        pin_init!(Self {
            ops,
            fault <- Fault::new(),
            state <- new_mutex!(State::default(), "vhost_bus::Control::state"),
        })
    }

    pub(crate) fn has_backend(&self) -> bool {
        self.state.lock().backend.is_some()
    }

    pub(crate) fn offered(&self) -> u64 {
        self.state.lock().offered | self.ops.transport_features()
    }

    pub(crate) fn offer(&self, features: u64) -> Result {
        let mut state = self.state.lock();
        self.ops.set_features(features)?;
        state.offered = features;
        Ok(())
    }

    /// Keeps the queues that the transport made, so that an operator can see them.
    pub(crate) fn keep_queues(&self, queues: &[Arc<dyn Virtqueue>]) -> Result {
        let mut kept = KVec::with_capacity(queues.len(), GFP_KERNEL)?;
        kept.extend_from_slice(queues, GFP_KERNEL)?;
        self.state.lock().queues = kept;
        Ok(())
    }

    /// Calls `each` with the queues, in the order of their indices.
    pub(crate) fn for_each_queue(&self, mut each: impl FnMut(&dyn Virtqueue)) {
        for queue in &self.state.lock().queues {
            each(&**queue);
        }
    }

    /// A backend has been made.
    pub(crate) fn install(&self, backend: Arc<dyn Backend>) {
        self.state.lock().backend = Some(backend);
        self.ops.backend_bound();
    }

    /// The driver side accepts features.
    pub(crate) fn accept(&self, features: u64) -> Result {
        let state = &mut *self.state.lock();
        let offered = state.offered | self.ops.transport_features();
        let backend = state.backend.as_ref().ok_or(ENODEV)?;
        state.machine.accept(offered, features, |negotiated| {
            backend.check_features(negotiated)
        })
    }

    /// The driver side writes the status field; returns what is in it afterwards.
    pub(crate) fn write_status(&self, written: Status) -> Result<Status> {
        let mut state = self.state.lock();
        if written.is_reset() {
            self.reset_locked(&mut state)?;
            return Ok(Status::RESET);
        }
        if written.contains(Status::FEATURES_OK) {
            state.backend()?;
        }
        let started = match state.machine.write(written)? {
            Step::Publish => Ok(()),
            Step::Start(features) => Self::start(&mut state, features),
        };
        let status = state.machine.status();
        self.ops.set_status(status)?;
        started.map(|()| status)
    }

    /// Sets what is missing up to `DRIVER_OK`.
    pub(crate) fn driver_ok(&self) -> Result {
        let all = Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK | Status::DRIVER_OK;
        let status = self.write_status(all)?;
        if status.contains(Status::DRIVER_OK) {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    fn start(state: &mut State, features: u64) -> Result {
        let started = state.backend().and_then(|backend| backend.start(features));
        if started.is_ok() {
            state.work = Work::Running;
        } else {
            state.machine.fail();
        }
        started
    }

    /// Suspends the device: quiesce, cancel.
    pub(crate) fn suspend(&self) -> Result {
        let mut state = self.state.lock();
        state.backend_in(Work::Running)?.suspend();
        self.ops.suspend();
        state.work = Work::Suspended;
        Ok(())
    }

    /// Undoes it in the other order.
    pub(crate) fn resume(&self) -> Result {
        let mut state = self.state.lock();
        let backend = state.backend_in(Work::Suspended)?;
        self.ops.resume();
        backend.resume();
        state.work = Work::Running;
        Ok(())
    }

    /// Resets the device: quiesce, cancel, release.
    pub(crate) fn reset(&self) -> Result {
        self.reset_locked(&mut self.state.lock())
    }

    fn reset_locked(&self, state: &mut State) -> Result {
        state.stop();
        state.machine.reset();
        // Nobody is left who could note a fault of the old life.
        self.fault.take();
        self.ops.set_status(Status::RESET)
    }

    /// Takes the backend away: quiesce, cancel, release. Returns the backend, to be dropped,
    /// and whether the driver side could be told.
    ///
    /// Also undoes what a failed probe did. The driver side, if it was at work, is told that the
    /// device needs a reset.
    pub(crate) fn remove(&self) -> (Option<Arc<dyn Backend>>, Result) {
        let mut state = self.state.lock();
        state.stop();
        let told = if state.machine.fail() {
            self.ops.set_status(state.machine.status())
        } else {
            Ok(())
        };
        state.queues = KVec::new();
        state.offered = 0;
        self.ops.del_vqs();
        let withdrawn = self.ops.set_features(0);
        (state.backend.take(), told.and(withdrawn))
    }

    /// Tells the driver side of a fault that was noted.
    pub(crate) fn report_fault(&self) -> Result {
        let mut state = self.state.lock();
        if self.fault.take() && state.machine.fail() {
            self.ops.set_status(state.machine.status())?;
        }
        Ok(())
    }

    /// The driver side wrote to the device configuration space.
    pub(crate) fn config_written(&self, offset: usize, from: &[u8]) -> Result {
        self.state.lock().backend()?.write_config(offset, from)
    }
}
