// SPDX-License-Identifier: GPL-2.0
//! What a device has to do when it is suspended and resumed.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use rustix::io::Errno;

use crate::device::{Device, RUNNING, SETTLED};
use crate::holder::Holder;

/// How long to wait for requests to flow: until a load has started.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a queue that flows.
const PAUSE: Duration = Duration::from_micros(200);

/// So many calls are more than any program makes before its load.
const FLOWING: u64 = 1000;

/// How often a process whose disk stands still is looked at.
const LOOKS: u32 = 20;

/// Suspends and resumes the device of a process under load.
pub fn cycles(node: &Path, count: u32) -> Result<()> {
    let holder = flowing(node)?;
    for cycle in 0..count {
        let once = || -> Result<()> {
            holder.device.suspend()?;
            let calls = stands_still(&holder)?;
            holder.device.resume()?;
            wait_for_progress(&holder, calls)
        };
        once().with_context(|| format!("in cycle {cycle}"))?;
    }
    println!("{count} cycles");
    Ok(())
}

/// Waits until a process has the device and its requests flow.
///
/// A device is let go between two looks, as the process may close it and open it again.
fn flowing(node: &Path) -> Result<Holder> {
    ensure!(
        Path::new("/proc/self/io").exists(),
        "this kernel does not count the calls of processes: expected one with CONFIG_TASK_IO_ACCOUNTING"
    );
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(holder) = Holder::find(node) {
            if holder.device.status()? == RUNNING && flows(&holder) {
                return Ok(holder);
            }
        }
        thread::sleep(PAUSE);
    }
    bail!("no requests flow in {}", node.display())
}

fn flows(holder: &Holder) -> bool {
    holder.calls().is_ok_and(|calls| calls >= FLOWING)
}

fn wait_for_progress(holder: &Holder, calls: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while holder.calls()? == calls {
        ensure!(
            Instant::now() < deadline,
            "the process waits, though the device is not suspended"
        );
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Waits until the process has come to know of all that ended, then sees that nothing ends any more.
/// Returns how many calls it has made.
fn stands_still(holder: &Holder) -> Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    let (mut calls, mut looks) = (holder.calls()?, 0);
    while looks < LOOKS {
        ensure!(
            Instant::now() < deadline,
            "requests end, though the device is suspended"
        );
        thread::sleep(PAUSE);
        let now = holder.calls()?;
        looks = if now == calls { looks + 1 } else { 0 };
        calls = now;
    }
    Ok(calls)
}

/// Suspends and resumes a device without a load in every wrong order.
pub fn order(node: &Path) -> Result<()> {
    let device = Device::open(node)?;
    device.negotiate()?;
    // The kernel takes these for done without a word to the device.
    device.suspend()?;
    device.resume()?;
    ensure!(
        device.status()? == SETTLED,
        "expected status {SETTLED:#x}, found {:#x}",
        device.status()?
    );
    device.set_status(RUNNING)?;
    for _ in 0..3 {
        is_refused("RESUME of a running device", device.resume())?;
        device.suspend()?;
        is_refused("SUSPEND of a suspended device", device.suspend())?;
        device.resume()?;
    }
    // It is closed while it is suspended.
    device.suspend()
}

fn is_refused(what: &str, result: Result<()>) -> Result<()> {
    let Err(error) = result else {
        bail!("{what} succeeded, expected EBUSY");
    };
    ensure!(
        error.downcast_ref::<Errno>() == Some(&Errno::BUSY),
        "{what} failed by '{error:#}', expected EBUSY"
    );
    Ok(())
}
