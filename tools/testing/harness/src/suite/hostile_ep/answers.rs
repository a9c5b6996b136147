// SPDX-License-Identifier: GPL-2.0
//! Answers as no endpoint may give them (Documentation/transport.rst, "Commands").

use anyhow::Result;
use transport::{offset, CommandError, CommandWord, Offset, Opcode};

use super::attack::{self, Attack, Attacked, Course};
use super::{stopping, Machines};
use crate::commands::forger::{Kind, Lie, Word};
use crate::runner::Record;

pub fn run(machines: &mut Machines, record: &mut Record) -> Result<()> {
    attack::run(
        machines,
        record,
        Kind::Net,
        ATTACKS.iter().chain(stopping::ATTACKS),
    )
}

/// A word of the answers to one kind of command.
pub const fn answers(opcode: Opcode, offset: Offset, value: u32) -> Lie {
    Lie::HoldDuring(opcode, Word::Command(offset), value)
}

/// The command is executed, but not answered.
pub const fn never(opcode: Opcode) -> Lie {
    answers(opcode, offset::command::ANSWER, 0)
}

const fn adding(name: &'static str, lies: &'static [Lie], message: &'static str) -> Attack {
    Attack {
        name,
        lies,
        course: Course::Add(message),
    }
}

const fn refused(name: &'static str, lies: &'static [Lie], message: &'static str) -> Attack {
    Attack {
        name,
        lies,
        course: Course::Refused(message),
    }
}

/// A number that no status has.
pub const NO_STATUS: u32 = 77;

const ATTACKS: &[Attack] = &[
    refused(
        "reset_is_never_answered",
        &[never(Opcode::Reset)],
        "Reset was not answered",
    ),
    refused(
        "reset_is_refused",
        &[answers(
            Opcode::Reset,
            offset::command::CMD_STATUS,
            CommandError::Failed as u32,
        )],
        "Reset was refused: Refused(Failed)",
    ),
    refused(
        "reset_is_answered_with_an_unknown_status",
        &[answers(
            Opcode::Reset,
            offset::command::CMD_STATUS,
            NO_STATUS,
        )],
        "Reset was refused: Garbled",
    ),
    refused(
        "reset_has_always_a_bad_sequence",
        &[
            answers(
                Opcode::Reset,
                offset::command::CMD_STATUS,
                CommandError::BadSequence as u32,
            ),
            answers(Opcode::Reset, offset::command::RESULT, u32::MAX),
        ],
        "Reset was refused: Refused(BadSequence)",
    ),
    adding(
        "set_interrupts_is_never_answered",
        &[never(Opcode::SetInterrupts)],
        "SetInterrupts was not answered",
    ),
    adding(
        "set_status_is_never_answered",
        &[never(Opcode::SetStatus)],
        "SetStatus was not answered",
    ),
    adding(
        "set_features_is_never_answered",
        &[never(Opcode::SetFeatures)],
        "SetFeatures was not answered",
    ),
    adding(
        "queue_setup_is_never_answered",
        &[never(Opcode::SetupQueue)],
        "SetupQueue was not answered",
    ),
    adding(
        "queue_set_state_is_never_answered",
        &[never(Opcode::SetQueueState)],
        "SetQueueState was not answered",
    ),
    adding(
        "queue_enable_is_never_answered",
        &[never(Opcode::EnableQueue)],
        "EnableQueue was not answered",
    ),
    adding(
        "queue_enable_is_refused",
        &[answers(
            Opcode::EnableQueue,
            offset::command::CMD_STATUS,
            CommandError::NoResources as u32,
        )],
        "EnableQueue was refused: Refused(NoResources)",
    ),
    adding(
        "features_are_refused_with_an_error",
        &[answers(
            Opcode::SetFeatures,
            offset::command::CMD_STATUS,
            CommandError::BadArgument as u32,
        )],
        "SetFeatures was refused: Refused(BadArgument)",
    ),
    adding(
        "answer_with_another_epoch",
        &[answers(
            Opcode::SetStatus,
            offset::command::ANSWER_EPOCH,
            0x1234,
        )],
        "SetStatus met a restarted endpoint",
    ),
    adding(
        "answer_with_an_epoch_of_all_ones",
        &[answers(
            Opcode::SetStatus,
            offset::command::ANSWER_EPOCH,
            u32::MAX,
        )],
        "SetStatus met a restarted endpoint",
    ),
    adding(
        "answer_with_another_sequence",
        &[answers(
            Opcode::SetInterrupts,
            offset::command::ANSWER,
            CommandWord::new(0x1234, Opcode::SetInterrupts).word(),
        )],
        "SetInterrupts was not answered",
    ),
    adding(
        "answer_with_an_unknown_status",
        &[answers(
            Opcode::SetStatus,
            offset::command::CMD_STATUS,
            NO_STATUS,
        )],
        "SetStatus was refused: Garbled",
    ),
    adding(
        "answer_with_a_result_out_of_range",
        &[answers(Opcode::SetStatus, offset::command::RESULT, 0x1ff)],
        "SetStatus was refused: Garbled",
    ),
    adding(
        "answer_with_status_bits_that_nobody_set",
        &[answers(Opcode::SetStatus, offset::command::RESULT, 0xff)],
        "Setting the device status failed: EPROTO",
    ),
    adding(
        "answer_without_status_bits_that_were_set",
        &[answers(Opcode::SetStatus, offset::command::RESULT, 0)],
        "Setting the device status failed: EPROTO",
    ),
    Attack {
        name: "answer_of_a_former_command",
        lies: &[],
        course: Course::Free(answer_of_a_former_command),
    },
    Attack {
        name: "answer_before_its_time",
        lies: &[],
        course: Course::Free(answer_before_its_time),
    },
    Attack {
        name: "answers_in_the_last_moment",
        lies: &[Lie::Delay(Opcode::SetInterrupts, 1500)],
        course: Course::Harmless(""),
    },
    adding(
        "answer_after_its_time",
        &[Lie::Delay(Opcode::SetFeatures, 2500)],
        "SetFeatures was not answered",
    ),
];

/// All commands but `RESET` are answered with the answer to a command that the RC is through with.
fn answer_of_a_former_command(attacked: &mut Attacked) -> Result<()> {
    let cmd = Word::Command(offset::command::CMD);
    let former = attacked.forger.peek(&mut attacked.link.ep, cmd)?;
    attacked.tell(&[answers(
        Opcode::SetInterrupts,
        offset::command::ANSWER,
        former,
    )])?;
    attacked.try_add()?;
    attacked.wait_for_message("SetInterrupts was not answered")
}

/// The next command is answered before the RC has issued it.
fn answer_before_its_time(attacked: &mut Attacked) -> Result<()> {
    let ep = &mut attacked.link.ep;
    let cmd = Word::Command(offset::command::CMD);
    let last = CommandWord::from_word(attacked.forger.peek(ep, cmd)?);
    let next = CommandWord::new(last.sequence() + 1, Opcode::Reset);
    attacked.tell(&[
        Lie::Poke(Word::Command(offset::command::CMD_STATUS), 1),
        Lie::Poke(Word::Command(offset::command::ANSWER), next.word()),
    ])?;
    attacked.try_add().map(drop)
}
