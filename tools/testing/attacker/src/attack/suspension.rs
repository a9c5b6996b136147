// SPDX-License-Identifier: GPL-2.0
//! A device that is suspended, and what is done to it all the same.

use anyhow::{ensure, Result};
use transport::{Command, CommandError, QueueState, Reply};
use virtio::blk::{request, RequestStatus, SECTOR_SIZE};

use super::{Attack, Device};
use crate::block::{self, Buffers, DATA};
use crate::driver::Driver;
use crate::ring::Ring;
use crate::target::Target;

/// How often a queue that stands still is looked at. The thread that answers looks at doorbells too.
const LOOKS: u32 = 50;

/// How many requests are in flight when the device is suspended.
const REQUESTS: u64 = 16;

/// How often it is suspended under requests.
const CYCLES: u32 = 100;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "suspension_out_of_order",
            about: "SUSPEND and RESUME come where they do not belong, and are refused",
            device: Device::Disk,
            run: suspension_out_of_order,
        },
        Attack {
            name: "queues_change_while_suspended",
            about: "queues of a suspended device are set up, enabled, disabled, moved, and the device reset",
            device: Device::Disk,
            run: queues_change_while_suspended,
        },
        Attack {
            name: "kicks_while_suspended",
            about: "a suspended device is kicked and touches nothing, then serves what came meanwhile",
            device: Device::Disk,
            run: kicks_while_suspended,
        },
        Attack {
            name: "interrupted_kicks_while_suspended",
            about: "the same with doorbells that interrupt the endpoint",
            device: Device::InterruptedDisk,
            run: kicks_while_suspended,
        },
        Attack {
            name: "suspensions_under_requests",
            about: "a device is suspended 100 times with requests in flight, each of which ends once",
            device: Device::Disk,
            run: suspensions_under_requests,
        },
    ]
}

fn suspension_out_of_order(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let refused = |driver: &mut Driver<'_>, command: &Command| {
        driver.refused(command, CommandError::BadState)
    };
    refused(&mut driver, &Command::Suspend)?;
    driver.negotiate(0)?;
    driver.add_queue(0)?;
    refused(&mut driver, &Command::Suspend)?;
    refused(&mut driver, &Command::Resume)?;
    driver.start()?;
    refused(&mut driver, &Command::Resume)?;
    driver.command(&Command::Suspend)?;
    refused(&mut driver, &Command::Suspend)?;
    driver.command(&Command::Resume)?;
    refused(&mut driver, &Command::Resume)?;
    driver.command(&Command::Suspend)?;
    // A reset ends it.
    driver.reset()?;
    refused(&mut driver, &Command::Resume)
}

fn queues_change_while_suspended(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(0)?;
    block::expect_queue_works(&mut driver, 0)?;
    driver.command(&Command::Suspend)?;
    let ring = Ring::new(&target.memory, 4)?;
    let setup = Command::SetupQueue(ring.request(0));
    let enable = Command::EnableQueue(0);
    for command in [&setup, &enable] {
        driver.refused(command, CommandError::BadState)?;
    }
    let state = state(&mut driver)?;
    for available in [state.available.wrapping_add(7), 0xffff, state.available] {
        let moved = QueueState { available, used: 0 };
        driver.command(&Command::SetQueueState(0, moved))?;
        expect_state(&mut driver, moved)?;
    }
    driver.command(&Command::DisableQueue(0))?;
    expect_state(&mut driver, state)?;
    for command in [&setup, &enable] {
        driver.refused(command, CommandError::BadState)?;
    }
    driver.command(&Command::Resume)?;
    driver.command(&enable)?;
    block::expect_queue_works(&mut driver, 0)
}

fn kicks_while_suspended(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(0)?;
    block::expect_queue_works(&mut driver, 0)?;
    driver.command(&Command::Suspend)?;
    let before = state(&mut driver)?;
    let buffers = Buffers::new(&target.memory)?;
    read(&mut driver, &buffers, 0)?;
    for _ in 0..LOOKS {
        driver.kick(0)?;
        expect_state(&mut driver, before)?;
        ensure!(
            driver.ring(0)?.take_used().is_none(),
            "a suspended device has used a buffer"
        );
    }
    ensure!(
        has_status(&driver, &buffers, block::NO_STATUS),
        "a suspended device has written a status"
    );
    driver.command(&Command::Resume)?;
    driver.wait_used(0)?;
    ensure!(
        has_status(&driver, &buffers, RequestStatus::Ok as u8),
        "the request did not end well"
    );
    Ok(())
}

fn suspensions_under_requests(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(0)?;
    let buffers = (0..REQUESTS).map(|_| Buffers::new(&target.memory));
    let buffers = buffers.collect::<Result<Vec<_>>>()?;
    for _ in 0..CYCLES {
        for (turn, buffers) in (0..).zip(&buffers) {
            read(&mut driver, buffers, turn)?;
        }
        driver.command(&Command::Suspend)?;
        let suspended = state(&mut driver)?;
        let mut ended = 0;
        while driver.ring(0)?.take_used().is_some() {
            ended += 1;
        }
        // What was not given back is to be taken again: nothing is in between.
        let ring = driver.ring(0)?;
        let expected = ring.available().wrapping_sub(ring.in_flight());
        ensure!(
            suspended.available == expected,
            "expected the queue at {expected}, it is at {}",
            suspended.available
        );
        expect_state(&mut driver, suspended)?;
        driver.command(&Command::Resume)?;
        for _ in ended..REQUESTS {
            driver.wait_used(0)?;
        }
        let is_good = |buffers: &Buffers| has_status(&driver, buffers, RequestStatus::Ok as u8);
        ensure!(buffers.iter().all(is_good), "a request did not end well");
        ensure!(
            driver.ring(0)?.take_used().is_none(),
            "a request ended twice"
        );
    }
    Ok(())
}

/// Makes a request available and kicks.
fn read(driver: &mut Driver<'_>, buffers: &Buffers, turn: u64) -> Result<()> {
    let sector = turn * DATA as u64 / SECTOR_SIZE as u64;
    buffers.prepare(&driver.target.memory, request::IN, sector);
    let writable = [buffers.data, buffers.status];
    driver.submit(0, &[buffers.header], &writable).map(drop)
}

fn has_status(driver: &Driver<'_>, buffers: &Buffers, status: u8) -> bool {
    let found: u8 = driver.target.memory.load(buffers.status, 0);
    found == status
}

fn state(driver: &mut Driver<'_>) -> Result<QueueState> {
    match driver.command(&Command::GetQueueState(0))? {
        Reply::QueueState(state) => Ok(state),
        reply => anyhow::bail!("expected the state of a queue, got {reply:?}"),
    }
}

fn expect_state(driver: &mut Driver<'_>, expected: QueueState) -> Result<()> {
    let found = state(driver)?;
    ensure!(
        found == expected,
        "expected the queue at {}, it is at {}",
        expected.available,
        found.available
    );
    Ok(())
}
