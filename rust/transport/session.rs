// SPDX-License-Identifier: GPL-2.0

//! A session of the EP: commands (E1 to E8), device status and heartbeats (H1, H3).
//!
//! Nothing that the EP wrote to the register BAR is read back: the RC is able to overwrite it.

use crate::command::{
    self,
    Command,
    CommandError,
    CommandWord,
    Opcode, //
};
use crate::device::{
    Device,
    Offer,
    Outcome, //
};
use crate::endpoint::Progress;
use crate::fixed::FixedWords;
use crate::frame::{
    Frame,
    ARGUMENT_WORDS,
    DATA_WORDS,
    RESULT_WORDS, //
};
use crate::handler::CommandHandler;
use crate::layout::Layout;
use crate::liveness::{
    Heartbeat,
    Pulse,
    Watch, //
};
use crate::offset;
use crate::registers::{
    Offset,
    Registers, //
};
use crate::time;
use crate::words::Epoch;
use crate::DeviceStatus;

type Executed = Result<Outcome, CommandError>;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    fixed: FixedWords,
    epoch: Epoch,
    device: Device,
    /// The `cmd` word that was answered last (E1).
    seen: CommandWord,
    /// Sequence number that was accepted last.
    sequence: u32,
    published_status: DeviceStatus,
    /// The caller knows that the device gave up.
    is_failure_told: bool,
    heart: Heartbeat,
    rc: Watch,
}

/// The EP's copy of a command (E2); nothing in it is checked.
struct Copied {
    word: CommandWord,
    epoch: u32,
    /// `None`: the opcode is not known, so it defines no words.
    frame: Option<Frame>,
}

impl Session {
    pub(crate) fn new(fixed: FixedWords, offer: Offer, epoch: Epoch, now_ms: u64) -> Self {
        Self {
            fixed,
            epoch,
            device: Device::new(offer),
            seen: CommandWord::NONE,
            sequence: 0,
            published_status: DeviceStatus::RESET,
            is_failure_told: false,
            heart: Heartbeat::new(now_ms),
            rc: Watch::new(0, now_ms),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    fn layout(&self) -> &Layout {
        self.fixed.layout()
    }

    /// Does Q1 to Q4.
    pub(crate) fn reset(&mut self, regs: &impl Registers, handler: &mut impl CommandHandler) {
        self.device.reset(handler);
        self.publish_reset(regs);
    }

    pub(crate) fn poll(
        &mut self,
        regs: &impl Registers,
        handler: &mut impl CommandHandler,
        now_ms: u64,
    ) -> Progress {
        let answered = self.serve(regs, handler, now_ms);
        self.publish_status(regs, handler);
        self.beat(regs, now_ms);
        Progress {
            answered,
            needs_reset: self.has_given_up(),
            is_rc_silent: self.is_rc_silent(regs, now_ms),
        }
    }

    /// Does E1 to E8.
    fn serve(
        &mut self,
        regs: &impl Registers,
        handler: &mut impl CommandHandler,
        now_ms: u64,
    ) -> Option<(CommandWord, Result<(), CommandError>)> {
        let copied = self.copy_command(regs)?;
        // E4
        let status = self.layout().command_word(offset::command::CMD_STATUS);
        regs.write32(status, command::STATUS_NONE);
        let executed = self.execute_alive(&copied, handler, now_ms);
        if let Ok(outcome) = &executed {
            self.publish(regs, outcome, handler);
        }
        self.answer(regs, copied.word, &executed);
        self.seen = copied.word;
        Some((copied.word, executed.map(|_| ())))
    }

    /// Copies a command that was not answered yet, whole (E1 to E3).
    fn copy_command(&self, regs: &impl Registers) -> Option<Copied> {
        let word = self.read_command(regs);
        if !word.is_command() || word == self.seen {
            return None;
        }
        regs.read_barrier();
        let epoch = regs.read32(self.layout().command_word(offset::command::CMD_EPOCH));
        let frame = Opcode::from_number(word.opcode()).map(|opcode| self.copy_frame(regs, opcode));
        regs.read_barrier();
        (self.read_command(regs) == word).then_some(Copied { word, epoch, frame })
    }

    fn read_command(&self, regs: &impl Registers) -> CommandWord {
        CommandWord::from_word(regs.read32(self.layout().command_word(offset::command::CMD)))
    }

    /// Copies the words that the opcode defines, each once.
    fn copy_frame(&self, regs: &impl Registers, opcode: Opcode) -> Frame {
        let mut frame = Frame {
            opcode,
            arguments: [0; ARGUMENT_WORDS],
            data: [0; DATA_WORDS],
        };
        let arguments = self.layout().command_word(offset::command::ARGUMENT);
        let defined = frame.arguments.iter_mut().take(opcode.argument_words());
        copy_words(regs, arguments, defined);
        let used = frame.data_words();
        let data = self.layout().command_word(offset::command::DATA);
        copy_words(regs, data, frame.data.iter_mut().take(used));
        frame
    }

    /// Checks and executes, with a heartbeat meanwhile (H1).
    fn execute_alive(
        &mut self,
        copied: &Copied,
        handler: &mut impl CommandHandler,
        now_ms: u64,
    ) -> Executed {
        let bound_ms = copied
            .frame
            .as_ref()
            .map_or(0, |frame| frame.opcode.bound_ms());
        let pulse = Pulse::new(self.heart, now_ms.saturating_add(bound_ms));
        handler.command_begins(pulse);
        let executed = self.execute(copied, handler);
        if let Some(pulse) = handler.command_ends() {
            self.heart = pulse.heart;
        }
        executed
    }

    /// Checks (E5) and executes (E6).
    fn execute(&mut self, copied: &Copied, handler: &mut impl CommandHandler) -> Executed {
        if !copied.word.is_newer_than(self.sequence) {
            return Err(CommandError::BadSequence);
        }
        self.sequence = copied.word.sequence();
        if copied.epoch != self.epoch.get() {
            return Err(CommandError::StaleEpoch);
        }
        let frame = copied.frame.as_ref().ok_or(CommandError::UnknownCommand)?;
        self.device.check_feature(frame.opcode.needed_feature())?;
        let command = Command::decode(frame)?;
        self.device.execute(&command, handler)
    }

    /// Publishes what the RC reads in registers (E7).
    fn publish(&mut self, regs: &impl Registers, outcome: &Outcome, handler: &impl CommandHandler) {
        match *outcome {
            Outcome::Queue(queue, is_enabled) => {
                let status = self.layout().queue_word(queue, offset::queue::STATUS);
                regs.write32(status, is_enabled.into());
            }
            Outcome::Reset => self.publish_reset(regs),
            Outcome::Status(_) => self.publish_status(regs, handler),
            Outcome::Done | Outcome::State(_) => {}
        }
    }

    /// Publishes the words of a device that was reset (Q4).
    fn publish_reset(&mut self, regs: &impl Registers) {
        for queue in self.layout().queues() {
            regs.write32(self.layout().queue_word(queue, offset::queue::STATUS), 0);
        }
        regs.write32(offset::DEVICE_STATUS, 0);
        self.published_status = DeviceStatus::RESET;
        self.is_failure_told = false;
    }

    /// Publishes the answer, the word that names the command last (E8).
    fn answer(&self, regs: &impl Registers, word: CommandWord, executed: &Executed) {
        let place = |offset| self.layout().command_word(offset);
        for (n, result) in (0..).zip(self.results(executed)) {
            regs.write32(place(offset::command::RESULT).word(n), result);
        }
        let status = match executed {
            Ok(_) => command::STATUS_OKAY,
            Err(error) => *error as u32,
        };
        regs.write32(place(offset::command::CMD_STATUS), status);
        regs.write32(place(offset::command::ANSWER_EPOCH), self.epoch.get());
        regs.write_barrier();
        regs.write32(place(offset::command::ANSWER), word.word());
    }

    /// The `result` words of an answer.
    fn results(&self, executed: &Executed) -> [u32; RESULT_WORDS] {
        match executed {
            Ok(Outcome::Status(status)) => [status.bits().into(), 0, 0, 0],
            Ok(Outcome::State(state)) => [state.available.into(), state.used.into(), 0, 0],
            Err(CommandError::BadSequence) => [self.sequence, 0, 0, 0],
            _ => [0; RESULT_WORDS],
        }
    }

    /// Publishes the device status if it changed.
    fn publish_status(&mut self, regs: &impl Registers, handler: &impl CommandHandler) {
        let mut status = self.device.status();
        if handler.needs_reset() {
            status = status.with(DeviceStatus::DEVICE_NEEDS_RESET);
        }
        if status != self.published_status {
            regs.write32(offset::DEVICE_STATUS, status.bits().into());
            self.published_status = status;
        }
    }

    /// Whether the device gave up; told once after each reset.
    fn has_given_up(&mut self) -> bool {
        let has_given_up = self
            .published_status
            .contains(DeviceStatus::DEVICE_NEEDS_RESET);
        let was_told = core::mem::replace(&mut self.is_failure_told, has_given_up);
        has_given_up && !was_told
    }

    /// Shows that the command loop runs (H1).
    fn beat(&mut self, regs: &impl Registers, now_ms: u64) {
        if self.heart.is_due(now_ms) {
            // The first beat follows the start of the session, which has just written all words.
            if !self.heart.is_first() {
                self.restore(regs);
            }
            self.heart.beat(regs, now_ms);
        }
    }

    /// Undoes what the RC wrote over words of the EP (H5), in the order of S2 to S4.
    fn restore(&self, regs: &impl Registers) {
        self.fixed.write(regs);
        regs.write32(offset::DEVICE_STATUS, self.published_status.bits().into());
        for queue in self.layout().queues() {
            let status = self.layout().queue_word(queue, offset::queue::STATUS);
            regs.write32(status, self.device.is_enabled(queue).into());
        }
        regs.write_barrier();
        regs.write32(offset::EPOCH, self.epoch.get());
        regs.write_barrier();
        regs.write32(offset::READY, 1);
    }

    /// Whether the RC uses the device, has a heartbeat, and stopped it (H3).
    fn is_rc_silent(&mut self, regs: &impl Registers, now_ms: u64) -> bool {
        let beat = regs.read32(self.layout().command_word(offset::command::RC_HEARTBEAT));
        let silence_ms = self.rc.silence_ms(beat, now_ms);
        let is_used = self.device.status() != DeviceStatus::RESET;
        beat != 0 && is_used && silence_ms >= time::RC_SILENT_MS
    }
}

/// Reads consecutive words.
fn copy_words<'a>(regs: &impl Registers, from: Offset, to: impl Iterator<Item = &'a mut u32>) {
    for (n, word) in (0..).zip(to) {
        *word = regs.read32(from.word(n));
    }
}
