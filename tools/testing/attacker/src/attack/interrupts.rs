// SPDX-License-Identifier: GPL-2.0
//! Interrupts that the root complex masks, redirects or does not enable.
//!
//! An MSI-X message is a write to an address of the root complex's choice: here to memory, where it can
//! be seen.

use anyhow::{ensure, Context, Result};
use transport::{Command, CommandError, InterruptMode, Offset, Registers, NO_VECTOR};
use virtio::blk::features;

use super::{Attack, Device};
use crate::block;
use crate::dma::Place;
use crate::driver::Driver;
use crate::patience::{wait_for, PATIENCE};
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "interrupt_settings_out_of_range",
            about: "modes and numbers of vectors are none, too many, or not the controller's",
            device: Device::Disk,
            run: interrupt_settings_out_of_range,
        },
        Attack {
            name: "masked_vector_is_not_lost",
            about: "a vector is masked during I/O; its interrupt comes once it is unmasked",
            device: Device::Disk,
            run: masked_vector_is_not_lost,
        },
        Attack {
            name: "interrupts_are_not_enabled",
            about: "queues use vectors of a capability that is off, then on",
            device: Device::Disk,
            run: interrupts_are_not_enabled,
        },
        Attack {
            name: "vector_table_changes_under_io",
            about: "addresses of interrupt messages change all the time during I/O",
            device: Device::Disk,
            run: vector_table_changes_under_io,
        },
    ]
}

const QUEUE: u16 = 0;
const VECTOR: u32 = 1;
/// What a message writes.
const MESSAGE: u32 = 0x4d53_4958;

/// An entry of the MSI-X table, in words: address, data, control.
const ENTRY_WORDS: u32 = 4;
const DATA_WORD: u32 = 2;
const CONTROL_WORD: u32 = 3;
const MASKED: u32 = 1;

fn interrupt_settings_out_of_range(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let bad = [
        (0, 1, NO_VECTOR),
        (0, 0, 0),
        (1, 0, NO_VECTOR),
        (1, 2, NO_VECTOR),
        (1, 1, 1),
        (2, 0, NO_VECTOR),
        (2, 33, NO_VECTOR),
        (2, 32, NO_VECTOR),
        (2, 1, 1),
        (3, 0, NO_VECTOR),
        (3, 2049, NO_VECTOR),
        (3, 2048, NO_VECTOR),
        (3, 1, 0x1_ffff),
        (4, 1, NO_VECTOR),
        (u32::MAX, 1, 0),
        (3, u32::MAX, 0),
        (3, 1, u32::MAX),
    ];
    for (mode, vectors, config_vector) in bad {
        let command = Command::SetInterrupts {
            mode,
            vectors,
            config_vector,
        };
        driver.refused(&command, CommandError::BadArgument)?;
    }
    Ok(())
}

/// A disk whose queue interrupts by a vector, and where its messages go.
struct Session<'a> {
    driver: Driver<'a>,
    message: Place,
}

impl<'a> Session<'a> {
    fn new(target: &'a Target) -> Result<Self> {
        let mut driver = target.driver()?;
        driver.negotiate(features::MQ)?;
        driver.command(&Command::SetInterrupts {
            mode: InterruptMode::MsiX as u32,
            vectors: VECTOR + 1,
            config_vector: 0,
        })?;
        driver.add_queue_with(QUEUE, VECTOR)?;
        driver.ring(QUEUE)?.set_interrupts(true);
        driver.start()?;
        let message = target.memory.take(4)?;
        Ok(Self { driver, message })
    }

    /// Writes the table's entry of the vector.
    fn point(&self, address: u64, control: u32) -> Result<()> {
        let (registers, entry) = self.entry()?;
        registers.write32(entry.word(CONTROL_WORD), MASKED);
        registers.write32(entry, address as u32);
        registers.write32(entry.word(1), (address >> 32) as u32);
        registers.write32(entry.word(DATA_WORD), MESSAGE);
        registers.write32(entry.word(CONTROL_WORD), control);
        Ok(())
    }

    fn entry(&self) -> Result<(&'a crate::bar::Bar, Offset)> {
        let target = self.driver.target;
        let msix = target.layout().msix().context("no MSI-X")?;
        let bar = target.bar(msix.bar).context("no BAR of MSI-X")?;
        let table = Offset::new(msix.region.offset);
        Ok((bar, table.word(VECTOR * ENTRY_WORDS)))
    }

    fn has_message(&self) -> bool {
        let word: u32 = self.driver.target.memory.load(self.message, 0);
        u32::from_le(word) == MESSAGE
    }

    fn expect_message(&self) -> Result<()> {
        wait_for("an interrupt", PATIENCE, || {
            self.has_message().then_some(())
        })
    }

    fn finish(self) -> Result<()> {
        self.driver.expect_working()?;
        self.driver.target.function.set_msix(false)
    }
}

fn masked_vector_is_not_lost(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    target.function.set_msix(true)?;
    session.point(session.message.address, MASKED)?;
    block::expect_queue_works(&mut session.driver, QUEUE)?;
    ensure!(!session.has_message(), "a masked vector interrupted");
    session.point(session.message.address, 0)?;
    session.expect_message()?;
    session.finish()
}

fn interrupts_are_not_enabled(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    session.point(session.message.address, 0)?;
    block::expect_queue_works(&mut session.driver, QUEUE)?;
    ensure!(!session.has_message(), "MSI-X is off, and interrupted");
    target.function.set_msix(true)?;
    session.expect_message()?;
    session.finish()
}

fn vector_table_changes_under_io(target: &Target) -> Result<()> {
    let mut session = Session::new(target)?;
    target.function.set_msix(true)?;
    let nowhere = 1 << 52;
    let addresses = [
        session.message.address,
        nowhere,
        session.message.address + 2,
        0,
    ];
    for turn in 0..12 {
        session.point(addresses[turn % addresses.len()], 0)?;
        block::expect_queue_works(&mut session.driver, QUEUE)?;
    }
    session.point(session.message.address, 0)?;
    block::expect_queue_works(&mut session.driver, QUEUE)?;
    session.expect_message()?;
    session.finish()
}
