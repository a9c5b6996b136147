// SPDX-License-Identifier: GPL-2.0

//! Queues start and stop, one by one, or all of them stand still while the device is suspended.
//!
//! Locks: those of `config_ops`. Context: process; sleeps.

use super::EpfDevice;
use crate::queue::{
    self,
    QueueSetup, //
};
use kernel::prelude::*;
use pci_host::errno;
use transport::{
    Command,
    DeviceStatus,
    QueueState,
    Reply, //
};
use virtio::ring::Position;

impl EpfDevice {
    /// Sets the queue up on the endpoint and starts it.
    ///
    /// The driver side will use the queue even if that fails, as it cannot be told. Then the endpoint
    /// is lost, and what is put into the queue comes back with an error.
    pub(super) fn start_queue(&self, vq: u16) -> Result {
        let (setup, features) = self.set_up_as(vq)?;
        let signal = self.signal(vq)?;
        // Before the endpoint may signal.
        signal.set_ready(true);
        let started = match setup.is_deferred {
            true => Ok(()),
            false => self.start_on_endpoint(vq, &setup),
        };
        if started.is_err() {
            self.link.give_up();
        }
        self.takeover.queue_started(vq, setup, features);
        started
    }

    fn set_up_as(&self, vq: u16) -> Result<(QueueSetup, u64)> {
        let state = &mut *self.state.lock();
        let setup = state.queues.get_mut(usize::from(vq)).ok_or(EINVAL)?;
        setup.has_iovas = self.process.is_some() && !setup.is_of_kernel;
        // A process may map the memory of its queues up to the last moment, as QEMU does.
        let is_early = !setup.is_of_kernel && !has_started(state.status);
        setup.is_deferred = state.is_suspended || is_early;
        Ok((*setup, state.driver_features))
    }

    fn start_on_endpoint(&self, vq: u16, setup: &QueueSetup) -> Result {
        if let Some(process) = self.process.as_ref().filter(|_| setup.has_iovas) {
            process.use_iovas()?;
        }
        let request = setup.request(vq, self.interrupts.queue_vector(vq));
        self.link.command(&Command::SetupQueue(request))?;
        let tell = || self.link.command(&Command::PushQueue(vq.into())).map(drop);
        self.pushes.begin(vq, setup, tell)?;
        self.link
            .command(&Command::SetQueueState(vq.into(), setup.state()))?;
        self.link
            .command(&Command::EnableQueue(vq.into()))
            .map(drop)
    }

    /// Stops the queue; nothing touches it any more when this returns, error or not.
    pub(super) fn stop_queue(&self, vq: u16) -> Result {
        let signal = self.signal(vq)?;
        if !signal.is_ready() {
            return Ok(());
        }
        let stopped = self.stop_on_endpoint(vq);
        if stopped.is_err() {
            self.link.give_up();
        }
        signal.set_ready(false);
        self.interrupts.synchronize();
        self.takeover.queue_stopped(vq);
        self.pushes.end(vq);
        stopped
    }

    /// Where the queue stands is kept: the next start goes on there, unless the driver side sets another
    /// position.
    fn stop_on_endpoint(&self, vq: u16) -> Result {
        let was_deferred = |setup: &mut QueueSetup| core::mem::take(&mut setup.is_deferred);
        if self.link.is_lost() || self.set_up(vq, was_deferred)? {
            return Ok(());
        }
        self.link.command(&Command::DisableQueue(vq.into()))?;
        let position = self.position_on_endpoint(vq)?;
        self.set_up(vq, |setup| setup.position = position)
    }

    /// Where a queue stands: one that is deferred is not known to the endpoint.
    pub(super) fn position(&self, vq: u16) -> Result<Position> {
        let deferred = |setup: &mut QueueSetup| setup.is_deferred.then_some(setup.position);
        match self.set_up(vq, deferred)? {
            Some(position) => Ok(position),
            None => self.position_on_endpoint(vq),
        }
    }

    fn position_on_endpoint(&self, vq: u16) -> Result<Position> {
        self.link.queue(vq)?;
        match self.link.command(&Command::GetQueueState(vq.into()))? {
            Reply::QueueState(QueueState { available, used }) => Ok(Position { available, used }),
            _ => Err(errno::protocol()),
        }
    }

    /// Sets where a queue goes on: at its next start, or at the resume if the device is suspended.
    pub(super) fn set_position(&self, vq: u16, position: Position) -> Result {
        self.set_up(vq, |setup| setup.position = position)?;
        if !self.is_suspended_on_endpoint(vq)? {
            return Ok(());
        }
        let command = Command::SetQueueState(vq.into(), queue::state(position));
        self.link.command(&command)?;
        self.pushes.restart(vq, position.available);
        Ok(())
    }

    /// Whether the queue is started, and stands still.
    fn is_suspended_on_endpoint(&self, vq: u16) -> Result<bool> {
        let state = self.state.lock();
        let setup = state.queues.get(usize::from(vq)).ok_or(EINVAL)?;
        Ok(state.is_suspended && !setup.is_deferred && self.signal(vq)?.is_ready())
    }

    /// Has the endpoint suspend the device; when this returns, no callback of a queue is called.
    ///
    /// An endpoint that fails to do so is in a state that nobody knows, so it is lost.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the device is suspended; `ENOTCONN`: the endpoint is lost; and those of
    /// [`Link::command`](crate::link::Link::command).
    pub(super) fn suspend_all(&self) -> Result {
        if self.state.lock().is_suspended {
            return Err(EBUSY);
        }
        // Before the endpoint may be lost: what is outstanding then stays so until the resume.
        self.takeover.hold();
        let suspended = self.command_or_lose(&Command::Suspend);
        match suspended {
            Ok(()) => self.state.lock().is_suspended = true,
            Err(_) => self.takeover.release(),
        }
        self.interrupts.synchronize();
        suspended
    }

    /// Has the endpoint resume the device.
    ///
    /// An endpoint that fails to do so is lost, and what is outstanding comes back with an error.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the device is not suspended; else as for [`suspend_all`](Self::suspend_all).
    pub(super) fn resume_all(&self) -> Result {
        if !self.state.lock().is_suspended {
            return Err(EBUSY);
        }
        let resumed = self.command_or_lose(&Command::Resume);
        self.state.lock().is_suspended = false;
        let started = resumed.and_then(|()| self.start_deferred());
        self.takeover.release();
        started
    }

    fn command_or_lose(&self, command: &Command) -> Result {
        if self.link.is_lost() {
            return Err(errno::not_connected());
        }
        let result = self.link.command(command).map(drop);
        if result.is_err() {
            self.link.give_up();
        }
        result
    }

    /// Starts the queues on the endpoint that were started before it could have them.
    pub(super) fn start_deferred(&self) -> Result {
        for vq in 0..self.link.identity().num_queues() {
            let is_deferred = |setup: &mut QueueSetup| core::mem::take(&mut setup.is_deferred);
            if self.set_up(vq, is_deferred)? && self.signal(vq)?.is_ready() {
                self.start_queue(vq)?;
            }
        }
        Ok(())
    }
}

fn has_started(status: u8) -> bool {
    DeviceStatus::from_bits(status).contains(DeviceStatus::DRIVER_OK)
}
