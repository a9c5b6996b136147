// SPDX-License-Identifier: GPL-2.0

//! The RC's end: commands (R1 to R7) and the health of the EP (H1, H2).
//!
//! No waiting here: the caller issues a command, then calls [`RootComplexPort::step`] until it is
//! over, sleeping in between as it likes, and [`RootComplexPort::watch`] once per beat. Each command is
//! over within its bound, or when the EP falls silent.
//!
//! Context: one user at a time (`&mut self`). Kicks and config reads do not need the port.

use crate::command::{
    self,
    Command,
    CommandError,
    CommandWord,
    Opcode, //
};
use crate::frame::{
    decode_state,
    RESULT_WORDS, //
};
use crate::identity::{
    Identity,
    SessionLost, //
};
use crate::liveness::Watch;
use crate::offset;
use crate::queue::QueueState;
use crate::registers::{
    Offset,
    Registers, //
};
use crate::words::TransportFeatures;
use crate::DeviceStatus;

/// Why a command is not issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueError {
    /// Another command is outstanding (R1).
    Busy,
    /// A command timed out; only `RESET` may follow (R7).
    OutOfStep,
    /// The EP shows no heartbeat; try again once it does (R7).
    Silent,
    /// The session is over; go back to [`Identity::read`].
    Lost,
}

/// What a command gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing but success.
    Done,
    /// `SET_STATUS`: the device status, possibly without `FEATURES_OK`.
    Status(DeviceStatus),
    /// `QUEUE_GET_STATE`.
    QueueState(QueueState),
}

/// Why a command gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The EP refused it.
    Refused(CommandError),
    /// The EP's answer has a status or results that do not exist (EPROTO).
    Garbled,
}

/// Where the outstanding command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No command is outstanding.
    Idle,
    /// Not answered yet.
    Pending,
    /// Answered.
    Done(Result<Reply, AnswerError>),
    /// Not answered within its bound; the outcome is unknown (R7).
    TimedOut,
    /// The EP fell silent, or is so; the outcome is unknown (R7).
    Silent,
    /// The link is dead.
    LinkDead,
    /// The EP is in another session; the outcome is unknown.
    Restarted,
}

/// How the EP is (H2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is alive.
    Alive,
    /// It has shown no heartbeat for too long.
    Silent,
    /// The link is dead.
    LinkDead,
    /// It is in another session.
    Restarted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    Waiting {
        word: CommandWord,
        opcode: Opcode,
        deadline_ms: u64,
    },
    OutOfStep,
    /// Out of step, and the EP shows no heartbeat.
    Silent,
    Lost(SessionLost),
}

/// The RC's end of the protocol, for one session of the EP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RootComplexPort {
    identity: Identity,
    state: State,
    /// Sequence number used last.
    sequence: u32,
    heartbeat: u32,
    ep: Watch,
}

impl RootComplexPort {
    /// Takes over the command block (I6). The first command must be `RESET` (I7).
    ///
    /// If the session is over meanwhile, the port knows it from the start.
    pub fn new(identity: Identity, regs: &impl Registers, now_ms: u64) -> Self {
        let place = |offset| identity.layout().command_word(offset);
        let last = CommandWord::from_word(regs.read32(place(offset::command::CMD)));
        let heartbeat = regs.read32(place(offset::command::RC_HEARTBEAT));
        let ep = Watch::new(regs.read32(offset::HEARTBEAT), now_ms);
        regs.read_barrier();
        let state = match identity.check_session(regs) {
            Ok(()) => State::OutOfStep,
            Err(lost) => State::Lost(lost),
        };
        Self {
            state,
            sequence: last.sequence(),
            heartbeat,
            ep,
            identity,
        }
    }

    /// The EP that this port speaks to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Issues a command at time `now_ms` (R1 to R4).
    ///
    /// # Errors
    ///
    /// Whatever [`IssueError`] names; nothing is written then.
    pub fn issue(
        &mut self,
        regs: &impl Registers,
        command: &Command,
        now_ms: u64,
    ) -> Result<(), IssueError> {
        let opcode = command.opcode();
        match self.state {
            State::Idle => {}
            State::OutOfStep if opcode == Opcode::Reset => {}
            State::OutOfStep => return Err(IssueError::OutOfStep),
            State::Waiting { .. } => return Err(IssueError::Busy),
            State::Silent => return Err(IssueError::Silent),
            State::Lost(_) => return Err(IssueError::Lost),
        }
        self.sequence = self.sequence.wrapping_add(1);
        let word = CommandWord::new(self.sequence, opcode);
        // R2: the EP drops what it copied of an older command. The number stays for the next driver
        // (I6), should this one die here.
        let announced = CommandWord::announce(self.sequence);
        regs.write32(self.place(offset::command::CMD), announced.word());
        regs.write_barrier();
        // R3
        self.write_arguments(regs, command);
        regs.write_barrier();
        // R4
        regs.write32(self.place(offset::command::CMD), word.word());
        self.state = State::Waiting {
            word,
            opcode,
            deadline_ms: now_ms.saturating_add(opcode.bound_ms()),
        };
        Ok(())
    }

    /// Looks for the answer at time `now_ms` (R5 to R7).
    pub fn step(&mut self, regs: &impl Registers, now_ms: u64) -> Step {
        let (word, opcode, deadline_ms) = match self.state {
            State::Idle | State::OutOfStep => return Step::Idle,
            State::Silent => return Step::Silent,
            State::Lost(lost) => return lost.into(),
            State::Waiting {
                word,
                opcode,
                deadline_ms,
            } => (word, opcode, deadline_ms),
        };
        match self.look(regs, word) {
            Err(lost) => {
                self.state = State::Lost(lost);
                lost.into()
            }
            Ok(Some(answer)) => Step::Done(self.finish(opcode, &answer)),
            Ok(None) if now_ms >= deadline_ms => {
                self.state = State::OutOfStep;
                Step::TimedOut
            }
            Ok(None) => Step::Pending,
        }
    }

    /// Takes an answer, and what it says of the sequence (R6).
    fn finish(&mut self, opcode: Opcode, answer: &Answer) -> Result<Reply, AnswerError> {
        let reply = answer.decode(opcode);
        self.state = match reply {
            Err(AnswerError::Refused(CommandError::BadSequence)) => {
                let [last, ..] = answer.results;
                self.sequence = last;
                State::OutOfStep
            }
            Err(_) if opcode == Opcode::Reset => State::OutOfStep,
            _ => State::Idle,
        };
        reply
    }

    /// Shows that the RC is alive, and looks whether the EP is (H1, H2); `silent_ms` is how long it may show no
    /// heartbeat, [`EP_SILENT_MS`](crate::time::EP_SILENT_MS) or more.
    ///
    /// To be called at least every [`BEAT_MS`](crate::time::BEAT_MS) while the device is used, also while a
    /// command is outstanding. An EP that falls silent ends the command, and is out of step once it beats again.
    pub fn watch(&mut self, regs: &impl Registers, silent_ms: u64, now_ms: u64) -> Health {
        if let State::Lost(lost) = self.state {
            return lost.into();
        }
        let beat = regs.read32(offset::HEARTBEAT);
        regs.read_barrier();
        if let Err(lost) = self.identity.check_session(regs) {
            self.state = State::Lost(lost);
            return lost.into();
        }
        self.heartbeat = self.heartbeat.wrapping_add(1).max(1);
        regs.write32(self.place(offset::command::RC_HEARTBEAT), self.heartbeat);
        if self.may_pause() {
            self.ep = Watch::new(beat, now_ms);
        }
        if self.ep.silence_ms(beat, now_ms) >= silent_ms {
            self.state = State::Silent;
            return Health::Silent;
        }
        if self.state == State::Silent {
            self.state = State::OutOfStep;
        }
        Health::Alive
    }

    /// Whether the EP may show no heartbeat, as it is in a command, which has a bound of its own.
    fn may_pause(&self) -> bool {
        let features = self.identity.transport_features();
        let is_steady = features.contains(TransportFeatures::STEADY_BEAT);
        !is_steady && matches!(self.state, State::Waiting { .. })
    }

    /// The device status as the EP sees it, with `DEVICE_NEEDS_RESET`; `None` if the session is
    /// over.
    pub fn device_status(&self, regs: &impl Registers) -> Option<DeviceStatus> {
        let status = regs.read32(offset::DEVICE_STATUS);
        regs.read_barrier();
        self.identity.check_session(regs).ok()?;
        Some(DeviceStatus::from_bits(status as u8))
    }

    fn place(&self, offset: Offset) -> Offset {
        self.identity.layout().command_word(offset)
    }

    fn write_arguments(&self, regs: &impl Registers, command: &Command) {
        let frame = command.encode();
        let arguments = self.place(offset::command::ARGUMENT);
        let data = self.place(offset::command::DATA);
        regs.write32(
            self.place(offset::command::CMD_EPOCH),
            self.identity.epoch().get(),
        );
        let defined = frame.arguments.iter().take(frame.opcode.argument_words());
        for (n, word) in (0..).zip(defined) {
            regs.write32(arguments.word(n), *word);
        }
        for (n, word) in (0..).zip(frame.data.iter().take(frame.data_words())) {
            regs.write32(data.word(n), *word);
        }
    }

    /// Copies the answer to `word` if there is one (R5, R6).
    fn look(
        &self,
        regs: &impl Registers,
        word: CommandWord,
    ) -> Result<Option<Answer>, SessionLost> {
        let answered = regs.read32(self.place(offset::command::ANSWER));
        regs.read_barrier();
        if answered != word.word() {
            return self.identity.check_session(regs).map(|()| None);
        }
        let epoch = regs.read32(self.place(offset::command::ANSWER_EPOCH));
        let answer = Answer::copy(
            regs,
            self.place(offset::command::CMD_STATUS),
            self.place(offset::command::RESULT),
        );
        regs.read_barrier();
        self.identity.check_session(regs)?;
        if epoch != self.identity.epoch().get() {
            return Err(SessionLost::Restarted);
        }
        Ok(Some(answer))
    }
}

/// The RC's copy of an answer; nothing in it is checked.
struct Answer {
    status: u32,
    results: [u32; RESULT_WORDS],
}

impl Answer {
    fn copy(regs: &impl Registers, status: Offset, result: Offset) -> Self {
        let mut results = [0; RESULT_WORDS];
        for (n, word) in (0..).zip(results.iter_mut()) {
            *word = regs.read32(result.word(n));
        }
        Self {
            status: regs.read32(status),
            results,
        }
    }

    /// Checks the copy of an answer to `opcode`.
    fn decode(&self, opcode: Opcode) -> Result<Reply, AnswerError> {
        let [first, second, ..] = self.results;
        if self.status != command::STATUS_OKAY {
            let error = CommandError::from_status(self.status);
            return Err(error.map_or(AnswerError::Garbled, AnswerError::Refused));
        }
        match opcode {
            Opcode::SetStatus => {
                let bits = u8::try_from(first).map_err(|_| AnswerError::Garbled)?;
                Ok(Reply::Status(DeviceStatus::from_bits(bits)))
            }
            Opcode::GetQueueState => decode_state(first, second)
                .map(Reply::QueueState)
                .ok_or(AnswerError::Garbled),
            _ => Ok(Reply::Done),
        }
    }
}

impl From<SessionLost> for Step {
    fn from(lost: SessionLost) -> Self {
        match lost {
            SessionLost::LinkDead => Self::LinkDead,
            SessionLost::Restarted => Self::Restarted,
        }
    }
}

impl From<SessionLost> for Health {
    fn from(lost: SessionLost) -> Self {
        match lost {
            SessionLost::LinkDead => Self::LinkDead,
            SessionLost::Restarted => Self::Restarted,
        }
    }
}
