// SPDX-License-Identifier: GPL-2.0
//! Disks that are suspended under the process that drives them, by tools/testing/suspender.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::blkio;
use super::disk::Pattern;
use super::Ends;
use crate::guest::Guest;

/// For one suspension or resume: what the transport allows, which waits for requests, and some more.
const COMMAND_BOUND: Duration = Duration::from_secs(30);

/// For many of them under load.
const CYCLES_BOUND: Duration = Duration::from_secs(120);

/// Suspends and resumes the disk that a process drives, `count` times, while qemu-img makes so many
/// requests that they outlast that; each of these has to end well.
pub fn cycles_under_requests(
    guest: &mut Guest,
    node: &str,
    count: u32,
    requests: u64,
) -> Result<()> {
    let load = blkio::bench_script(node, requests, "-w --pattern 90");
    under(guest, node, count, &load).map(drop)
}

/// The same while nbdkit serves the disk to fio, which verifies what it has written.
pub fn cycles_under_verification(
    guest: &mut Guest,
    node: &str,
    count: u32,
    mib: u32,
) -> Result<super::disk::Figures> {
    let load = blkio::verification_script(node, Pattern::Random, mib);
    let text = under(guest, node, count, &load)?;
    super::disk::Figures::of_verification(&text, Pattern::Random, mib)
}

/// Suspends and resumes while a load runs; returns what that printed.
fn under(guest: &mut Guest, node: &str, count: u32, load: &str) -> Result<String> {
    guest.sh_within(
        CYCLES_BOUND,
        &format!(
            "{{ {load}; }} >/tmp/load.log 2>&1 & load=$!
             suspender cycles {node} --count {count} || exit
             wait $load; ended=$?; cat /tmp/load.log; rm /tmp/load.log; exit $ended"
        ),
    )
}

/// Suspends a disk that has a load.
pub fn suspend(guest: &mut Guest, node: &str) -> Result<()> {
    command(guest, "suspend", node).map(drop)
}

/// Sees that a command ends by an error that has this in its text, and in time.
pub fn is_refused(guest: &mut Guest, action: &str, node: &str, why: &str) -> Result<()> {
    let text = guest.sh_fails(&format!("suspender {action} {node}"))?;
    ensure!(
        text.contains(why),
        "expected that {action} fails by '{why}', got '{text}'"
    );
    Ok(())
}

/// Suspends and resumes a disk that has no process in every wrong order.
pub fn wrong_order(guest: &mut Guest, node: &str) -> Result<()> {
    command(guest, "order", node).map(drop)
}

fn command(guest: &mut Guest, action: &str, node: &str) -> Result<String> {
    guest.sh_within(COMMAND_BOUND, &format!("suspender {action} {node}"))
}

/// Starts a load, and suspends the disk under it. Returns what the backend's side tells of the queue.
pub fn suspend_under_load(ends: &mut impl Ends, node: &str, file: &str) -> Result<String> {
    blkio::start_load(ends, node, file)?;
    suspend(ends.driver(), node)?;
    let queues = ends
        .backend()
        .sh("cat /sys/bus/vhost/devices/vhost*/queues")?;
    ensure!(
        queues.starts_with("0 requests suspended "),
        "expected one queue that is suspended, found '{queues}'"
    );
    Ok(queues)
}
