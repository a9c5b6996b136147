// SPDX-License-Identifier: GPL-2.0
//! An address space that makes no sense, or that changes under the device's feet.

use anyhow::{ensure, Result};
use transport::{AnswerError, Command, CommandError, Mapping, Range, MAP_ALIGN};

use super::{Attack, Device};
use crate::block;
use crate::dma::Place;
use crate::driver::Driver;
use crate::target::Target;

pub(super) const PAGE: u64 = MAP_ALIGN;
/// The last page of an address space.
pub(super) const TOP: u64 = 0u64.wrapping_sub(PAGE);
/// An IOVA where nothing is mapped, and no memory is at that PCI address.
pub(super) const NOWHERE: u64 = 1 << 52;
/// More mappings than an endpoint is known to hold.
const MAPPINGS: u64 = 1 << 16;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "mappings_out_of_range",
            about: "mappings are empty, misaligned, wrap around, permit nothing, are of no address space",
            device: Device::Disk,
            run: mappings_out_of_range,
        },
        Attack {
            name: "mappings_overlap",
            about: "mappings overlap, and are removed by halves",
            device: Device::Disk,
            run: mappings_overlap,
        },
        Attack {
            name: "mappings_without_end",
            about: "mappings are made until there are too many",
            device: Device::Disk,
            run: mappings_without_end,
        },
        Attack {
            name: "mappings_under_a_queue",
            about: "the first mapping comes while a queue runs on PCI addresses",
            device: Device::Disk,
            run: mappings_under_a_queue,
        },
        Attack {
            name: "groups_out_of_range",
            about: "groups and address spaces that do not exist, and a group that moves under its queues",
            device: Device::Disk,
            run: groups_out_of_range,
        },
    ]
}

pub(super) fn range(iova: u64, length: u64) -> Range {
    Range {
        space: 0,
        iova,
        length,
    }
}

pub(super) fn mapping(iova: u64, length: u64, pci_addr: u64) -> Mapping {
    Mapping {
        range: range(iova, length),
        pci_addr,
        read: true,
        write: true,
    }
}

pub(super) fn map(iova: u64, length: u64, pci_addr: u64) -> Command {
    Command::Map(mapping(iova, length, pci_addr))
}

/// Maps all of our memory at its own addresses.
pub(super) fn map_all(driver: &mut Driver<'_>) -> Result<()> {
    let all = driver.target.memory.all();
    let command = map(all.address, all.len as u64, all.address);
    driver.command(&command).map(drop)
}

/// The pages that a place is in.
pub(super) fn pages(place: Place) -> Range {
    let first = place.address & !(PAGE - 1);
    let end = (place.address + place.len as u64).next_multiple_of(PAGE);
    range(first, end - first)
}

fn mappings_out_of_range(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    for (iova, length, pci_addr) in [
        (0, 0, 0),
        (0, 1, 0),
        (1, PAGE, 0),
        (0, PAGE, 1),
        (0, PAGE - 1, 0),
        (0, PAGE + 1, 0),
        (TOP, 2 * PAGE, 0),
        (2 * PAGE, TOP, 0),
        (0, 2 * PAGE, TOP),
        (u64::MAX, u64::MAX, u64::MAX),
    ] {
        let command = map(iova, length, pci_addr);
        driver.refused(&command, CommandError::BadArgument)?;
    }
    for (iova, length) in [(0, 0), (0, 1), (1, PAGE), (TOP, 2 * PAGE)] {
        let command = Command::Unmap(range(iova, length));
        driver.refused(&command, CommandError::BadArgument)?;
    }
    for space in [1, 2, 0x7fff, u16::MAX] {
        let range = Range {
            space,
            ..range(0, PAGE)
        };
        let mapping = Mapping {
            range,
            ..mapping(0, PAGE, 0)
        };
        driver.refused(&Command::Map(mapping), CommandError::BadArgument)?;
        driver.refused(&Command::Unmap(range), CommandError::BadArgument)?;
    }
    let nothing = Mapping {
        read: false,
        write: false,
        ..mapping(0, PAGE, 0)
    };
    driver.refused(&Command::Map(nothing), CommandError::BadArgument)?;
    // None of that has made addresses IOVAs.
    block::expect_usable(&mut driver)
}

fn mappings_overlap(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.command(&map(4 * PAGE, 4 * PAGE, 0))?;
    for (iova, length) in [
        (4 * PAGE, 4 * PAGE),
        (0, 5 * PAGE),
        (7 * PAGE, PAGE),
        (5 * PAGE, PAGE),
        (7 * PAGE, 9 * PAGE),
        (0, TOP),
    ] {
        driver.refused(&map(iova, length, 0), CommandError::BadState)?;
    }
    for (iova, length) in [(4 * PAGE, PAGE), (5 * PAGE, 3 * PAGE), (0, 7 * PAGE)] {
        let command = Command::Unmap(range(iova, length));
        driver.refused(&command, CommandError::BadState)?;
    }
    driver.command(&map(0, 4 * PAGE, 0))?;
    driver.command(&map(TOP, PAGE, TOP))?;
    driver.command(&Command::Unmap(range(0, TOP)))?;
    driver.command(&Command::Unmap(range(0, TOP)))?;
    driver.command(&map(0, TOP, PAGE))?;
    Ok(())
}

fn mappings_without_end(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let mut count = 0;
    loop {
        ensure!(
            count < MAPPINGS,
            "the endpoint takes any number of mappings"
        );
        match driver.answer(&map(2 * count * PAGE, PAGE, 0))? {
            Ok(_) => count += 1,
            Err(AnswerError::Refused(CommandError::NoResources)) => break,
            answer => anyhow::bail!("mapping {count}: expected NoResources, got {answer:?}"),
        }
    }
    ensure!(count != 0, "the endpoint takes no mapping");
    driver.command(&Command::Unmap(range(0, PAGE)))?;
    driver.command(&map(PAGE, PAGE, 0))?;
    driver.refused(&map(0, PAGE, 0), CommandError::NoResources)?;
    driver.reset()?;
    driver.command(&map(0, PAGE, 0)).map(drop)
}

fn mappings_under_a_queue(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(0)?;
    driver.refused(&map(0, PAGE, 0), CommandError::BadState)?;
    let unmap = Command::Unmap(range(0, PAGE));
    driver.refused(&unmap, CommandError::BadState)?;
    block::expect_queue_works(&mut driver, 0)?;
    block::expect_queue_works(&mut driver, 1)
}

fn groups_out_of_range(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(0)?;
    let set = |group, space| Command::SetGroupSpace { group, space };
    for (group, space) in [
        (1, 0),
        (0, 1),
        (7, 7),
        (0x100, 0),
        (0x1_0000, 0),
        (u32::MAX, 0),
        (0, u32::MAX),
    ] {
        driver.refused(&set(group, space), CommandError::BadArgument)?;
    }
    driver.refused(&set(0, 0), CommandError::BadState)?;
    block::expect_queue_works(&mut driver, 0)?;
    driver.reset()?;
    driver.command(&set(0, 0)).map(drop)
}
