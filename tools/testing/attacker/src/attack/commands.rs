// SPDX-License-Identifier: GPL-2.0
//! Commands with arguments, in states and with opcodes that are not theirs.

use anyhow::{ensure, Result};
use transport::{
    offset, Command, CommandError, ConfigData, Opcode, QueueState, Registers, ARGUMENT_WORDS,
    CONFIG_DATA_SIZE, NO_VECTOR,
};

use super::{Attack, Device};
use crate::driver::{EARLY, RUNNING, SETTLED};
use crate::ring::Ring;
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "every_command_with_boundary_arguments",
            about: "each argument of each command is 0, 1, a sign bit, all-ones, in each phase",
            device: Device::Disk,
            run: every_command_with_boundary_arguments,
        },
        Attack {
            name: "unknown_opcodes",
            about: "a driver of a later version sends all opcodes that this one does not have",
            device: Device::Disk,
            run: unknown_opcodes,
        },
        Attack {
            name: "reserved_argument_bits",
            about: "a driver of a later version sets bits that this one does not know",
            device: Device::Disk,
            run: reserved_argument_bits,
        },
        Attack {
            name: "commands_in_the_wrong_state",
            about: "commands come before and after the states that they belong to",
            device: Device::Disk,
            run: commands_in_the_wrong_state,
        },
        Attack {
            name: "config_writes_out_of_range",
            about: "device config is written at and beyond its end, and where it is not writable",
            device: Device::Disk,
            run: config_writes_out_of_range,
        },
        Attack {
            name: "arguments_change_after_the_command",
            about: "arguments keep changing while the endpoint copies them",
            device: Device::Disk,
            run: arguments_change_after_the_command,
        },
        Attack {
            name: "commands_without_waiting",
            about: "thousands of commands are posted, and no answer is waited for",
            device: Device::Disk,
            run: commands_without_waiting,
        },
    ]
}

/// What an argument is when it is on a boundary.
const BOUNDARIES: [u32; 6] = [0, 1, 0xffff, 0x1_0000, 1 << 31, u32::MAX];

fn every_command_with_boundary_arguments(target: &Target) -> Result<()> {
    let wire = target.wire();
    for phase in [0, EARLY, SETTLED, RUNNING] {
        let mut driver = target.driver()?;
        if phase & SETTLED == SETTLED {
            driver.negotiate(0)?;
        }
        if phase != 0 {
            driver.command(&Command::SetStatus(phase))?;
        }
        // Any answer will do, but there has to be one, and it has to be one of the table.
        for opcode in Opcode::ALL
            .into_iter()
            .filter(|opcode| *opcode != Opcode::Reset)
        {
            for position in 0..opcode.argument_words() {
                for value in BOUNDARIES {
                    let mut arguments = [0; ARGUMENT_WORDS];
                    arguments[position] = value;
                    // Nothing of this is a ring: no queue must be mapped at address 0.
                    if opcode != Opcode::EnableQueue {
                        let _ = wire.send(opcode as u8, &arguments)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn unknown_opcodes(target: &Target) -> Result<()> {
    let wire = target.wire();
    target.driver()?.reset()?;
    // Opcode 0 is no command, and not answered.
    for opcode in 1..=u8::MAX {
        if Opcode::from_number(opcode).is_none() {
            wire.expect_refusal(opcode, &[1, 2, 3], CommandError::UnknownCommand)?;
        }
    }
    let status = target.registers().read32(offset::DEVICE_STATUS);
    ensure!(
        status == 0,
        "expected a reset device, found status {status:#x}"
    );
    Ok(())
}

fn reserved_argument_bits(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.negotiate(0)?;
    let wire = target.wire();
    let ring = Ring::new(&target.memory, 4)?;
    let refused = |opcode: Opcode, arguments: &[u32]| {
        wire.expect_refusal(opcode as u8, arguments, CommandError::BadArgument)
    };
    for bit in [8, 16, 31] {
        let reserved = 1 << bit;
        refused(Opcode::SetStatus, &[u32::from(SETTLED) | reserved])?;
        refused(Opcode::SetInterrupts, &[reserved, 0, NO_VECTOR])?;
        refused(Opcode::EnableQueue, &[reserved])?;
        refused(Opcode::DisableQueue, &[reserved])?;
        refused(Opcode::GetQueueState, &[reserved])?;
        let mut setup = Command::SetupQueue(ring.request(0)).encode().arguments;
        setup[2] = reserved;
        refused(Opcode::SetupQueue, &setup)?;
    }
    refused(Opcode::SetQueueState, &[0, 1 << 16, 0])?;
    refused(Opcode::SetQueueState, &[0, 0, 1 << 16])?;
    refused(Opcode::SetStatus, &[u32::from(SETTLED) | 0x10])?;
    refused(Opcode::SetStatus, &[u32::from(SETTLED) | 0x20])
}

fn commands_in_the_wrong_state(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let ring = Ring::new(&target.memory, 4)?;
    let setup = Command::SetupQueue(ring.request(0));
    let state = Command::SetQueueState(0, QueueState::initial(false));
    let interrupts = Command::SetInterrupts {
        mode: 0,
        vectors: 0,
        config_vector: NO_VECTOR,
    };
    let early = [
        &setup,
        &Command::EnableQueue(0),
        &state,
        &Command::GetQueueState(0),
    ];
    for command in early {
        driver.refused(command, CommandError::BadState)?;
    }
    driver.refused(&Command::SetStatus(RUNNING), CommandError::BadState)?;
    // Legal: nothing happens.
    driver.command(&Command::DisableQueue(0))?;
    driver.negotiate(0)?;
    driver.refused(&Command::SetFeatures(0), CommandError::BadState)?;
    for command in [&Command::EnableQueue(0), &state, &Command::GetQueueState(0)] {
        driver.refused(command, CommandError::BadState)?;
    }
    driver.command(&setup)?;
    driver.refused(&interrupts, CommandError::BadState)?;
    driver.command(&Command::EnableQueue(0))?;
    for command in [&setup, &Command::EnableQueue(0), &state, &interrupts] {
        driver.refused(command, CommandError::BadState)?;
    }
    driver.command(&Command::DisableQueue(0))?;
    driver.command(&state)?;
    driver.command(&setup).map(drop)
}

fn config_writes_out_of_range(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let size = driver.identity().config_size();
    let bytes = |length: usize| ConfigData::new(&vec![0xa5; length]);
    for offset in [0, 1, 32, size - 1, size, size + 1, 1 << 31, u32::MAX] {
        for length in [1, 4, CONFIG_DATA_SIZE] {
            let Some(data) = bytes(length) else { continue };
            // Nothing of a disk's config is writable, as CONFIG_WCE is not offered.
            driver.refused(
                &Command::WriteConfig { offset, data },
                CommandError::BadArgument,
            )?;
        }
    }
    let wire = target.wire();
    for length in [0, CONFIG_DATA_SIZE as u32 + 1, 1 << 16, u32::MAX] {
        wire.expect_refusal(
            Opcode::WriteConfig as u8,
            &[0, length],
            CommandError::BadArgument,
        )?;
    }
    Ok(())
}

fn arguments_change_after_the_command(target: &Target) -> Result<()> {
    let wire = target.wire();
    let mut driver = target.driver()?;
    driver.negotiate(0)?;
    let ring = Ring::new(&target.memory, 4)?;
    let legal = Command::SetupQueue(ring.request(0)).encode();
    for turn in 0..100 {
        let sequence = wire.next_sequence();
        wire.prepare(wire.epoch(), &legal.arguments, &[]);
        let word = wire.post(sequence, legal.opcode as u8);
        for n in 0..9 {
            wire.write(offset::command::ARGUMENT.word(n), u32::MAX - turn);
            wire.write(
                offset::command::ARGUMENT.word(n),
                legal.arguments[n as usize],
            );
        }
        // Each mixture is legal or not as a whole; a mixture is not checked in parts.
        match wire.answer(word)? {
            Ok(_) | Err(CommandError::BadArgument | CommandError::BadState) => {}
            Err(error) => anyhow::bail!("a changing QUEUE_SETUP ended with {error:?}"),
        }
    }
    Ok(())
}

fn commands_without_waiting(target: &Target) -> Result<()> {
    let wire = target.wire();
    let mut random = fastrand::Rng::with_seed(7);
    let mut sequence = wire.next_sequence();
    for _ in 0..1000 {
        let opcode = Opcode::ALL[random.usize(..Opcode::ALL.len())];
        let arguments = [random.u32(..), random.u32(..64), random.u32(..)];
        wire.prepare(wire.epoch(), &arguments, &[]);
        wire.post(sequence, opcode as u8);
        sequence = sequence.wrapping_add(1);
    }
    Ok(())
}
