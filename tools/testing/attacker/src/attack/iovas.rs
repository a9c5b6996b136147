// SPDX-License-Identifier: GPL-2.0
//! Rings and buffers at addresses that the endpoint translates: unmapped, in pieces, or unmapped under it.

use anyhow::{ensure, Result};
use transport::{Command, CommandError, Mapping, QueueRequest};
use virtio::blk::{request, RequestStatus, SECTOR_SIZE};

use super::mappings::{map, map_all, mapping, pages, range, NOWHERE, PAGE, TOP};
use super::{Attack, Device};
use crate::block::{self, Buffers, DATA};
use crate::dma::Place;
use crate::driver::Driver;
use crate::ring::Ring;
use crate::target::Target;

/// How often memory is unmapped under a request.
const CYCLES: u64 = 100;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "areas_outside_of_mappings",
            about: "areas are not mapped, in part, or not for what is done there",
            device: Device::Disk,
            run: areas_outside_of_mappings,
        },
        Attack {
            name: "buffers_outside_of_mappings",
            about: "buffers are not mapped, in part, or not for what is done there",
            device: Device::Disk,
            run: buffers_outside_of_mappings,
        },
        Attack {
            name: "buffers_in_pieces",
            about:
                "pages of a ring and of buffers are mapped in reverse order, with rights as needed",
            device: Device::Disk,
            run: buffers_in_pieces,
        },
        Attack {
            name: "ring_is_unmapped",
            about: "the ring of a queue that runs is unmapped, and not touched any more",
            device: Device::Disk,
            run: ring_is_unmapped,
        },
        Attack {
            name: "buffers_are_unmapped",
            about: "buffers are unmapped under requests, and not touched after the answer",
            device: Device::Disk,
            run: buffers_are_unmapped,
        },
    ]
}

fn areas_outside_of_mappings(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    // Nothing is mapped, and addresses are IOVAs.
    driver.command(&Command::Unmap(range(0, PAGE)))?;
    driver.negotiate(0)?;
    let ring = Ring::new(&target.memory, 64)?;
    let areas = [ring.descriptors, ring.driver, ring.device];
    refuse_ring(&mut driver, ring.request(0))?;
    for (missing, area) in areas.into_iter().enumerate() {
        for (n, other) in areas.into_iter().enumerate() {
            let pages = pages(other);
            // All rights but those that are needed, or none.
            let rights = Mapping {
                read: n != missing || n == 2,
                write: n != missing || n != 2,
                ..mapping(pages.iova, pages.length, pages.iova)
            };
            driver.command(&Command::Map(rights))?;
        }
        refuse_ring(&mut driver, ring.request(0))?;
        driver.command(&Command::Unmap(pages(area)))?;
        refuse_ring(&mut driver, ring.request(0))?;
        driver.command(&Command::Unmap(range(0, TOP)))?;
    }
    map_all(&mut driver)?;
    let all = target.memory.all();
    let request = ring.request(0);
    let end = all.address + all.len as u64;
    let in_part = QueueRequest {
        desc_area: end - 16,
        ..request
    };
    refuse_ring(&mut driver, in_part)?;
    driver.add_queue(0)?;
    driver.start()?;
    block::expect_queue_works(&mut driver, 0)
}

fn refuse_ring(driver: &mut Driver<'_>, request: QueueRequest) -> Result<()> {
    driver.command(&Command::SetupQueue(request))?;
    let enable = Command::EnableQueue(request.queue);
    driver.refused(&enable, CommandError::BadState)
}

fn buffers_outside_of_mappings(target: &Target) -> Result<()> {
    let all = target.memory.all();
    let end = all.address + all.len as u64;
    for address in [NOWHERE, all.address - DATA as u64, end - 1, end, TOP] {
        let mut driver = target.driver()?;
        map_all(&mut driver)?;
        driver.bring_up(0)?;
        let buffers = Buffers::new(&target.memory)?;
        for kind in [request::IN, request::OUT] {
            fails(&mut driver, &buffers, kind, buffers.data.elsewhere(address))?;
        }
    }
    // Mapped, but for the other direction.
    let mut driver = target.driver()?;
    map_all(&mut driver)?;
    for (page, read) in [(NOWHERE, true), (NOWHERE + PAGE, false)] {
        let rights = Mapping {
            read,
            write: !read,
            ..mapping(page, PAGE, all.address)
        };
        driver.command(&Command::Map(rights))?;
    }
    driver.bring_up(0)?;
    let buffers = Buffers::new(&target.memory)?;
    let (readable, writable) = (NOWHERE, NOWHERE + PAGE);
    let before = target.memory.read(all.part(0, DATA));
    fails(
        &mut driver,
        &buffers,
        request::IN,
        buffers.data.elsewhere(readable),
    )?;
    fails(
        &mut driver,
        &buffers,
        request::OUT,
        buffers.data.elsewhere(writable),
    )?;
    ensure!(
        target.memory.read(all.part(0, DATA)) == before,
        "the endpoint wrote where it may read only"
    );
    Ok(())
}

/// Makes a request for data at a bad place, which must not succeed.
fn fails(driver: &mut Driver<'_>, buffers: &Buffers, kind: u32, data: Place) -> Result<()> {
    if driver.has_given_up() {
        return Ok(());
    }
    buffers.prepare(&driver.target.memory, kind, 0);
    if kind == request::IN {
        driver.submit(0, &[buffers.header], &[data, buffers.status])?;
    } else {
        driver.submit(0, &[buffers.header, data], &[buffers.status])?;
    }
    driver.settles(0)?;
    let status: u8 = driver.target.memory.load(buffers.status, 0);
    ensure!(
        status != RequestStatus::Ok as u8,
        "request {kind} with data at {:#x} succeeded",
        data.address
    );
    Ok(())
}

fn buffers_in_pieces(target: &Target) -> Result<()> {
    const PAGES: u64 = 16;
    const FIRST: u64 = 0x10_0000;
    let memory = &target.memory;
    // Where page `n` of what the device sees is in our memory.
    let real = memory.take((PAGES * PAGE) as usize)?;
    let page = |n: u64| real.part(((PAGES - 1 - n) * PAGE) as usize, PAGE as usize);
    let mut driver = target.driver()?;
    for n in 0..PAGES {
        driver.command(&map(FIRST + n * PAGE, PAGE, page(n).address))?;
    }
    driver.negotiate(0)?;
    // A table over two pages, so that it is in pieces: 256 descriptors from the middle of page 0 on.
    let queue = driver.identity().queue(0);
    let size = queue.and_then(|queue| driver.identity().queue_size(target.registers(), queue));
    let size = size.map_or(64, |size| size.get()).min(256);
    driver.command(&Command::SetupQueue(QueueRequest {
        queue: 0,
        size: size.into(),
        vector: transport::NO_VECTOR,
        desc_area: FIRST + PAGE / 2,
        driver_area: FIRST + 3 * PAGE - 2,
        device_area: FIRST + 5 * PAGE - 4,
    }))?;
    driver.command(&Command::EnableQueue(0))?;
    driver.command(&Command::DisableQueue(0))?;
    // One that works: the rest of our memory at its own addresses, data in pieces.
    let all = memory.all();
    driver.command(&map(all.address, all.len as u64, all.address))?;
    driver.add_queue(0)?;
    driver.start()?;
    let buffers = Buffers::new(memory)?;
    let data = buffers.data.elsewhere(FIRST + 8 * PAGE + 1000);
    let mut pattern = vec![0; DATA];
    fastrand::Rng::new().fill(&mut pattern);
    let (first, second) = pattern.split_at(PAGE as usize - 1000);
    memory.write(page(8), 1000, first);
    memory.write(page(9), 0, second);
    buffers.prepare(memory, request::OUT, 0);
    let readable = [buffers.header, data];
    let status = block::execute(&mut driver, 0, &buffers, &readable, &[buffers.status])?;
    ensure!(status == RequestStatus::Ok as u8, "the write failed");
    block::transfer(&mut driver, 0, &buffers, request::IN, 0)?;
    ensure!(
        memory.read(buffers.data) == pattern,
        "the disk does not have what the pieces had"
    );
    Ok(())
}

fn ring_is_unmapped(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let all = target.memory.all();
    map_all(&mut driver)?;
    driver.bring_up(0)?;
    block::expect_queue_works(&mut driver, 0)?;
    driver.command(&Command::Unmap(range(all.address, all.len as u64)))?;
    let ring = driver.ring(0)?;
    let device = ring.device;
    let pattern = vec![0x5a; device.len];
    target.memory.write(device, 0, &pattern);
    for index in [0, 1] {
        driver.kick(index)?;
    }
    driver.expect_needs_reset()?;
    for index in [0, 1] {
        driver.command(&Command::DisableQueue(index))?;
    }
    ensure!(
        target.memory.read(device) == pattern,
        "the endpoint wrote to a ring that is not mapped"
    );
    Ok(())
}

fn buffers_are_unmapped(target: &Target) -> Result<()> {
    const IOVA: u64 = 1 << 40;
    let memory = &target.memory;
    let mut driver = target.driver()?;
    map_all(&mut driver)?;
    driver.bring_up(0)?;
    let buffers = Buffers::new(memory)?;
    let data = buffers.data.elsewhere(IOVA);
    for turn in 0..CYCLES {
        driver.command(&map(IOVA, PAGE, buffers.data.address))?;
        let sector = turn * DATA as u64 / SECTOR_SIZE as u64;
        buffers.prepare(memory, request::IN, sector);
        driver.submit(0, &[buffers.header], &[data, buffers.status])?;
        driver.command(&Command::Unmap(range(IOVA, PAGE)))?;
        let pattern = vec![turn as u8 | 1; DATA];
        memory.write(buffers.data, 0, &pattern);
        driver.wait_used(0)?;
        ensure!(
            memory.read(buffers.data) == pattern,
            "turn {turn}: the endpoint wrote to a buffer that is not mapped any more"
        );
    }
    driver.expect_working()
}
