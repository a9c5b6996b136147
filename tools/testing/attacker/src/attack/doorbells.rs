// SPDX-License-Identifier: GPL-2.0
//! Doorbells that ring for nobody, all the time, or by halves.

use anyhow::{Context, Result};
use transport::{Offset, Registers};
use virtio::blk::features;

use super::{Attack, Device};
use crate::bar::Bar;
use crate::block;
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    let storm = |name, device| Attack {
        name,
        about: "all slots are written all the time, while a queue works",
        device,
        run: storm,
    };
    let narrow = |name, device| Attack {
        name,
        about: "slots are written byte by byte and in halves, also across slots",
        device,
        run: narrow_writes,
    };
    let beyond = |name, device| Attack {
        name,
        about: "slots are written before a queue is set up, and beyond the last one",
        device,
        run: beyond_the_queues,
    };
    vec![
        storm("doorbell_storm", Device::Disk),
        narrow("narrow_doorbells", Device::Disk),
        beyond("doorbells_of_no_queue", Device::Disk),
        storm("embedded_doorbell_storm", Device::InterruptedDisk),
        narrow("narrow_embedded_doorbells", Device::InterruptedDisk),
        beyond("embedded_doorbell_of_no_queue", Device::InterruptedDisk),
    ]
}

/// How often all slots are written during a request.
const WRITES: u32 = 2000;

/// The BAR of the slots with their places, all in front of the end of the region.
fn slots(target: &Target) -> Result<(&Bar, Vec<u32>)> {
    let doorbells = target.layout().doorbells();
    let bar = target
        .bar(doorbells.bar)
        .context("there is no doorbell BAR")?;
    let region = doorbells.region;
    let end = region.end().min(bar.size() as u64) as u32;
    Ok((bar, (region.offset..end).step_by(4).collect()))
}

/// Writes a value to all words of the doorbell region.
pub fn write_all(target: &Target, value: u32) -> Result<()> {
    let (bar, slots) = slots(target)?;
    for slot in slots {
        bar.write32(Offset::new(slot), value);
    }
    Ok(())
}

fn storm(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let (bar, slots) = slots(target)?;
    let mut random = fastrand::Rng::with_seed(5);
    for queue in 0..driver.identity().num_queues() {
        for _ in 0..WRITES {
            let slot = slots[random.usize(..slots.len())];
            bar.write32(Offset::new(slot), random.u32(..));
        }
        block::expect_queue_works(&mut driver, queue)?;
    }
    driver.expect_working()
}

fn narrow_writes(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let (bar, slots) = slots(target)?;
    for value in 0..64_u8 {
        // The first few are the slots of queues; all others lie in the same pages.
        for slot in slots.iter().take(4).map(|slot| *slot as usize) {
            for byte in 0..4 {
                bar.write(slot + byte, value.wrapping_mul(7))?;
            }
            bar.write(slot, u16::from(value))?;
            bar.write(slot + 2, u16::from(value))?;
            if slot % 8 == 0 && slot + 8 <= bar.size() {
                bar.write(slot, u64::from(value))?;
            }
        }
    }
    for queue in 0..driver.identity().num_queues() {
        block::expect_queue_works(&mut driver, queue)?;
    }
    driver.expect_working()
}

fn beyond_the_queues(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let (bar, slots) = slots(target)?;
    let last = slots.last().copied().unwrap_or_default();
    let write_around = || {
        for slot in slots
            .iter()
            .copied()
            .chain([last + 4, bar.size() as u32 - 4])
        {
            bar.write32(Offset::new(slot), slot);
        }
    };
    write_around();
    driver.negotiate(features::MQ)?;
    driver.add_queue(1)?;
    write_around();
    driver.start()?;
    write_around();
    block::expect_queue_works(&mut driver, 1)?;
    driver.expect_working()
}
