// SPDX-License-Identifier: GPL-2.0

//! Faults that are planted to see that the checker finds them.
//!
//! The shipped code stays as it is: a fault changes what its accesses do, between the end that makes
//! them and the link or the device.

use std::cell::Cell;

use clap::ValueEnum;
use transport::{offset, Offset, Registers};

use crate::commands::place::{queue_of, ANSWER, ANSWER_EPOCH, CMD, CMD_EPOCH, CMD_STATUS};
use crate::replay::{Call, Effect, Replay};

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Fault {
    EpochUnchecked,
    CopyUnchecked,
    WordForgotten,
    StatusClearedLate,
    AnswerUnordered,
    PublishedLate,
    SequenceFirst,
    NumberErased,
    NumberNotTakenOver,
    OpcodeCompared,
    RestartUnseen,
    EpochReadOnce,
    EpochKept,
    ReadyFirst,
    FailureSwallowed,
    ResetWaitsForNobody,
    StopLeavesQueues,
    RfcNoSequence,
    RfcCommandErased,
    RfcResetOnlyTold,
    RfcRingFreedAtOnce,
    CounterMissing,
    CounterRestarted,
    DoorbellFirst,
    SlotTakenLate,
    EnabledWithoutLook,
    RearmedAfterLook,
    RearmedWithoutBarrier,
    RfcSlotCleared,
    PushedLate,
    StartNotPushed,
    EpBeatsNot,
    EpPauses,
    EpBeatsForEver,
    RcBeatsNot,
}

/// Where the faulty end is, and what the fault needs to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    pub is_rc: bool,
    /// RC: the `cmd` word of the outstanding command.
    pub expected: u32,
    /// The session of this end.
    pub epoch: u32,
    /// EP: how many commands were answered.
    pub answers: u8,
}

impl Fault {
    /// As on the command line and in `Documentation/proof.rst`.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().into())
    }

    /// What a read of `answer` gives a faulty RC.
    pub fn answer(self, answer: u32, status: u32, expected: u32) -> u32 {
        match self {
            Self::OpcodeCompared if answer & 0xff == expected & 0xff => expected,
            Self::RfcNoSequence => match status {
                0 => 0,
                _ => expected,
            },
            _ => answer,
        }
    }

    /// What a read of `epoch` gives an RC that was in session `epoch`.
    pub fn epoch(self, word: u32, epoch: u32) -> u32 {
        match self {
            Self::RestartUnseen if epoch != 0 => epoch,
            _ => word,
        }
    }

    /// Changes what the RC writes, before it gets to the link.
    pub fn rearrange_rc(self, effects: &mut Vec<Effect>) {
        match self {
            Self::SequenceFirst => {
                let is_command = |effect: &Effect| matches!(effect, Effect::Write(CMD, word) if word & 0xff != 0);
                if let Some(at) = effects.iter().position(is_command) {
                    let command = effects.remove(at);
                    effects.insert(1, command);
                }
            }
            Self::NumberErased => {
                for effect in effects {
                    match effect {
                        Effect::Write(CMD, word) if *word & 0xff == 0 => *word = 0,
                        _ => {}
                    }
                }
            }
            // It clears the status itself.
            Self::RfcNoSequence if !effects.is_empty() => {
                effects.insert(0, Effect::Write(CMD_STATUS, 0));
            }
            _ => {}
        }
    }

    /// Changes what the EP writes, before it gets to the memory.
    pub fn rearrange_ep(self, effects: &mut Vec<Effect>) {
        let is_answer = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Write(ANSWER, word) if *word != 0));
        match self {
            Self::StatusClearedLate => {
                effects.retain(|effect| *effect != Effect::Write(CMD_STATUS, 0));
                if is_answer {
                    effects.push(Effect::WriteBarrier);
                    effects.push(Effect::Write(CMD_STATUS, 0));
                }
            }
            Self::RfcNoSequence => effects.retain(|effect| *effect != Effect::Write(CMD_STATUS, 0)),
            Self::AnswerUnordered if is_answer => {
                effects.retain(|effect| *effect != Effect::WriteBarrier);
            }
            Self::PublishedLate if is_answer => move_to(effects, usize::MAX, |word| {
                word == offset::DEVICE_STATUS || queue_of(word).is_some()
            }),
            Self::ReadyFirst => {
                let is_ready = |word| word == offset::READY || word == offset::EPOCH;
                effects
                    .retain(|effect| !matches!(effect, Effect::Write(word, 0) if is_ready(*word)));
                move_to(effects, 0, is_ready);
            }
            _ => {}
        }
    }

    /// Whether the device does what it was asked for, and what it answers.
    pub fn executes(self, call: Call, is_command: bool, answer: &mut u32) -> bool {
        match self {
            Self::FailureSwallowed => {
                *answer = 0;
                true
            }
            Self::StopLeavesQueues => is_command || call != Call::Reset,
            Self::RfcResetOnlyTold => call != Call::Reset,
            _ => true,
        }
    }

    /// Whether the device waits for its accesses to end.
    pub fn waits(self) -> bool {
        self != Self::ResetWaitsForNobody
    }

    /// Whether a new session has the epoch of the last one.
    pub fn keeps_epoch(self) -> bool {
        self == Self::EpochKept
    }

    /// Whether the driver frees a ring as soon as it asked for the end of the queue.
    pub fn frees_at_once(self) -> bool {
        self == Self::RfcRingFreedAtOnce
    }
}

/// Moves the writes to some words to the front or to the end, on their side of a barrier.
fn move_to(effects: &mut Vec<Effect>, at: usize, is_moved: impl Fn(Offset) -> bool) {
    let is_moved = |effect: &Effect| matches!(effect, Effect::Write(offset, value) if *value != 0 && is_moved(*offset));
    let (mut moved, rest): (Vec<_>, Vec<_>) = effects.drain(..).partition(is_moved);
    if moved.is_empty() {
        *effects = rest;
    } else if at == 0 {
        moved.push(Effect::WriteBarrier);
        moved.extend(rest);
        *effects = moved;
    } else {
        *effects = rest;
        effects.push(Effect::WriteBarrier);
        effects.extend(moved);
    }
}

/// Registers as one end uses them, with a fault or without.
pub struct Faulty<'a> {
    inner: &'a Replay<'a>,
    fault: Option<Fault>,
    context: Context,
    /// The first `cmd` word that was read, and the first epoch.
    command: Cell<Option<u32>>,
    epoch: Cell<Option<u32>>,
}

impl<'a> Faulty<'a> {
    pub fn new(inner: &'a Replay<'a>, fault: Option<Fault>, context: Context) -> Self {
        Self {
            inner,
            fault,
            context,
            command: Cell::new(None),
            epoch: Cell::new(None),
        }
    }

    fn read_rc(&self, fault: Fault, word: Offset) -> u32 {
        let read = |word| self.inner.read32(word);
        let expected = self.context.expected;
        match (fault, word) {
            (Fault::NumberNotTakenOver, CMD) => 0,
            (Fault::OpcodeCompared, ANSWER) => fault.answer(read(ANSWER), 0, expected),
            (Fault::RfcNoSequence, ANSWER) => fault.answer(0, read(CMD_STATUS), expected),
            (Fault::RestartUnseen, offset::EPOCH) => {
                fault.epoch(read(offset::EPOCH), self.context.epoch)
            }
            (Fault::RestartUnseen, ANSWER_EPOCH) if self.context.epoch != 0 => self.context.epoch,
            (Fault::EpochReadOnce, offset::EPOCH) => self.once(&self.epoch, offset::EPOCH),
            (Fault::EpochReadOnce, offset::READY) if self.epoch.get().is_some() => 1,
            _ => read(word),
        }
    }

    fn read_ep(&self, fault: Fault, word: Offset) -> u32 {
        match (fault, word) {
            (Fault::EpochUnchecked, CMD_EPOCH) => self.context.epoch,
            (Fault::CopyUnchecked, CMD) => self.once(&self.command, CMD),
            (Fault::WordForgotten, CMD) => {
                let word = self.once(&self.command, CMD);
                match word & 0xff {
                    0 => 0,
                    opcode => ((u32::from(self.context.answers) + 1) << 8) | opcode,
                }
            }
            (Fault::RfcCommandErased, CMD) => {
                let is_first = self.command.get().is_none();
                let word = self.once(&self.command, CMD);
                if is_first && word & 0xff != 0 {
                    self.inner.write32(CMD, 0);
                }
                word
            }
            _ => self.inner.read32(word),
        }
    }

    /// Reads a word, and answers the same when it is read again.
    fn once(&self, memo: &Cell<Option<u32>>, word: Offset) -> u32 {
        let value = memo.get().unwrap_or_else(|| self.inner.read32(word));
        memo.set(Some(value));
        value
    }
}

impl Registers for Faulty<'_> {
    fn read32(&self, word: Offset) -> u32 {
        match self.fault {
            Some(fault) if self.context.is_rc => self.read_rc(fault, word),
            Some(fault) => self.read_ep(fault, word),
            None => self.inner.read32(word),
        }
    }

    fn write32(&self, word: Offset, value: u32) {
        let value = match (self.fault, word, self.command.get()) {
            // The RC knows the command by the number it gave.
            (Some(Fault::WordForgotten), ANSWER, Some(command)) => command,
            _ => value,
        };
        self.inner.write32(word, value);
    }

    fn read_barrier(&self) {
        self.inner.read_barrier();
    }

    fn write_barrier(&self) {
        self.inner.write_barrier();
    }
}
