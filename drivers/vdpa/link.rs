// SPDX-License-Identifier: GPL-2.0

//! The protocol with the endpoint: one command at a time, and what becomes of the session.
//!
//! An endpoint that is gone, or that gave up, is *lost*: it is cut off from memory at once, and stays
//! so until a reset succeeds, whatever it does meanwhile. `takeover` finishes what it left.
//!
//! Locks: `port`, a mutex, is held while a command is outstanding, so for as long as its bound in
//! "Time bounds" of `Documentation/transport.rst`, and while `is_lost` changes. It is taken inside
//! `vdpa_dev_lock` and `cf_lock`; nothing is taken inside it. Kicks take no lock.
//!
//! Context: process, unless stated.

use crate::{
    hw::{
        self,
        Bars, //
    },
    identify, //
};
use kernel::{
    device::Bound,
    new_mutex,
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Mutex,
        MutexGuard, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use pci_host::errno;
use transport::{
    read_config,
    time,
    AnswerError,
    BarSizes,
    Command,
    CommandError,
    ConfigReadError,
    DeviceStatus,
    Doorbell,
    DoorbellKind,
    Health,
    Identity,
    IssueError,
    QueueIndex,
    Registers,
    Reply,
    RootComplexPort,
    Step, //
};

/// No time that comes.
const NEVER: u64 = u64::MAX;

/// The link to one endpoint function.
#[pin_data]
pub(crate) struct Link {
    pdev: ARef<pci::Device>,
    started: Instant<Monotonic>,
    sizes: BarSizes,
    bars: Bars,
    /// What the endpoint was when the driver took it over; only its epoch may change.
    identity: Identity,
    doorbells: KVec<Doorbell>,
    is_lost: Atomic<bool>,
    /// When requests have to have ended, in milliseconds like `now_ms`; `NEVER`: nobody waits for that.
    ends_by: Atomic<u64>,
    #[pin]
    port: Mutex<RootComplexPort>,
}

/// Why an endpoint is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It has shown no heartbeat for too long.
    Silent,
    /// The link is dead.
    LinkDead,
    /// It is in another session.
    Restarted,
    /// It shows `DEVICE_NEEDS_RESET`.
    NeedsReset,
    /// It did not do what cannot go without.
    Failed,
    /// It did not end its requests within `QUIESCE` when the device was deleted.
    Unfinished,
}

impl Link {
    /// Finds the endpoint's registers, waits until it is ready and resets it (I1 to I7).
    ///
    /// # Errors
    ///
    /// `ENODEV`: not our function, another major version, or a layout that is not legal;
    /// `ETIMEDOUT`: not ready in time; `EIO`: the link is dead; and those of [`Link::command`].
    pub(crate) fn new(pdev: &pci::Device<Bound>) -> Result<impl PinInit<Self, Error> + '_> {
        let started = Instant::now();
        let sizes = hw::bar_sizes(pdev);
        let registers = identify::find_registers(pdev, &sizes)?;
        let identity = identify::wait_ready(pdev.as_ref(), &registers, &sizes, started)?;
        let bars = Bars::new(pdev, registers, identity.layout().doorbells().bar)?;
        let doorbells = identify::doorbells(&identity, &bars)?;
        let port = RootComplexPort::new(identity.clone(), bars.registers(), now_ms(started));
        Ok(try_pin_init!(Self {
            pdev: pdev.into(),
            started,
            sizes,
            bars,
            identity,
            doorbells,
            is_lost: Atomic::new(false),
            ends_by: Atomic::new(NEVER),
            port <- new_mutex!(port, "epf_vdpa::Link::port"),
        }))
    }

    /// What the endpoint is. Context: any.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The device, for messages. Context: any.
    pub(crate) fn dev(&self) -> &kernel::device::Device {
        (*self.pdev).as_ref()
    }

    /// The queue with this index, if the endpoint has it. Context: any.
    pub(crate) fn queue(&self, index: u16) -> Result<QueueIndex> {
        self.identity.queue(index).ok_or(EINVAL)
    }

    /// Largest size of a queue; 0 if there is none.
    pub(crate) fn queue_size(&self, index: u16) -> u16 {
        let size = |queue| self.identity.queue_size(self.bars.registers(), queue);
        self.identity
            .queue(index)
            .and_then(size)
            .map_or(0, |size| size.get())
    }

    /// Kicks a queue. Context: any, also with interrupts off.
    pub(crate) fn kick(&self, index: u16) {
        if let Some(doorbell) = self.doorbells.get(usize::from(index)) {
            self.bars.ring(doorbell);
        }
    }

    /// Issues a command and waits for the answer.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: no answer within the bound; `EIO`: the link is dead; `ENOTCONN`: the endpoint
    /// restarted, or a command before this one timed out, and a reset is needed; `EPROTO`: the
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
            })?;
        let mut sleep_us = time::ANSWER_SLEEP_MIN_US as i64;
        // Bounded: the port reports a time-out once the bound of the opcode has passed.
        loop {
            match port.step(regs, self.now_ms()) {
                Step::Pending => {}
                Step::Done(answer) => return answer.map_err(|error| self.refused(command, error)),
                Step::TimedOut => return Err(self.failed(command, "was not answered", ETIMEDOUT)),
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
            fsleep(Delta::from_micros(sleep_us));
            sleep_us = (sleep_us * 2).min(time::ANSWER_SLEEP_MAX_US as i64);
        }
    }

    fn refused(&self, command: &Command, error: AnswerError) -> Error {
        dev_warn!(
            self.dev(),
            "{:?} was refused: {:?}\n",
            command.opcode(),
            error
        );
        match error {
            AnswerError::Refused(error) => refusal(error),
            AnswerError::Garbled => errno::protocol(),
        }
    }

    fn failed(&self, command: &Command, what: &str, error: Error) -> Error {
        dev_err!(self.dev(), "{:?} {}\n", command.opcode(), what);
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
        // Who resets the device waits for no request.
        self.expect_no_end();
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

    /// Has the endpoint end all requests in time, as the driver side waits for that without a bound.
    /// Context: any.
    pub(crate) fn expect_end(&self) {
        self.ends_by
            .store(self.now_ms() + time::QUIESCE_MS, Relaxed);
    }

    /// Nobody waits for that any more. Context: any.
    pub(crate) fn expect_no_end(&self) {
        self.ends_by.store(NEVER, Relaxed);
    }

    /// Whether the endpoint is lost. Context: any.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Acquire)
    }

    /// Gives the endpoint up, as it did not do what the device cannot go without.
    pub(crate) fn give_up(&self) {
        self.lose(&mut self.port.lock(), Loss::Failed);
    }

    /// Cuts the endpoint off, unless that is done (H2).
    fn lose(&self, _port: &mut MutexGuard<'_, RootComplexPort>, why: Loss) {
        if self.is_lost() {
            return;
        }
        pci_host::set_bus_master(&self.pdev, false);
        // After the endpoint is cut off: whoever sees it may use the rings.
        self.is_lost.store(true, Release);
        dev_err!(
            self.dev(),
            "Endpoint lost ({:?}); the device needs a reset\n",
            why
        );
    }

    /// Lets the endpoint access memory again, which after a reset it does only when told to.
    fn find(&self, _port: &mut MutexGuard<'_, RootComplexPort>) {
        if self.is_lost.xchg(false, Full) {
            pci_host::set_bus_master(&self.pdev, true);
            dev_info!(self.dev(), "Endpoint is back\n");
        }
    }

    /// Takes over the endpoint's new session (I1 to I6).
    fn reconnect(&self, port: &mut MutexGuard<'_, RootComplexPort>) -> Result {
        let regs = self.bars.registers();
        let identity = identify::wait_ready(self.dev(), regs, &self.sizes, Instant::now())?;
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
    fn is_same_device(&self, new: &Identity) -> bool {
        let old = &self.identity;
        new.layout() == old.layout()
            && new.device_id() == old.device_id()
            && new.device_features() == old.device_features()
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

    /// The device status as the endpoint has it; `None` if the session is over.
    pub(crate) fn device_status(&self) -> Option<DeviceStatus> {
        self.port.lock().device_status(self.bars.registers())
    }

    /// Reads device config; waits while the endpoint is changing it (G4 to G6).
    ///
    /// # Errors
    ///
    /// `EINVAL`: not inside the device config; `EIO`: the link is dead; `ENOTCONN`: the endpoint
    /// restarted; `ETIMEDOUT`: it kept changing.
    pub(crate) fn read_config(&self, offset: usize, to: &mut [u8]) -> Result {
        let port = self.port.lock();
        let deadline = self.now_ms() + time::CONFIG_MS;
        // Bounded by the deadline.
        loop {
            match read_config(port.identity(), self.bars.registers(), offset, to) {
                Ok(_) => return Ok(()),
                Err(ConfigReadError::OutOfRange) => return Err(EINVAL),
                Err(ConfigReadError::LinkDead) => return Err(EIO),
                Err(ConfigReadError::Restarted) => return Err(errno::not_connected()),
                Err(ConfigReadError::Changing) if self.now_ms() >= deadline => {
                    return Err(ETIMEDOUT)
                }
                Err(ConfigReadError::Changing) => {
                    fsleep(Delta::from_micros(time::ANSWER_SLEEP_MIN_US as i64))
                }
            }
        }
    }

    /// A number that changes with the device config.
    pub(crate) fn config_generation(&self) -> u32 {
        self.bars
            .registers()
            .read32(transport::offset::CONFIG_GENERATION)
    }

    /// Shows the endpoint that the RC is alive, and loses it if it is not (H1, H2).
    pub(crate) fn watch(&self) {
        let mut port = self.port.lock();
        let regs = self.bars.registers();
        let loss = match port.watch(regs, self.now_ms()) {
            Health::Alive => port
                .device_status(regs)
                .filter(|status| status.contains(DeviceStatus::DEVICE_NEEDS_RESET))
                .map(|_| Loss::NeedsReset)
                .or_else(|| self.is_overdue().then_some(Loss::Unfinished)),
            Health::Silent => Some(Loss::Silent),
            Health::LinkDead => Some(Loss::LinkDead),
            Health::Restarted => Some(Loss::Restarted),
        };
        if let Some(loss) = loss {
            self.lose(&mut port, loss);
        }
    }

    fn is_overdue(&self) -> bool {
        self.now_ms() >= self.ends_by.load(Relaxed)
    }

    fn now_ms(&self) -> u64 {
        now_ms(self.started)
    }
}

/// Milliseconds since `start`, on a clock that never goes back.
fn now_ms(start: Instant<Monotonic>) -> u64 {
    start.elapsed().as_millis().max(0) as u64
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
