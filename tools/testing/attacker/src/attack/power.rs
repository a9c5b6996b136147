// SPDX-License-Identifier: GPL-2.0
//! The function loses bus mastering, decoding, or is reset; and a root complex that falls silent.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use transport::{time, Health};
use virtio::blk::{features, request};

use super::{Attack, Device};
use crate::block::{self, Buffers};
use crate::patience::wait_for;
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "bus_master_off_under_io",
            about: "bus mastering goes off and on while requests are in flight",
            device: Device::Disk,
            run: bus_master_off_under_io,
        },
        Attack {
            name: "decoding_off_under_io",
            about: "the BARs go and come back while requests are in flight; nothing happens",
            device: Device::Disk,
            run: decoding_off_under_io,
        },
        Attack {
            name: "function_reset_under_io",
            about: "the function is reset while requests are in flight; a new session begins",
            device: Device::Disk,
            run: function_reset_under_io,
        },
        Attack {
            name: "function_reset_under_io_by_interrupt",
            about: "the same with doorbells that interrupt the endpoint",
            device: Device::InterruptedDisk,
            run: function_reset_under_io,
        },
        Attack {
            name: "root_complex_falls_silent",
            about: "the heartbeat of the root complex stops; the endpoint ends the session in time",
            device: Device::Disk,
            run: root_complex_falls_silent,
        },
    ]
}

const QUEUE: u16 = 0;
const TURNS: usize = 5;

/// Makes a request available whose end nobody waits for.
fn submit(driver: &mut crate::driver::Driver<'_>, buffers: &Buffers) -> Result<()> {
    buffers.prepare(&driver.target.memory, request::IN, 0);
    driver
        .submit(QUEUE, &[buffers.header], &[buffers.data, buffers.status])
        .map(drop)
}

fn bus_master_off_under_io(target: &Target) -> Result<()> {
    let buffers = Buffers::new(&target.memory)?;
    for _ in 0..TURNS {
        let mut driver = target.driver()?;
        driver.bring_up(features::MQ)?;
        submit(&mut driver, &buffers)?;
        target.function.set_bus_master(false)?;
        submit(&mut driver, &buffers)?;
        // Commands need no bus mastering.
        driver.reset()?;
        target.function.set_bus_master(true)?;
    }
    Ok(())
}

fn decoding_off_under_io(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let buffers = Buffers::new(&target.memory)?;
    for _ in 0..TURNS {
        submit(&mut driver, &buffers)?;
        target.function.set_decoding(false)?;
        driver.wait_used(QUEUE)?;
        target.function.set_decoding(true)?;
        block::expect_queue_works(&mut driver, QUEUE)?;
    }
    driver.expect_working()
}

fn function_reset_under_io(target: &Target) -> Result<()> {
    let buffers = Buffers::new(&target.memory)?;
    for _ in 0..TURNS {
        let mut driver = target.driver()?;
        let epoch = driver.identity().epoch();
        driver.bring_up(features::MQ)?;
        submit(&mut driver, &buffers)?;
        target.function.reset()?;
        target.function.set_decoding(true)?;
        target.function.set_bus_master(true)?;
        ensure!(
            target.identity()?.epoch() != epoch,
            "the epoch is the same after a function reset"
        );
    }
    Ok(())
}

fn root_complex_falls_silent(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MQ)?;
    let epoch = target.wire().epoch();
    // One beat, then no more.
    ensure!(driver.watch() == Health::Alive, "the endpoint is not alive");
    let last_beat = Instant::now();
    let silent = Duration::from_millis(time::RC_SILENT_MS);
    wait_for("a new session", silent * 2, || {
        (target.wire().epoch() != epoch).then_some(())
    })?;
    ensure!(
        last_beat.elapsed() >= silent,
        "the session ended {} ms after the last beat, expected at least {} ms",
        last_beat.elapsed().as_millis(),
        silent.as_millis()
    );
    let identity = target.identity().context("after the silence")?;
    ensure!(
        identity.epoch().get() != epoch,
        "the epoch is the same after the silence"
    );
    Ok(())
}
