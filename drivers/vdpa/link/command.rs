// SPDX-License-Identifier: GPL-2.0

//! Commands to the endpoint, and the reset after which it is as new.
//!
//! Locks: `Link::port` is held while a command is outstanding. Context: process; sleeps.

use super::{
    loss::Loss,
    notice::Notice,
    Link, //
};
use crate::identify;
use kernel::{
    fmt,
    prelude::*,
    sync::MutexGuard,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};
use pci_host::errno;
use transport::{
    time,
    AnswerError,
    Command,
    CommandError,
    Doorbell,
    DoorbellKind,
    Health,
    Identity,
    IssueError,
    QueueIndex,
    QueueRequest,
    Reply,
    RootComplexPort,
    Step, //
};

impl Link {
    /// Issues a command and waits for the answer.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: no answer within the bound, or the endpoint shows no heartbeat and is lost; `EIO`: the
    /// link is dead; `ENOTCONN`: the endpoint restarted, or a command before this one timed out, and a reset is needed; `EPROTO`: the
    /// answer makes no sense; else what the endpoint refuses, see "Command status" in
    /// `Documentation/transport.rst`.
    pub(crate) fn command(&self, command: &Command) -> Result<Reply> {
        let mut port = self.port.lock();
        self.execute(&mut port, command)
    }

    fn execute(
        &self,
        port: &mut MutexGuard<'_, RootComplexPort>,
        command: &Command,
    ) -> Result<Reply> {
        let regs = self.bars.registers();
        port.issue(regs, command, self.now_ms())
            .map_err(|error| match error {
                IssueError::Busy => EBUSY,
                IssueError::OutOfStep | IssueError::Lost => errno::not_connected(),
                IssueError::Silent => self.failed(command, "needs a heartbeat", ETIMEDOUT),
            })?;
        let mut beat_ms = self.now_ms() + time::BEAT_MS;
        let mut sleep_us = time::ANSWER_SLEEP_MIN_US as i64;
        // Bounded: the port reports a time-out once the bound of the opcode has passed.
        loop {
            match port.step(regs, self.now_ms()) {
                Step::Pending => {}
                Step::Done(answer) => return answer.map_err(|error| self.refused(command, error)),
                Step::TimedOut => return Err(self.failed(command, "was not answered", ETIMEDOUT)),
                Step::Silent => {
                    self.lose(port, Loss::Silent);
                    return Err(self.failed(command, "met a silent endpoint", ETIMEDOUT));
                }
                Step::LinkDead => return Err(self.failed(command, "met a dead link", EIO)),
                Step::Restarted => {
                    return Err(self.failed(
                        command,
                        "met a restarted endpoint",
                        errno::not_connected(),
                    ))
                }
                Step::Idle => return Err(errno::protocol()),
            }
            // The monitor cannot, as the port is locked; the next step tells what is found.
            if self.now_ms() >= beat_ms {
                port.watch(regs, self.silent_ms, self.now_ms());
                beat_ms += time::BEAT_MS;
            }
            fsleep(Delta::from_micros(sleep_us));
            sleep_us = (sleep_us * 2).min(time::ANSWER_SLEEP_MAX_US as i64);
        }
    }

    fn refused(&self, command: &Command, error: AnswerError) -> Error {
        dev_warn!(
            self.dev(),
            "{:?} was refused: {:?}{}\n",
            command.opcode(),
            error,
            About(command)
        );
        match error {
            AnswerError::Refused(error) => refusal(error),
            AnswerError::Garbled => errno::protocol(),
        }
    }

    fn failed(&self, command: &Command, what: &str, error: Error) -> Error {
        dev_err!(
            self.dev(),
            "{:?} {}{}\n",
            command.opcode(),
            what,
            About(command)
        );
        error
    }

    /// Resets the device; takes the endpoint over again if it restarted meanwhile.
    ///
    /// The endpoint is lost if this fails, and no longer if it succeeds.
    ///
    /// # Errors
    ///
    /// Those of [`Link::command`]; `ENODEV`: the endpoint came back as another device, and the
    /// driver has to be bound again.
    pub(crate) fn reset(&self) -> Result {
        let mut port = self.port.lock();
        // Who resets the device waits for no request, and begins anew whatever failed.
        self.expect_no_end();
        self.keep();
        // If the endpoint is still lost afterwards, it is for another reason.
        *self.notice.lock() = Notice::None;
        // One that is silent has beaten since, if it is back.
        let health = port.watch(self.bars.registers(), self.silent_ms, self.now_ms());
        if health == Health::Silent {
            self.lose(&mut port, Loss::Silent);
        }
        let reset = self.reset_port(&mut port);
        match reset {
            Ok(()) => self.find(&mut port),
            Err(_) => self.lose(&mut port, Loss::Failed),
        }
        reset
    }

    fn reset_port(&self, port: &mut MutexGuard<'_, RootComplexPort>) -> Result {
        match self.execute(port, &Command::Reset) {
            Err(error) if error == errno::not_connected() => self.reconnect(port)?,
            // The number used last, which a former driver left, was one that the endpoint had not
            // seen; the next one is newer (I6).
            Err(error) if error == errno::protocol() => {}
            result => return result.map(drop),
        }
        self.execute(port, &Command::Reset).map(drop)
    }

    /// Takes over the endpoint's new session (I1 to I6).
    fn reconnect(&self, port: &mut MutexGuard<'_, RootComplexPort>) -> Result {
        let regs = self.bars.registers();
        // It may be between two sessions for as long as it may be silent.
        let identity = identify::wait_ready(self.dev(), regs, &self.sizes, self.silent_ms)?;
        if !self.is_same_device(&identity) {
            dev_err!(
                self.dev(),
                "The endpoint came back as another device; unbind and bind the driver\n"
            );
            return Err(ENODEV);
        }
        dev_info!(
            self.dev(),
            "Endpoint restarted, epoch {:#x}\n",
            identity.epoch().get()
        );
        **port = RootComplexPort::new(identity, regs, self.now_ms());
        Ok(())
    }

    /// Whether only the session differs from what the driver took over.
    pub(super) fn is_same_device(&self, new: &Identity) -> bool {
        let old = &self.identity;
        new.layout() == old.layout()
            && new.device_id() == old.device_id()
            && new.device_features() == old.device_features()
            && new.transport_features().contains(old.transport_features())
            && new.groups() == old.groups()
            && self.has_same_doorbells(new)
    }

    /// Whether kicks written as before reach the endpoint; a polled slot's counter just goes on.
    fn has_same_doorbells(&self, new: &Identity) -> bool {
        let is_same = |(old, queue): (&Doorbell, QueueIndex)| {
            let new = new.doorbell(self.bars.registers(), queue, 0);
            new.next_value() == old.next_value()
        };
        new.layout().doorbells().kind == DoorbellKind::Polled
            || self
                .doorbells
                .iter()
                .zip(new.layout().queues())
                .all(is_same)
    }
}

/// What the endpoint's refusal is on the RC ("Command status").
fn refusal(error: CommandError) -> Error {
    match error {
        CommandError::Failed => EIO,
        CommandError::UnknownCommand => errno::not_implemented(),
        CommandError::BadArgument => EINVAL,
        CommandError::BadState => EBUSY,
        CommandError::NotSupported => errno::not_supported(),
        CommandError::StaleEpoch => errno::stale(),
        CommandError::BadSequence => errno::protocol(),
        CommandError::NoResources => ENOSPC,
    }
}

/// Which queue a command is about, for messages; nothing for others.
struct About<'a>(&'a Command);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Command::SetupQueue(request) => {
                let QueueRequest { queue, size, .. } = request;
                write!(f, " (queue {queue}, size {size})")
            }
            Command::EnableQueue(queue)
            | Command::DisableQueue(queue)
            | Command::SetQueueState(queue, _)
            | Command::GetQueueState(queue)
            | Command::PushQueue(queue) => write!(f, " (queue {queue})"),
            _ => Ok(()),
        }
    }
}
