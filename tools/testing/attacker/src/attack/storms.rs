// SPDX-License-Identifier: GPL-2.0
//! Resets, and queues that come and go, in the middle of I/O.

use anyhow::{ensure, Context, Result};
use transport::{Command, QueueState, Reply};
use virtio::blk::{features, request, RequestStatus};

use super::{Attack, Device};
use crate::block::{self, Buffers};
use crate::driver::Driver;
use crate::ring::Ring;
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "resets_under_io",
            about: "the device is reset while requests are in flight; memory is left alone afterwards",
            device: Device::Disk,
            run: resets_under_io,
        },
        Attack {
            name: "queue_disabled_under_io",
            about: "a queue is disabled and enabled while requests are in flight; none is lost",
            device: Device::Disk,
            run: queue_disabled_under_io,
        },
        Attack {
            name: "queue_moved_under_io",
            about: "a queue is set up elsewhere while requests are in flight; the old place is left alone",
            device: Device::Disk,
            run: queue_moved_under_io,
        },
        Attack {
            name: "neighbour_never_stops",
            about: "a queue has requests in flight while another one is disabled, enabled and broken",
            device: Device::Disk,
            run: neighbour_never_stops,
        },
        Attack {
            name: "resets_without_pause",
            about: "the device is brought up and reset as fast as it answers",
            device: Device::Disk,
            run: resets_without_pause,
        },
        Attack {
            name: "resets_under_io_by_interrupt",
            about: "the same as resets_under_io, with doorbells that interrupt the endpoint",
            device: Device::InterruptedDisk,
            run: resets_under_io,
        },
    ]
}

const QUEUE: u16 = 0;
/// A queue to which nothing happens.
const NEIGHBOUR: u16 = 1;
/// Requests that are in flight when something happens.
const IN_FLIGHT: usize = 24;
/// How often it happens.
const TURNS: usize = 10;

/// Requests to read, with their memory.
fn reads(driver: &Driver<'_>) -> Result<Vec<Buffers>> {
    let memory = &driver.target.memory;
    let requests = (0..IN_FLIGHT).map(|_| Buffers::new(memory));
    requests.collect()
}

/// Makes all requests available with one kick.
fn submit_all(driver: &mut Driver<'_>, queue: u16, requests: &[Buffers]) -> Result<()> {
    let memory = driver.target.memory.clone();
    let ring = driver.ring(queue)?;
    for (request, sector) in requests.iter().zip(0..) {
        request.prepare(&memory, request::IN, sector * 8);
        let head = ring.chain(&[request.header], &[request.data, request.status]);
        ring.offer(head);
    }
    driver.kick(queue)
}

/// Waits until all requests have ended, which they have to do well.
fn finish_all(driver: &mut Driver<'_>, queue: u16, requests: &[Buffers]) -> Result<()> {
    for _ in requests {
        driver.wait_used(queue)?;
    }
    for request in requests {
        let status: u8 = driver.target.memory.load(request.status, 0);
        ensure!(
            status == RequestStatus::Ok as u8,
            "a request of queue {queue} ended with status {status:#x}"
        );
    }
    Ok(())
}

/// Fails when the endpoint writes to a ring or to a request while none is enabled.
fn expect_left_alone(driver: &Driver<'_>, ring: &Ring, requests: &[Buffers]) -> Result<()> {
    let memory = &driver.target.memory;
    let places = requests
        .iter()
        .flat_map(|request| [request.data, request.status]);
    for place in places.chain([ring.device]) {
        memory.write(place, 0, &vec![0x5a; place.len]);
    }
    // Two answers of the endpoint later whatever was on its way has arrived.
    let wire = driver.target.wire();
    for _ in 0..2 {
        let _ = wire.send(0xee, &[])?;
    }
    for place in requests
        .iter()
        .flat_map(|request| [request.data, request.status])
    {
        let bytes = memory.read(place);
        ensure!(
            bytes.iter().all(|byte| *byte == 0x5a),
            "a buffer at {:#x} was written after the queue was stopped",
            place.address
        );
    }
    let used = memory.read(ring.device);
    ensure!(
        used.iter().all(|byte| *byte == 0x5a),
        "the used ring was written after the queue was stopped"
    );
    Ok(())
}

fn resets_under_io(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let requests = reads(&driver)?;
    for _ in 0..TURNS {
        driver.bring_up(features::MQ)?;
        submit_all(&mut driver, QUEUE, &requests)?;
        driver.command(&Command::Reset)?;
        let ring = std::mem::replace(driver.ring(QUEUE)?, Ring::new(&target.memory, 1)?);
        expect_left_alone(&driver, &ring, &requests)?;
        driver = target.driver()?;
    }
    Ok(())
}

fn queue_disabled_under_io(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let requests = reads(&driver)?;
    for turn in 0..TURNS {
        submit_all(&mut driver, QUEUE, &requests)?;
        driver.command(&Command::DisableQueue(QUEUE.into()))?;
        driver.command(&Command::EnableQueue(QUEUE.into()))?;
        finish_all(&mut driver, QUEUE, &requests).with_context(|| format!("turn {turn}"))?;
    }
    block::expect_queue_works(&mut driver, QUEUE)?;
    driver.expect_working()
}

fn queue_moved_under_io(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let requests = reads(&driver)?;
    for _ in 0..TURNS {
        submit_all(&mut driver, QUEUE, &requests)?;
        driver.command(&Command::DisableQueue(QUEUE.into()))?;
        let state = driver.command(&Command::GetQueueState(QUEUE.into()))?;
        let ring = driver.ring(QUEUE)?;
        let Reply::QueueState(QueueState { available, .. }) = state else {
            anyhow::bail!("QUEUE_GET_STATE gave {state:?}");
        };
        let used = ring.available().wrapping_sub(ring.in_flight());
        let ahead = available.wrapping_sub(used);
        ensure!(
            ahead <= ring.in_flight(),
            "the queue is at {available}, expected {used} to {}",
            ring.available()
        );
        let old = std::mem::replace(driver.ring(QUEUE)?, Ring::new(&target.memory, 64)?);
        expect_left_alone(&driver, &old, &requests)?;
        let wire = target.wire();
        wire.expect_okay(&Command::SetupQueue(driver.ring(QUEUE)?.request(QUEUE)))?;
        wire.expect_okay(&Command::EnableQueue(QUEUE.into()))?;
        block::expect_queue_works(&mut driver, QUEUE)?;
        driver = target.driver()?;
        driver.bring_up(features::MQ)?;
    }
    Ok(())
}

fn neighbour_never_stops(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let (others, requests) = (reads(&driver)?, reads(&driver)?);
    for turn in 0..TURNS {
        submit_all(&mut driver, NEIGHBOUR, &requests)?;
        submit_all(&mut driver, QUEUE, &others)?;
        driver.command(&Command::DisableQueue(QUEUE.into()))?;
        // What was in flight, without another kick, and what comes then.
        finish_all(&mut driver, NEIGHBOUR, &requests).with_context(|| format!("turn {turn}"))?;
        submit_all(&mut driver, NEIGHBOUR, &requests)?;
        finish_all(&mut driver, NEIGHBOUR, &requests).with_context(|| format!("turn {turn}"))?;
        driver.command(&Command::EnableQueue(QUEUE.into()))?;
        finish_all(&mut driver, QUEUE, &others)?;
    }
    submit_all(&mut driver, NEIGHBOUR, &requests)?;
    driver.ring(QUEUE)?.offer(u16::MAX);
    driver.kick(QUEUE)?;
    driver.expect_needs_reset()?;
    finish_all(&mut driver, NEIGHBOUR, &requests).context("beside a broken queue")?;
    block::expect_queue_works(&mut driver, NEIGHBOUR)
}

fn resets_without_pause(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let wire = target.wire();
    driver.negotiate(0)?;
    driver.add_queue(0)?;
    let request = driver.ring(0)?.request(0);
    for _ in 0..100 {
        wire.expect_okay(&Command::Reset)?;
        wire.expect_okay(&Command::SetStatus(3))?;
        wire.expect_okay(&Command::SetFeatures(transport::feature::OFFERED))?;
        wire.expect_okay(&Command::SetStatus(crate::driver::SETTLED))?;
        wire.expect_okay(&Command::SetupQueue(request))?;
        wire.expect_okay(&Command::EnableQueue(0))?;
        wire.expect_okay(&Command::SetStatus(crate::driver::RUNNING))?;
    }
    Ok(())
}
