// SPDX-License-Identifier: GPL-2.0
//! Words of the BARs, written by the wrong side or with the wrong values.

use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use transport::{
    offset, read_config, Command, CommandError, DeviceStatus, Offset, QueueRequest, Registers,
    NO_VECTOR,
};
use virtio::blk::features;

use super::{Attack, Device};
use crate::block;
use crate::driver::RUNNING;
use crate::patience::wait_for;
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "random_words_everywhere",
            about: "random words go to random places of all BARs",
            device: Device::Disk,
            run: random_words_everywhere,
        },
        Attack {
            name: "all_words_are_filled",
            about: "each word of the register BAR becomes 0, then all-ones",
            device: Device::Disk,
            run: all_words_are_filled,
        },
        Attack {
            name: "identity_is_overwritten",
            about: "identity, ready and epoch become all-ones under I/O; the endpoint writes them again",
            device: Device::Disk,
            run: identity_is_overwritten,
        },
        Attack {
            name: "queue_table_is_overwritten",
            about: "the queue table says that a queue is larger and enabled; neither is believed",
            device: Device::Disk,
            run: queue_table_is_overwritten,
        },
        Attack {
            name: "device_status_is_forged",
            about: "the register says DRIVER_OK; commands still find the device reset",
            device: Device::Disk,
            run: device_status_is_forged,
        },
        Attack {
            name: "answers_are_overwritten",
            about: "the endpoint's half of the command block changes while commands are answered",
            device: Device::Disk,
            run: answers_are_overwritten,
        },
        Attack {
            name: "config_is_overwritten",
            about: "device config and its generation are overwritten; they are back after a reset",
            device: Device::Disk,
            run: config_is_overwritten,
        },
    ]
}

/// How many random words are written.
const RANDOM_WORDS: usize = 4000;
/// So that each run writes the same.
const SEED: u64 = 0x4550_4656;

fn random_words_everywhere(target: &Target) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let bars: Vec<_> = target.bars().map(|(_, bar)| bar).collect();
    for _ in 0..RANDOM_WORDS {
        let bar = bars[random.usize(..bars.len())];
        let at = random.u32(..bar.size() as u32);
        bar.write32(Offset::new(at), random.u32(..));
    }
    Ok(())
}

fn all_words_are_filled(target: &Target) -> Result<()> {
    let registers = target.registers();
    for value in [0, u32::MAX] {
        for at in (0..registers.size() as u32).step_by(4) {
            registers.write32(Offset::new(at), value);
        }
    }
    Ok(())
}

fn identity_is_overwritten(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let registers = target.registers();
    let words = || {
        (0..offset::MSIX_REGION.bytes() + 8)
            .step_by(4)
            .map(Offset::new)
    };
    // The generation is back after a reset only.
    let is_counter = |word: &Offset| [offset::HEARTBEAT, offset::CONFIG_GENERATION].contains(word);
    let before: Vec<_> = words().map(|word| registers.read32(word)).collect();
    words().for_each(|word| registers.write32(word, u32::MAX));
    // Queues do not need registers.
    for queue in 0..driver.identity().num_queues() {
        block::expect_queue_works(&mut driver, queue)?;
    }
    for (word, value) in words().zip(before).filter(|(word, _)| !is_counter(word)) {
        let what = format!("word {:#x} of the identity, {value:#x}", word.bytes());
        wait_for(&what, BACK, || {
            (registers.read32(word) == value).then_some(())
        })?;
    }
    driver.expect_working()
}

/// For the endpoint to write its words again: some beats.
const BACK: Duration = Duration::from_secs(5);

fn queue_table_is_overwritten(target: &Target) -> Result<()> {
    let wire = target.wire();
    let registers = target.registers();
    let table = registers.read32(offset::QUEUE_TABLE_REGION);
    let stride = registers.read32(offset::QUEUE_STRIDE);
    let mut driver = target.driver()?;
    driver.negotiate(0)?;
    let ring = crate::ring::Ring::new(&target.memory, 4)?;
    for queue in 0..driver.identity().num_queues() {
        let entry = Offset::new(table + stride * u32::from(queue));
        registers.write32(entry, 32768);
        registers.write32(entry.word(1), 1);
        let too_large = QueueRequest {
            size: 32768,
            ..ring.request(queue)
        };
        wire.expect_error(&Command::SetupQueue(too_large), CommandError::BadArgument)?;
        wire.expect_error(&Command::EnableQueue(queue.into()), CommandError::BadState)?;
        wire.expect_okay(&Command::SetupQueue(ring.request(queue)))?;
        let what = format!("the largest size of queue {queue}");
        wait_for(&what, BACK, || {
            (registers.read32(entry) != 32768).then_some(())
        })?;
    }
    Ok(())
}

fn device_status_is_forged(target: &Target) -> Result<()> {
    let wire = target.wire();
    target.driver()?.reset()?;
    let registers = target.registers();
    registers.write32(offset::DEVICE_STATUS, RUNNING.into());
    let ring = crate::ring::Ring::new(&target.memory, 4)?;
    wire.expect_error(
        &Command::SetupQueue(ring.request(0)),
        CommandError::BadState,
    )?;
    wire.expect_okay(&Command::SetFeatures(0))?;
    let [status, ..] = wire.expect_okay(&Command::SetStatus(1))?;
    ensure!(status == 1, "expected device status 1, got {status:#x}");
    wait_for("the true device status", BACK, || {
        (registers.read32(offset::DEVICE_STATUS) == 1).then_some(())
    })?;
    registers.write32(
        offset::DEVICE_STATUS,
        DeviceStatus::DEVICE_NEEDS_RESET.bits().into(),
    );
    wire.expect_okay(&Command::SetStatus(3)).map(drop)
}

fn answers_are_overwritten(target: &Target) -> Result<()> {
    let wire = target.wire();
    target.driver()?.reset()?;
    for turn in 0..50 {
        let sequence = wire.next_sequence();
        wire.prepare(wire.epoch(), &[1], &[]);
        let word = wire.post(sequence, Command::SetStatus(1).opcode() as u8);
        for at in (offset::command::ANSWER.bytes()..0x200).step_by(4) {
            wire.write(Offset::new(at), word.wrapping_add(turn % 2));
        }
    }
    // The last one may have been answered before it was overwritten: send another one.
    match wire.execute(&Command::Reset)? {
        Ok(_) => Ok(()),
        Err(error) => bail!("RESET was refused: {error:?}"),
    }
}

fn config_is_overwritten(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let registers = target.registers();
    let read = |identity: &_| {
        let mut bytes = [0; 64];
        let read = wait_for("a stable device config", BACK, || {
            read_config(identity, registers, 0, &mut bytes).ok()
        });
        read.map(|_| bytes)
    };
    let before = read(driver.identity())?;
    let start = registers.read32(offset::CONFIG_REGION);
    let size = registers.read32(offset::CONFIG_REGION.word(1));
    for at in (start..start + size).step_by(4) {
        registers.write32(Offset::new(at), 0xdead_beef);
    }
    registers.write32(offset::CONFIG_GENERATION, 0x7fff_ffff);
    driver.reset()?;
    let after = read(driver.identity()).context("after a reset")?;
    ensure!(
        before == after,
        "device config was {before:x?} and is {after:x?} after a reset"
    );
    let vectors = Command::SetInterrupts {
        mode: 0,
        vectors: 0,
        config_vector: NO_VECTOR,
    };
    driver.command(&vectors).map(drop)
}
