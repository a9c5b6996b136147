// SPDX-License-Identifier: GPL-2.0
//! Sequence numbers and epochs that are not the next ones.

use anyhow::{ensure, Result};
use transport::{offset, CommandError, Opcode, Registers};

use super::{Attack, Device};
use crate::target::Target;
use crate::wire::{expect_error, Answer, Wire, SEQUENCES};

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "sequence_is_replayed",
            about: "a command comes again with numbers that were used",
            device: Device::Disk,
            run: sequence_is_replayed,
        },
        Attack {
            name: "sequence_jumps",
            about: "numbers jump by half of the circle, which is the past, and by one less",
            device: Device::Disk,
            run: sequence_jumps,
        },
        Attack {
            name: "sequence_wraps_around",
            about: "numbers go on after the largest one",
            device: Device::Disk,
            run: sequence_wraps_around,
        },
        Attack {
            name: "epoch_is_another",
            about: "commands for other sessions are not executed",
            device: Device::Disk,
            run: epoch_is_another,
        },
        Attack {
            name: "epoch_is_an_old_one",
            about: "a command of the session before a function reset comes late",
            device: Device::Disk,
            run: epoch_is_an_old_one,
        },
    ]
}

/// Sends `SET_STATUS` with a status, as number `sequence`.
fn set_status(wire: &Wire<'_>, sequence: u32, status: u32) -> Result<Answer> {
    wire.send_as(sequence, wire.epoch(), Opcode::SetStatus as u8, &[status])
}

fn expect_status(target: &Target, expected: u32) -> Result<()> {
    let status = target.registers().read32(offset::DEVICE_STATUS);
    ensure!(
        status == expected,
        "expected device status {expected:#x}, found {status:#x}"
    );
    Ok(())
}

fn sequence_is_replayed(target: &Target) -> Result<()> {
    target.driver()?.reset()?;
    let wire = target.wire();
    let last = wire.next_sequence();
    ensure!(
        set_status(&wire, last, 1)?.is_ok(),
        "SET_STATUS was refused"
    );
    for back in [1, 2, 3, 100] {
        let used = last.wrapping_sub(back) % SEQUENCES;
        let answer = set_status(&wire, used, 3)?;
        expect_error("a used number", answer, CommandError::BadSequence)?;
        let number = wire.read(offset::command::RESULT);
        ensure!(
            number == last,
            "expected the last number {last:#x} as result, got {number:#x}"
        );
    }
    expect_status(target, 1)
}

fn sequence_jumps(target: &Target) -> Result<()> {
    target.driver()?.reset()?;
    let wire = target.wire();
    let last = wire.next_sequence().wrapping_sub(1);
    let half = SEQUENCES / 2;
    for ahead in [half, half + 1, SEQUENCES - 1] {
        let answer = set_status(&wire, last.wrapping_add(ahead), 1)?;
        expect_error("a number too far", answer, CommandError::BadSequence)?;
    }
    expect_status(target, 0)?;
    let answer = set_status(&wire, last.wrapping_add(half - 1), 1)?;
    ensure!(
        answer.is_ok(),
        "the farthest number was refused: {answer:?}"
    );
    expect_status(target, 1)
}

fn sequence_wraps_around(target: &Target) -> Result<()> {
    target.driver()?.reset()?;
    let wire = target.wire();
    // Two jumps, as one is less than half of the circle.
    let mut next = wire.next_sequence();
    for goal in [SEQUENCES / 2, SEQUENCES - 1] {
        if goal > next {
            let answer = set_status(&wire, goal, 1)?;
            ensure!(answer.is_ok(), "number {goal:#x} was refused: {answer:?}");
            next = goal + 1;
        }
    }
    for sequence in 0..3 {
        let answer = set_status(&wire, sequence, 3)?;
        ensure!(
            answer.is_ok(),
            "number {sequence} after the largest one was refused: {answer:?}"
        );
    }
    let answer = set_status(&wire, SEQUENCES - 1, 3)?;
    expect_error("the largest number", answer, CommandError::BadSequence)
}

fn epoch_is_another(target: &Target) -> Result<()> {
    target.driver()?.reset()?;
    let wire = target.wire();
    let epoch = wire.epoch();
    for other in [0, u32::MAX, epoch ^ 1, epoch.wrapping_add(1)] {
        for opcode in [Opcode::SetStatus as u8, Opcode::Reset as u8, 0xee] {
            let answer = wire.send_as(wire.next_sequence(), other, opcode, &[1])?;
            expect_error("another epoch", answer, CommandError::StaleEpoch)?;
        }
    }
    expect_status(target, 0)
}

fn epoch_is_an_old_one(target: &Target) -> Result<()> {
    let old = target.wire().epoch();
    target.function.reset()?;
    let identity = target.identity()?;
    ensure!(
        identity.epoch().get() != old,
        "the epoch is the same after a function reset"
    );
    let wire = target.wire();
    let answer = wire.send_as(wire.next_sequence(), old, Opcode::SetStatus as u8, &[1])?;
    expect_error("an old epoch", answer, CommandError::StaleEpoch)?;
    expect_status(target, 0)
}
