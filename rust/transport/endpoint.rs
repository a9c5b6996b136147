// SPDX-License-Identifier: GPL-2.0

//! The EP's end: sessions (S1 to S4, Z1, Z2), commands (E1 to E8) and heartbeats (H1, H3).
//!
//! Not here: what commands do (`device.rs`), the device config (`config.rs`), doorbells
//! (`doorbell.rs`).
//!
//! Context: one thread, the EP's command loop. No locks.

use crate::command::{self, Command, CommandError, CommandWord, Frame, Opcode};
use crate::command::{ARGUMENT_WORDS, DATA_WORDS, RESULT_WORDS};
use crate::device::{feature, CommandHandler, Device, DeviceStatus, Interrupts, Offer, Outcome};
use crate::layout::{offset, Epoch, Layout, TransportFeatures, Version, MAGIC, MAX_QUEUES};
use crate::liveness::Watch;
use crate::queue::{QueueIndex, QueueSize};
use crate::registers::{write64, Registers};
use crate::time;

/// A queue that the device offers.
#[derive(Clone, Copy, Debug)]
pub struct QueueDescription {
    /// Largest size.
    pub size_max: QueueSize,
    /// Value that kicks it; not used with polled doorbells.
    pub doorbell: u32,
}

/// The device that the EP offers.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// virtio device ID.
    pub device_id: u32,
    /// virtio vendor ID.
    pub vendor_id: u32,
    /// Features that the device offers; contains [`feature::OFFERED`].
    pub device_features: u64,
    /// What the [`CommandHandler`] implements beyond the basic commands.
    pub transport_features: TransportFeatures,
    /// The queues, as many as the layout has room for.
    pub queues: &'a [QueueDescription],
}

/// Why a session cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The virtio device ID is 0.
    DeviceId,
    /// The device does not offer all of [`feature::OFFERED`].
    Features,
    /// The number of queues is not that of the layout.
    QueueCount,
    /// A session is running.
    Running,
}

/// What [`EndpointPort::poll`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// A command was answered.
    pub answered: Option<(CommandWord, Result<(), CommandError>)>,
    /// `DEVICE_NEEDS_RESET` was published: raise the config vector (V1).
    pub needs_reset: bool,
    /// The RC has been silent for too long: stop the session and start a new one (H3).
    pub is_rc_silent: bool,
}

/// A session.
struct Session {
    epoch: Epoch,
    device: Device,
    /// The `cmd` word that was answered last (E1).
    seen: CommandWord,
    /// Sequence number that was accepted last.
    sequence: u32,
    published_status: DeviceStatus,
    heartbeat: u32,
    next_beat: u64,
    rc: Watch,
}

/// The EP's end of the protocol.
pub struct EndpointPort {
    layout: Layout,
    session: Option<Session>,
}

impl EndpointPort {
    /// An end without a session, for a BAR that is laid out like `layout`.
    pub const fn new(layout: Layout) -> Self {
        Self {
            layout,
            session: None,
        }
    }

    /// Where the regions are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes the words that the RC needs to find the BAR and to know that it is not ready.
    ///
    /// To be done once, before the BAR becomes visible to the RC.
    pub fn announce(regs: &impl Registers) {
        regs.write32(offset::READY, 0);
        regs.write32(offset::EPOCH, 0);
        regs.write32(offset::VERSION, Version::CURRENT.word());
        regs.write_barrier();
        regs.write32(offset::MAGIC, MAGIC);
    }

    /// Starts a session at time `now_ms` (S1 to S4). `epoch` differs from the last one.
    ///
    /// The device config is that of a new [`ConfigSpace`](crate::ConfigSpace), which the caller
    /// fills before. MSI-X tables are the controller's and are left alone.
    ///
    /// # Errors
    ///
    /// Whatever [`StartError`] names; nothing is written then.
    pub fn start(
        &mut self,
        regs: &impl Registers,
        description: &Description<'_>,
        epoch: Epoch,
        now_ms: u64,
    ) -> Result<(), StartError> {
        let offer = self.offer(description)?;
        Self::announce(regs);
        self.write_identity(regs, description);
        self.write_queue_table(regs, description);
        self.clear_command_block(regs);
        self.clear_doorbells(regs);
        regs.write_barrier();
        regs.write32(offset::EPOCH, epoch.get());
        regs.write_barrier();
        regs.write32(offset::READY, 1);
        self.session = Some(Session {
            epoch,
            device: Device::new(offer),
            seen: CommandWord::NONE,
            sequence: 0,
            published_status: DeviceStatus::RESET,
            heartbeat: 0,
            next_beat: now_ms,
            rc: Watch::new(0, now_ms),
        });
        Ok(())
    }

    /// Ends the session (Z1, Z2): link down, controller deinitialised, unbind, RC silent.
    ///
    /// When it returns, nothing touches RC memory.
    pub fn stop(&mut self, regs: &impl Registers, handler: &mut impl CommandHandler) {
        regs.write32(offset::READY, 0);
        regs.write32(offset::EPOCH, 0);
        if let Some(mut session) = self.session.take() {
            session.device.reset(handler);
            self.publish_reset(regs, &session.device);
        }
    }

    /// Looks for a command, executes and answers it; publishes status and heartbeat.
    ///
    /// To be called at least every [`time::POLL_MS`]. Sleeps if the handler does.
    pub fn poll(
        &mut self,
        regs: &impl Registers,
        handler: &mut impl CommandHandler,
        now_ms: u64,
    ) -> Progress {
        let Some(mut session) = self.session.take() else {
            return Progress::default();
        };
        let answered = self.serve(regs, &mut session, handler);
        let progress = Progress {
            answered,
            needs_reset: session.publish_status(regs, handler),
            is_rc_silent: self.watch_rc(regs, &mut session, now_ms),
        };
        session.beat(regs, now_ms);
        self.session = Some(session);
        progress
    }

    /// Whether a session is running.
    pub fn is_running(&self) -> bool {
        self.session.is_some()
    }

    /// The device status, without `DEVICE_NEEDS_RESET`.
    pub fn status(&self) -> DeviceStatus {
        self.session
            .as_ref()
            .map_or(DeviceStatus::RESET, |session| session.device.status())
    }

    /// Features that the driver side accepted; final once `FEATURES_OK` is set.
    pub fn driver_features(&self) -> u64 {
        self.session
            .as_ref()
            .map_or(0, |session| session.device.driver_features())
    }

    /// The interrupts that the RC enabled.
    pub fn interrupts(&self) -> Interrupts {
        self.session
            .as_ref()
            .map_or(Interrupts::default(), |session| {
                *session.device.interrupts()
            })
    }

    /// Checks a description and keeps what commands are checked against.
    fn offer(&self, description: &Description<'_>) -> Result<Offer, StartError> {
        if self.session.is_some() {
            return Err(StartError::Running);
        }
        if description.device_id == 0 {
            return Err(StartError::DeviceId);
        }
        if description.device_features & feature::OFFERED != feature::OFFERED {
            return Err(StartError::Features);
        }
        if description.queues.len() != usize::from(self.layout.num_queues) {
            return Err(StartError::QueueCount);
        }
        let mut queue_size_max = [QueueSize::MIN; MAX_QUEUES];
        for (to, queue) in queue_size_max.iter_mut().zip(description.queues) {
            *to = queue.size_max;
        }
        Ok(Offer {
            device_features: description.device_features,
            transport_features: description.transport_features,
            config_size: self.layout.config.size,
            num_queues: self.layout.num_queues,
            queue_size_max,
        })
    }

    fn write_identity(&self, regs: &impl Registers, description: &Description<'_>) {
        let sizes = description.queues.iter().map(|queue| queue.size_max.get());
        regs.write32(offset::HEARTBEAT, 0);
        regs.write32(offset::DEVICE_STATUS, 0);
        regs.write32(
            offset::TRANSPORT_FEATURES,
            description.transport_features.word(),
        );
        write64(regs, offset::DEVICE_FEATURES, description.device_features);
        regs.write32(offset::DEVICE_ID, description.device_id);
        regs.write32(offset::VENDOR_ID, description.vendor_id);
        regs.write32(offset::QUEUE_SIZE_MAX, sizes.max().unwrap_or(0).into());
        self.layout.write(regs);
    }

    fn write_queue_table(&self, regs: &impl Registers, description: &Description<'_>) {
        for (index, queue) in (0..).zip(description.queues) {
            let Some(index) = QueueIndex::new(index, self.layout.num_queues) else {
                return;
            };
            let write = |word, value| regs.write32(self.layout.queue_word(index, word), value);
            write(offset::queue::SIZE_MAX, queue.size_max.get().into());
            write(offset::queue::STATUS, 0);
            write(offset::queue::DOORBELL, queue.doorbell);
        }
    }

    fn clear_command_block(&self, regs: &impl Registers) {
        for word in 0..self.layout.command.size / 4 {
            regs.write32(self.layout.command.start().word(word), 0);
        }
    }

    /// Clears polled slots; others are not memory.
    fn clear_doorbells(&self, regs: &impl Registers) {
        for index in 0..u32::from(self.layout.num_queues) {
            let queue = QueueIndex::new(index, self.layout.num_queues);
            if let Some(slot) = queue.and_then(|queue| self.layout.polled_slot(queue)) {
                regs.write32(slot, 0);
            }
        }
    }

    /// E1 to E8.
    fn serve(
        &self,
        regs: &impl Registers,
        session: &mut Session,
        handler: &mut impl CommandHandler,
    ) -> Option<(CommandWord, Result<(), CommandError>)> {
        // E1
        let word = self.read_command(regs);
        if word == CommandWord::NONE || word == session.seen {
            return None;
        }
        // E2, E3: the copy is whole if the word did not change meanwhile.
        regs.read_barrier();
        let epoch = regs.read32(self.layout.command_word(offset::command::CMD_EPOCH));
        let frame = Opcode::from_number(word.opcode()).map(|opcode| self.copy(regs, opcode));
        regs.read_barrier();
        if self.read_command(regs) != word {
            return None;
        }
        // E4
        let status = self.layout.command_word(offset::command::CMD_STATUS);
        regs.write32(status, command::STATUS_NONE);
        // E5 to E8
        let executed = session.execute(word, epoch, frame, handler);
        if let Ok(outcome) = &executed {
            self.publish(regs, session, outcome, handler);
        }
        self.answer(regs, session, word, &executed);
        session.seen = word;
        Some((word, executed.map(|_| ())))
    }

    fn read_command(&self, regs: &impl Registers) -> CommandWord {
        let word = regs.read32(self.layout.command_word(offset::command::CMD));
        CommandWord::from_word(word)
    }

    /// Copies the words that the opcode defines, once (E2).
    fn copy(&self, regs: &impl Registers, opcode: Opcode) -> Frame {
        let mut frame = Frame {
            opcode,
            arguments: [0; ARGUMENT_WORDS],
            data: [0; DATA_WORDS],
        };
        let arguments = self.layout.command_word(offset::command::ARGUMENT);
        let data = self.layout.command_word(offset::command::DATA);
        let defined = frame.arguments.iter_mut().take(opcode.argument_words());
        for (n, word) in (0..).zip(defined) {
            *word = regs.read32(arguments.word(n));
        }
        let used = frame.data_words();
        for (n, word) in (0..).zip(frame.data.iter_mut().take(used)) {
            *word = regs.read32(data.word(n));
        }
        frame
    }

    /// Publishes what the RC reads in registers (E7).
    fn publish(
        &self,
        regs: &impl Registers,
        session: &mut Session,
        outcome: &Outcome,
        handler: &impl CommandHandler,
    ) {
        match *outcome {
            Outcome::Queue(queue, is_enabled) => {
                let status = self.layout.queue_word(queue, offset::queue::STATUS);
                regs.write32(status, is_enabled.into());
            }
            Outcome::Reset => {
                session.published_status = DeviceStatus::RESET;
                self.publish_reset(regs, &session.device);
            }
            Outcome::Status(_) => {
                session.publish_status(regs, handler);
            }
            Outcome::Done | Outcome::State(_) => {}
        }
    }

    /// Publishes the words of a device that was reset (Q4).
    fn publish_reset(&self, regs: &impl Registers, device: &Device) {
        for index in 0..u32::from(device.num_queues()) {
            if let Some(queue) = QueueIndex::new(index, device.num_queues()) {
                regs.write32(self.layout.queue_word(queue, offset::queue::STATUS), 0);
            }
        }
        regs.write32(offset::DEVICE_STATUS, 0);
    }

    /// Publishes the answer, the word that names the command last (E8).
    fn answer(
        &self,
        regs: &impl Registers,
        session: &Session,
        word: CommandWord,
        executed: &Result<Outcome, CommandError>,
    ) {
        let place = |offset| self.layout.command_word(offset);
        let results = results(executed);
        for (n, result) in (0..).zip(results) {
            regs.write32(place(offset::command::RESULT).word(n), result);
        }
        let status = match executed {
            Ok(_) => command::STATUS_OKAY,
            Err(error) => *error as u32,
        };
        regs.write32(place(offset::command::CMD_STATUS), status);
        regs.write32(place(offset::command::ANSWER_EPOCH), session.epoch.get());
        regs.write_barrier();
        regs.write32(place(offset::command::ANSWER), word.word());
    }

    /// Whether the RC uses the device, has a heartbeat, and stopped it (H3).
    fn watch_rc(&self, regs: &impl Registers, session: &mut Session, now_ms: u64) -> bool {
        let beat = regs.read32(self.layout.command_word(offset::command::RC_HEARTBEAT));
        let silence = session.rc.silence_ms(beat, now_ms);
        beat != 0 && session.device.status() != DeviceStatus::RESET && silence >= time::RC_SILENT_MS
    }
}

impl Session {
    /// Checks (E5) and executes (E6).
    fn execute(
        &mut self,
        word: CommandWord,
        epoch: u32,
        frame: Option<Frame>,
        handler: &mut impl CommandHandler,
    ) -> Result<Outcome, CommandError> {
        if !word.is_newer_than(self.sequence) {
            return Err(CommandError::BadSequence);
        }
        self.sequence = word.sequence();
        if epoch != self.epoch.get() {
            return Err(CommandError::StaleEpoch);
        }
        let frame = frame.ok_or(CommandError::UnknownCommand)?;
        self.device.check_feature(frame.opcode.needed_feature())?;
        let command = Command::decode(&frame)?;
        self.device.execute(&command, handler)
    }

    /// Publishes the device status if it changed; answers whether the device just gave up.
    fn publish_status(&mut self, regs: &impl Registers, handler: &impl CommandHandler) -> bool {
        let mut status = self.device.status();
        if handler.needs_reset() {
            status = status.with(DeviceStatus::NEEDS_RESET);
        }
        if status == self.published_status {
            return false;
        }
        regs.write32(offset::DEVICE_STATUS, status.bits().into());
        let had_given_up = self.published_status.contains(DeviceStatus::NEEDS_RESET);
        self.published_status = status;
        status.contains(DeviceStatus::NEEDS_RESET) && !had_given_up
    }

    /// Shows that the command loop runs (H1).
    fn beat(&mut self, regs: &impl Registers, now_ms: u64) {
        if now_ms >= self.next_beat {
            self.heartbeat = self.heartbeat.wrapping_add(1);
            regs.write32(offset::HEARTBEAT, self.heartbeat);
            self.next_beat = now_ms.saturating_add(time::BEAT_MS / 2);
        }
    }
}

/// The `result` words of an answer.
fn results(executed: &Result<Outcome, CommandError>) -> [u32; RESULT_WORDS] {
    match executed {
        Ok(Outcome::Status(status)) => [status.bits().into(), 0, 0, 0],
        Ok(Outcome::State(state)) => [state.available.into(), state.used.into(), 0, 0],
        _ => [0; RESULT_WORDS],
    }
}
