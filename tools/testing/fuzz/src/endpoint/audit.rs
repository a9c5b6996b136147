// SPDX-License-Identifier: GPL-2.0
//! Whether the accesses of one look at the command block are those of E1 to E8, and of a beat (H5).

use std::collections::HashMap;

use transport::{offset, Command, CommandError, Frame, Offset, Opcode, Progress};

use crate::bar::Access;

use super::{device::Offer, COMMAND};

/// Most accesses of one look: two reads of `cmd`, one of `cmd_epoch` and of the heartbeat, 16 arguments
/// and 32 words of data; E4, 64 queues and the status, four results and three words of answer,
/// heartbeat; three barriers. With a beat the identity, 64 entries of the queue table, two barriers.
const MOST: usize = 2 + 2 + 16 + 32 + 1 + 64 + 2 + 7 + 1 + 3 + 64 + 4 * 64 + 2;

/// The words that the RC writes, at the start of the command block.
const RC_WORDS: usize = 64;

/// The words of the answer.
const ANSWER: std::ops::Range<u32> = COMMAND + 0x100..COMMAND + 0x120;

/// What the EP has accepted, as the auditor saw it.
pub struct Audit {
    /// The `cmd` word that was answered last.
    seen: u32,
    /// The sequence number that was accepted last.
    sequence: u32,
    /// The session.
    pub epoch: u32,
    /// What the EP wrote at the start of the session, to words that keep their values.
    fixed: HashMap<u32, u32>,
}

/// The place of a word of the command block.
fn place(word: Offset) -> u32 {
    COMMAND + word.bytes()
}

/// The values of the words of the RC that one look copied: `cmd`, then the others by their number.
struct Copied {
    commands: [Option<u32>; 2],
    words: [Option<u32>; RC_WORDS],
}

impl Audit {
    pub fn new(epoch: u32) -> Self {
        Self {
            seen: 0,
            sequence: 0,
            epoch,
            fixed: HashMap::new(),
        }
    }

    /// Takes note of what was written at the start of a session (S2 to S4).
    pub fn started(&mut self, log: &[Access]) {
        let written = log.iter().filter_map(|access| match *access {
            Access::Write(at, value) => Some((at, value)),
            _ => None,
        });
        self.fixed = written.collect();
    }

    /// Checks one look, in which the handler was called `calls` times.
    pub fn check(&mut self, log: &[Access], progress: &Progress, offer: &Offer, calls: usize) {
        assert!(log.len() <= MOST);
        self.check_beat(log, offer);
        let copied = check_places(log, offer);
        let [Some(first), again] = copied.commands else {
            panic!("cmd was not read");
        };
        let is_new = first as u8 != 0 && first != self.seen;
        assert_eq!(is_new, again.is_some());
        let Some((word, result)) = progress.answered else {
            assert_eq!(calls, 0);
            assert_ne!(Some(first), again);
            return;
        };
        assert_eq!((Some(word.word()), Some(first)), (again, again));
        if let Some(error) = self.refused(&copied, first, offer) {
            assert_eq!((result, calls), (Err(error), 0));
        }
        check_answer(log, first, result, self.epoch);
        self.seen = first;
    }

    /// What is fixed is written again with a beat only, and as it was.
    fn check_beat(&self, log: &[Access], offer: &Offer) {
        let beat = offset::HEARTBEAT.bytes();
        let has_beat = |access: &Access| matches!(access, Access::Write(at, _) if *at == beat);
        for access in log {
            match access {
                Access::Write(at, value) if is_fixed(*at, offer) => {
                    assert_eq!(self.fixed.get(at), Some(value), "wrote {at:#x}");
                    assert!(log.iter().any(has_beat), "wrote {at:#x} without a beat");
                }
                _ => {}
            }
        }
    }

    /// The reason to refuse the command that was copied, if its words alone are one (E5).
    fn refused(&mut self, copied: &Copied, word: u32, offer: &Offer) -> Option<CommandError> {
        let ahead = (word >> 8).wrapping_sub(self.sequence) & 0xff_ffff;
        if !(1..1 << 23).contains(&ahead) {
            return Some(CommandError::BadSequence);
        }
        self.sequence = word >> 8;
        let value = |first: Offset, n: usize| copied.words[first.bytes() as usize / 4 + n];
        if value(offset::command::CMD_EPOCH, 0) != Some(self.epoch) {
            return Some(CommandError::StaleEpoch);
        }
        let Some(opcode) = Opcode::from_number(word as u8) else {
            return Some(CommandError::UnknownCommand);
        };
        if !offer.transport_features.contains(opcode.needed_feature()) {
            return Some(CommandError::NotSupported);
        }
        let values = |first, n| value(first, n).unwrap_or(0);
        let frame = Frame {
            opcode,
            arguments: std::array::from_fn(|n| values(offset::command::ARGUMENT, n)),
            data: std::array::from_fn(|n| values(offset::command::DATA, n)),
        };
        Command::decode(&frame).err()
    }
}

/// Only words of the RC are read, `cmd` twice and those of a command once, and only words of the EP are
/// written.
fn check_places(log: &[Access], offer: &Offer) -> Copied {
    let mut copied = Copied {
        commands: [None; 2],
        words: [None; RC_WORDS],
    };
    for access in log {
        match *access {
            Access::Read(COMMAND, value) => {
                let slot = copied.commands.iter_mut().find(|slot| slot.is_none());
                *slot.expect("cmd read a third time") = Some(value);
            }
            Access::Read(at, value) => {
                let word = (at.wrapping_sub(COMMAND) / 4) as usize;
                assert!(word < RC_WORDS, "read {at:#x}, which is not the RC's");
                let before = copied.words[word].replace(value);
                assert_eq!(before, None, "read {at:#x} twice");
            }
            Access::Write(at, _) => assert!(is_written(at, offer), "wrote {at:#x}"),
            Access::ReadBarrier | Access::WriteBarrier => {}
        }
    }
    copied
}

/// Whether the EP writes this word while it looks for commands.
fn is_written(at: u32, offer: &Offer) -> bool {
    ANSWER.contains(&at) || is_state(at, offer) || is_fixed(at, offer)
}

/// Whether this word tells of the state of EP, device or queues.
fn is_state(at: u32, offer: &Offer) -> bool {
    let identity = [offset::HEARTBEAT.bytes(), offset::DEVICE_STATUS.bytes()];
    let is_status = at % 16 == offset::queue::STATUS.bytes();
    identity.contains(&at) || (table(offer).contains(&at) && is_status)
}

/// Whether this word of the identity or the queue table keeps its value. The generation of the device
/// config is not the command loop's to write.
fn is_fixed(at: u32, offer: &Offer) -> bool {
    let is_there = at < COMMAND || table(offer).contains(&at);
    is_there && !is_state(at, offer) && at != offset::CONFIG_GENERATION.bytes()
}

/// Where the queue table is.
fn table(offer: &Offer) -> std::ops::Range<u32> {
    let first = COMMAND + 0x200;
    first..first + 16 * offer.sizes.len() as u32
}

/// E4 comes first, `answer` last and behind a barrier, and the answer names session and status.
fn check_answer(log: &[Access], word: u32, result: Result<(), CommandError>, epoch: u32) {
    let answer = place(offset::command::ANSWER);
    let is_write = |access: &&Access| matches!(access, Access::Write(..));
    let first = log.iter().find(is_write);
    assert_eq!(
        first,
        Some(&Access::Write(place(offset::command::CMD_STATUS), 0))
    );
    let end = log
        .iter()
        .position(|access| *access == Access::Write(answer, word));
    let Some(end) = end else {
        panic!("no answer to {word:#x}");
    };
    let status = result.map_or_else(|error| error as u32, |()| 1);
    assert_eq!(
        log[end - 3..end],
        [
            Access::Write(place(offset::command::CMD_STATUS), status),
            Access::Write(place(offset::command::ANSWER_EPOCH), epoch),
            Access::WriteBarrier,
        ]
    );
    let is_answer = |access: &Access| matches!(access, Access::Write(at, _) if ANSWER.contains(at));
    assert!(!log[end + 1..].iter().any(is_answer));
}
