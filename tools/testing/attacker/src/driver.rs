// SPDX-License-Identifier: GPL-2.0
//! A driver that keeps to the protocol, until an attack takes its rings into its own hands.
//!
//! Commands go through the shipped `RootComplexPort`.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use transport::{
    feature, offset, time, AnswerError, Command, CommandError, DeviceStatus, Doorbell,
    DoorbellKind, Health, Identity, Offset, QueueRequest, Registers, Reply, RootComplexPort, Step,
    NO_VECTOR,
};

use crate::dma::Place;
use crate::patience::{wait_for, watch_for, PATIENCE};
use crate::ring::{Ring, Used};
use crate::target::Target;

/// Between two looks at an answer.
const ANSWER_PAUSE: Duration = Duration::from_micros(100);

/// The status up to the negotiation of features.
pub const EARLY: u8 = DeviceStatus::ACKNOWLEDGE.bits() | DeviceStatus::DRIVER.bits();
/// The status with features settled.
pub const SETTLED: u8 = EARLY | DeviceStatus::FEATURES_OK.bits();
/// The status of a device at work.
pub const RUNNING: u8 = SETTLED | DeviceStatus::DRIVER_OK.bits();

/// A queue of the driver.
pub struct Queue {
    /// Its ring.
    pub ring: Ring,
    doorbell: Doorbell,
}

/// The driver, which has the device.
pub struct Driver<'a> {
    /// What it drives.
    pub target: &'a Target,
    port: RootComplexPort,
    started: Instant,
    queues: Vec<Option<Queue>>,
}

impl<'a> Driver<'a> {
    /// Takes the device over and resets it (I1 to I7).
    pub fn take_over(target: &'a Target) -> Result<Self> {
        let started = Instant::now();
        let identity = target.identity()?;
        // Without a heartbeat until `watch`: one that a former driver left would fall silent (H3).
        let heartbeat = identity
            .layout()
            .command_word(offset::command::RC_HEARTBEAT);
        target.registers().write32(heartbeat, 0);
        let mut queues = Vec::new();
        queues.resize_with(identity.num_queues().into(), || None);
        let mut driver = Self {
            target,
            port: RootComplexPort::new(identity, target.registers(), 0),
            started,
            queues,
        };
        match driver.answer(&Command::Reset)? {
            Err(AnswerError::Refused(CommandError::BadSequence)) => driver.reset()?,
            answer => driver.okay(&Command::Reset, answer).map(drop)?,
        }
        Ok(driver)
    }

    /// What the endpoint says it is.
    pub fn identity(&self) -> &Identity {
        self.port.identity()
    }

    /// Sends a command that has to succeed.
    pub fn command(&mut self, command: &Command) -> Result<Reply> {
        let answer = self.answer(command)?;
        self.okay(command, answer)
    }

    /// Sends a command that has to be refused with this error.
    pub fn refused(&mut self, command: &Command, error: CommandError) -> Result<()> {
        let answer = self.answer(command)?;
        ensure!(
            answer == Err(AnswerError::Refused(error)),
            "{command:?}: expected {error:?}, got {answer:?}"
        );
        Ok(())
    }

    /// Sends a command and waits for the answer, within the bound of the command.
    pub fn answer(&mut self, command: &Command) -> Result<Result<Reply, AnswerError>> {
        let registers = self.target.registers();
        let issued = self.port.issue(registers, command, self.now_ms());
        issued.map_err(|error| anyhow::anyhow!("{command:?} is not issued: {error:?}"))?;
        // Bounded: the port answers `TimedOut` at the latest after the bound of the command.
        loop {
            match self.port.step(registers, self.now_ms()) {
                Step::Pending => std::thread::sleep(ANSWER_PAUSE),
                Step::Done(answer) => return Ok(answer),
                step => bail!("{command:?}: expected an answer, got {step:?}"),
            }
        }
    }

    fn okay(&self, command: &Command, answer: Result<Reply, AnswerError>) -> Result<Reply> {
        answer.map_err(|error| anyhow::anyhow!("{command:?} failed: {error:?}"))
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Shows that it is alive, and looks whether the endpoint is (H1, H2).
    pub fn watch(&mut self) -> Health {
        let now_ms = self.now_ms();
        self.port
            .watch(self.target.registers(), time::EP_SILENT_MS, now_ms)
    }

    /// Resets the device.
    pub fn reset(&mut self) -> Result<()> {
        self.command(&Command::Reset)?;
        self.queues.iter_mut().for_each(|queue| *queue = None);
        Ok(())
    }

    /// The device status as the register has it.
    pub fn status(&self) -> DeviceStatus {
        DeviceStatus::from_bits(self.target.registers().read32(offset::DEVICE_STATUS) as u8)
    }

    /// Settles features: those that a driver has to accept, and what else is wanted and offered.
    pub fn negotiate(&mut self, wanted: u64) -> Result<u64> {
        let features = (feature::OFFERED | wanted) & self.identity().device_features();
        self.command(&Command::SetStatus(EARLY))?;
        self.command(&Command::SetFeatures(features))?;
        let status = self.command(&Command::SetStatus(SETTLED))?;
        ensure!(
            status == Reply::Status(DeviceStatus::from_bits(SETTLED)),
            "features {features:#x} were not accepted: {status:?}"
        );
        Ok(features)
    }

    /// Sets a queue up in new memory, with all its descriptors and no interrupt, and enables it.
    pub fn add_queue(&mut self, index: u16) -> Result<()> {
        self.add_queue_with(index, NO_VECTOR)
    }

    /// The same, with a vector.
    pub fn add_queue_with(&mut self, index: u16, vector: u32) -> Result<()> {
        let queue = self.identity().queue(index).context("no such queue")?;
        let size = self
            .identity()
            .queue_size(self.target.registers(), queue)
            .context("the queue has no legal size")?;
        let ring = Ring::new(&self.target.memory, size.get())?;
        self.command(&Command::SetupQueue(QueueRequest {
            vector,
            ..ring.request(index)
        }))?;
        let doorbell = self.doorbell(index)?;
        self.queues[usize::from(index)] = Some(Queue { ring, doorbell });
        self.command(&Command::EnableQueue(index.into()))?;
        Ok(())
    }

    /// The doorbell of a queue, which goes on from what is in its slot.
    fn doorbell(&self, index: u16) -> Result<Doorbell> {
        let queue = self.identity().queue(index).context("no such queue")?;
        let doorbells = self.identity().layout().doorbells();
        let slot = match (doorbells.kind, self.target.bar(doorbells.bar)) {
            (DoorbellKind::Polled, Some(bar)) => {
                bar.read32(Offset::new(doorbells.slot(queue) as u32))
            }
            _ => 0,
        };
        Ok(self
            .identity()
            .doorbell(self.target.registers(), queue, slot))
    }

    /// Has the device begin its work.
    pub fn start(&mut self) -> Result<()> {
        self.command(&Command::SetStatus(RUNNING)).map(drop)
    }

    /// Brings the device up: features, all queues, `DRIVER_OK`.
    pub fn bring_up(&mut self, wanted: u64) -> Result<u64> {
        let features = self.negotiate(wanted)?;
        for index in 0..self.identity().num_queues() {
            self.add_queue(index)?;
        }
        self.start()?;
        Ok(features)
    }

    /// The ring of a queue that was added.
    pub fn ring(&mut self, index: u16) -> Result<&mut Ring> {
        let queue = self.queues.get_mut(usize::from(index));
        let queue = queue.and_then(Option::as_mut);
        Ok(&mut queue.context("the queue was not added")?.ring)
    }

    /// Kicks a queue.
    pub fn kick(&self, index: u16) -> Result<()> {
        let queue = self.queues.get(usize::from(index)).and_then(Option::as_ref);
        let doorbell = &queue.context("the queue was not added")?.doorbell;
        let bar = self.target.bar(doorbell.bar()).context("no doorbell BAR")?;
        bar.write32(Offset::new(doorbell.offset() as u32), doorbell.next_value());
        Ok(())
    }

    /// Makes a buffer available and kicks; returns its head.
    pub fn submit(&mut self, index: u16, readable: &[Place], writable: &[Place]) -> Result<u16> {
        let ring = self.ring(index)?;
        let head = ring.chain(readable, writable);
        ring.offer(head);
        self.kick(index)?;
        Ok(head)
    }

    /// Waits until the device has used a buffer.
    pub fn wait_used(&mut self, index: u16) -> Result<Used> {
        let ring = self.ring(index)?;
        wait_for(&format!("a used buffer of queue {index}"), PATIENCE, || {
            ring.take_used()
        })
    }

    /// Whether the device says that it gave up.
    pub fn has_given_up(&self) -> bool {
        self.status().contains(DeviceStatus::DEVICE_NEEDS_RESET)
    }

    /// Waits until the device says that it gave up.
    pub fn expect_needs_reset(&self) -> Result<()> {
        wait_for("DEVICE_NEEDS_RESET", PATIENCE, || {
            self.has_given_up().then_some(())
        })
    }

    /// Fails if the device gave up.
    pub fn expect_working(&self) -> Result<()> {
        let status = self.status();
        ensure!(
            status == DeviceStatus::from_bits(RUNNING),
            "expected device status {RUNNING:#x}, found {:#x}",
            status.bits()
        );
        Ok(())
    }

    /// Says whether the device has used a buffer, or has given up, before the time is over.
    pub fn settles(&mut self, index: u16) -> Result<Option<Used>> {
        let registers = self.target.registers();
        let ring = self.ring(index)?;
        let settled = watch_for(PATIENCE, || {
            let status = registers.read32(offset::DEVICE_STATUS) as u8;
            let gave_up = status & DeviceStatus::DEVICE_NEEDS_RESET.bits() != 0;
            let used = ring.take_used();
            (gave_up || used.is_some()).then_some(used)
        });
        settled.context("neither a used buffer nor DEVICE_NEEDS_RESET came")
    }
}
