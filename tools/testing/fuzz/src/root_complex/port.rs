// SPDX-License-Identifier: GPL-2.0
//! What the RC's end must make of what it reads: a second opinion on I6, R1 to R7 and H2.

use transport::{
    offset, time, AnswerError, Command, CommandError, CommandWord, DeviceStatus, Health,
    IssueError, Offset, Opcode, QueueState, Reply, Step,
};

use crate::bar::Access;

/// Where a command is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Waiting {
        word: u32,
        opcode: Opcode,
        deadline_ms: u64,
    },
    OutOfStep,
    Silent,
    Lost(Step),
}

/// The port as it should be.
pub struct Expected {
    state: State,
    sequence: u32,
    epoch: u32,
    command: u32,
    /// The heartbeat that was seen last, and since when.
    beat: (u32, u64),
    /// The heartbeat goes on while a command executes.
    is_steady: bool,
}

impl Expected {
    /// A port that made these accesses at time 0 to take over session `epoch` (I6).
    pub fn new(log: &[Access], epoch: u32, is_steady: bool) -> Self {
        let [Access::Read(command, cmd), beats @ .., Access::ReadBarrier, Access::Read(at, _)] =
            log
        else {
            panic!("not the order of I6: {log:?}");
        };
        let places = [
            command + offset::command::RC_HEARTBEAT.bytes(),
            offset::HEARTBEAT.bytes(),
        ];
        let is_beat =
            |access: &Access| matches!(access, Access::Read(at, _) if places.contains(at));
        assert!(beats.iter().all(is_beat));
        assert_eq!(*at, offset::EPOCH.bytes());
        let mut port = Self {
            state: State::OutOfStep,
            sequence: cmd >> 8,
            epoch,
            command: *command,
            beat: (read(log, offset::HEARTBEAT.bytes()), 0),
            is_steady,
        };
        if let Some(lost) = port.session(log) {
            port.state = State::Lost(lost);
        }
        port
    }

    /// The place of a word of the command block.
    pub fn place(&self, word: Offset) -> u32 {
        self.command + word.bytes()
    }

    /// The `cmd` word that waits for an answer.
    pub fn waiting(&self) -> Option<u32> {
        match self.state {
            State::Waiting { word, .. } => Some(word),
            _ => None,
        }
    }

    /// Checks what was written for a command (R1 to R4).
    pub fn issue(
        &mut self,
        log: &[Access],
        command: &Command,
        now_ms: u64,
        result: Result<(), IssueError>,
    ) {
        let opcode = command.opcode();
        let expected = match self.state {
            State::Idle => Ok(()),
            State::OutOfStep if opcode == Opcode::Reset => Ok(()),
            State::OutOfStep => Err(IssueError::OutOfStep),
            State::Waiting { .. } => Err(IssueError::Busy),
            State::Silent => Err(IssueError::Silent),
            State::Lost(_) => Err(IssueError::Lost),
        };
        assert_eq!(result, expected);
        if result.is_err() {
            assert!(log.is_empty());
            return;
        }
        self.sequence = self.sequence.wrapping_add(1) & 0xff_ffff;
        let word = CommandWord::new(self.sequence, opcode).word();
        let cmd = self.place(offset::command::CMD);
        let [announced, Access::WriteBarrier, arguments @ .., Access::WriteBarrier, issued] = log
        else {
            panic!("not the order of R2 to R4: {log:?}");
        };
        assert_eq!(*announced, Access::Write(cmd, self.sequence << 8));
        assert_eq!(*issued, Access::Write(cmd, word));
        let mine = cmd + 4..cmd + 0x100;
        let is_argument =
            |access: &Access| matches!(access, Access::Write(at, _) if mine.contains(at));
        assert!(arguments.iter().all(is_argument));
        assert!(arguments.contains(&Access::Write(cmd + 4, self.epoch)));
        self.state = State::Waiting {
            word,
            opcode,
            deadline_ms: now_ms.saturating_add(opcode.bound_ms()),
        };
    }

    /// Checks what was made of a look for the answer (R5 to R7).
    pub fn step(&mut self, log: &[Access], now_ms: u64, step: Step) {
        let State::Waiting {
            word,
            opcode,
            deadline_ms,
        } = self.state
        else {
            assert!(log.is_empty());
            let expected = match self.state {
                State::Lost(lost) => lost,
                State::Silent => Step::Silent,
                _ => Step::Idle,
            };
            assert_eq!(step, expected);
            return;
        };
        let answer = self.place(offset::command::ANSWER);
        let is_answered = read(log, answer) == word;
        let expected = match self.session(log) {
            Some(lost) => lost,
            None if is_answered => self.judge(log, opcode),
            None if now_ms >= deadline_ms => Step::TimedOut,
            None => Step::Pending,
        };
        assert_eq!(step, expected);
        self.advance(log, opcode, step);
    }

    /// Checks what was made of a look at the session and the heartbeat (H2).
    pub fn watch(&mut self, log: &[Access], now_ms: u64, health: Health) {
        let lost = match self.state {
            State::Lost(lost) => Some(lost),
            _ => self.session(log),
        };
        let expected = match lost {
            Some(Step::LinkDead) => Health::LinkDead,
            Some(_) => Health::Restarted,
            None if self.is_silent(log, now_ms) => Health::Silent,
            None => Health::Alive,
        };
        assert_eq!(health, expected);
        self.state = match (lost, expected, self.state) {
            (Some(lost), ..) => State::Lost(lost),
            (_, Health::Silent, _) => State::Silent,
            (.., State::Silent) => State::OutOfStep,
            (.., state) => state,
        };
    }

    /// Whether the heartbeat has not changed for `EP_SILENT`.
    fn is_silent(&mut self, log: &[Access], now_ms: u64) -> bool {
        let beat = read(log, offset::HEARTBEAT.bytes());
        let may_pause = !self.is_steady && matches!(self.state, State::Waiting { .. });
        if may_pause || beat != self.beat.0 {
            self.beat = (beat, now_ms);
        }
        now_ms - self.beat.1 >= time::EP_SILENT_MS
    }

    /// How the session ended, according to the epochs that were read.
    fn session(&self, log: &[Access]) -> Option<Step> {
        let answer = self.place(offset::command::ANSWER_EPOCH);
        match read(log, offset::EPOCH.bytes()) {
            u32::MAX => Some(Step::LinkDead),
            epoch if epoch != self.epoch => Some(Step::Restarted),
            _ if find(log, answer).is_some_and(|epoch| epoch != self.epoch) => {
                Some(Step::Restarted)
            }
            _ => None,
        }
    }

    /// The answer, according to the words that were read.
    fn judge(&self, log: &[Access], opcode: Opcode) -> Step {
        let result = |n: u32| read(log, self.place(offset::command::RESULT) + 4 * n);
        let status = read(log, self.place(offset::command::CMD_STATUS));
        if status != 1 {
            let error = CommandError::from_status(status);
            return Step::Done(Err(error.map_or(AnswerError::Garbled, AnswerError::Refused)));
        }
        let small = |n: u32| u16::try_from(result(n)).ok();
        let reply = match opcode {
            Opcode::SetStatus => u8::try_from(result(0))
                .ok()
                .map(|bits| Reply::Status(DeviceStatus::from_bits(bits))),
            Opcode::GetQueueState => small(0).zip(small(1)).map(|(available, used)| {
                Reply::QueueState(QueueState { available, used }) //
            }),
            _ => Some(Reply::Done),
        };
        Step::Done(reply.ok_or(AnswerError::Garbled))
    }

    fn advance(&mut self, log: &[Access], opcode: Opcode, step: Step) {
        match step {
            Step::Done(Err(AnswerError::Refused(CommandError::BadSequence))) => {
                self.sequence = read(log, self.place(offset::command::RESULT)) & 0xff_ffff;
                self.state = State::OutOfStep;
            }
            Step::Done(Err(_)) if opcode == Opcode::Reset => self.state = State::OutOfStep,
            Step::Done(_) => self.state = State::Idle,
            Step::TimedOut => self.state = State::OutOfStep,
            Step::LinkDead | Step::Restarted => self.state = State::Lost(step),
            Step::Pending | Step::Idle | Step::Silent => {}
        }
    }
}

/// The value that was read at a place, once.
pub fn find(log: &[Access], at: u32) -> Option<u32> {
    let mut values = log.iter().filter_map(|access| match *access {
        Access::Read(offset, value) if offset == at => Some(value),
        _ => None,
    });
    let value = values.next();
    assert_eq!(values.next(), None, "read {at:#x} twice");
    value
}

/// The value that must have been read at a place, once.
fn read(log: &[Access], at: u32) -> u32 {
    match find(log, at) {
        Some(value) => value,
        None => panic!("did not read {at:#x}"),
    }
}
