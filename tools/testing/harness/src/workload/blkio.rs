// SPDX-License-Identifier: GPL-2.0
//! Disks that processes drive themselves, without a virtio driver in the kernel: QEMU's programs and
//! nbdkit, all by libblkio.

use std::time::Duration;

use anyhow::{Context, Result};

use super::disk::{verification, Figures, Pattern, FIO_BOUND};
use super::Ends;
use crate::guest::Guest;

/// For one run of a program of QEMU's.
const PROGRAM_BOUND: Duration = Duration::from_secs(60);

/// The memory that such a process maps is pinned, which a limit of the shell counts.
const PREPARE: &str = "ulimit -l unlimited;";

/// File with the process number of a load.
const LOAD: &str = "/run/load.pid";

/// Says whether a load has ended.
const IS_OVER: &str = "[ ! -d /proc/$(cat /run/load.pid) ]";

/// Requests of a load, the highest number that qemu-img takes.
const ENDLESS: u64 = i32::MAX as u64;

/// What a load writes.
const LOAD_BYTE: u8 = 0x5a;

/// What QEMU calls the disk at a device node.
fn image(node: &str) -> String {
    format!("--image-opts driver=virtio-blk-vhost-vdpa,path={node},cache.direct=on")
}

/// The command that requests 4 KiB `count` times, 32 at a time, from the start of the disk.
///
/// qemu-img wants to map the buffer, and does not align it to a page; tcmalloc does.
fn bench_command(node: &str, count: u64, more: &str) -> String {
    format!(
        "LD_PRELOAD=libtcmalloc_minimal.so.4 qemu-img bench {} -t none -d 32 -s 4096 -c {count} {more}",
        image(node)
    )
}

/// Runs commands of qemu-io on a disk; it fails when one does.
///
/// Behind an IOMMU keep requests below 800 KiB: each page of QEMU's buffer can be a piece of the emulator's window,
/// which holds 240, and QEMU takes 128 KiB more than it needs.
pub fn qemu_io(guest: &mut Guest, node: &str, commands: &[&str]) -> Result<()> {
    guest
        .sh_within(PROGRAM_BOUND, &qemu_io_script(node, commands))
        .map(drop)
}

/// The same, for a disk that must not be there for this process.
pub fn qemu_io_fails(guest: &mut Guest, node: &str, commands: &[&str]) -> Result<String> {
    guest.sh_fails(&qemu_io_script(node, commands))
}

/// The script that runs commands of qemu-io.
pub fn qemu_io_script(node: &str, commands: &[&str]) -> String {
    let commands: Vec<_> = commands
        .iter()
        .map(|command| format!("-c '{command}'"))
        .collect();
    format!("{PREPARE} qemu-io {} {}", image(node), commands.join(" "))
}

/// Has qemu-img read or write 4 KiB `count` times. Returns how many of them it did in a second.
pub fn bench(guest: &mut Guest, node: &str, count: u64, writes: bool) -> Result<f64> {
    let more = if writes { "-w" } else { "" };
    let text = guest.sh_within(PROGRAM_BOUND, &bench_script(node, count, more))?;
    // Run completed in 0.492 seconds.
    let seconds: f64 = text
        .split_once("completed in ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .with_context(|| format!("qemu-img printed no time: {text}"))?;
    Ok(count as f64 / seconds)
}

/// The script that requests 4 KiB `count` times.
pub(super) fn bench_script(node: &str, count: u64, more: &str) -> String {
    format!("{PREPARE} {}", bench_command(node, count, more))
}

/// Serves a disk by NBD, writes the first `mib` of it by that, and verifies.
pub fn verify(guest: &mut Guest, node: &str, pattern: Pattern, mib: u32) -> Result<Figures> {
    let text = guest.sh_within(FIO_BOUND, &verification_script(node, pattern, mib))?;
    Figures::of_verification(&text, pattern, mib)
}

/// The script that does so.
///
/// fio connects a second time while the disk of the first connection is still being closed, hence
/// the filter.
pub(super) fn verification_script(node: &str, pattern: Pattern, mib: u32) -> String {
    let fio = verification("--ioengine=nbd --uri=$uri", pattern, mib);
    format!("{PREPARE} nbdkit --filter=retry blkio virtio-blk-vhost-vdpa path={node} retry-delay=1 --run '{fio}'")
}

/// Starts writing over and over from the start of a disk, and waits until a MiB is in the file
/// behind it.
pub fn start_load(ends: &mut impl Ends, node: &str, file: &str) -> Result<()> {
    let bench = bench_command(node, ENDLESS, &format!("-w --pattern {LOAD_BYTE}"));
    ends.driver().sh(&format!(
        "{PREPARE} {bench} >/tmp/load.log 2>&1 & echo $! >{LOAD}"
    ))?;
    let flows = format!("[ $(od -An -tu1 -j 1048576 -N 1 {file}) -eq {LOAD_BYTE} ]");
    ends.backend().wait_until(PROGRAM_BOUND, &flows)
}

/// Has the load killed once its device node is gone.
pub fn kill_load_after_node(guest: &mut Guest, node: &str) -> Result<()> {
    guest
        .sh(&format!(
            "{{ while [ -e {node} ]; do :; done; kill -KILL $(cat {LOAD}); }} >/dev/null 2>&1 &"
        ))
        .map(drop)
}

/// Waits until the process of a load has ended by itself.
pub fn wait_for_end_of_load(guest: &mut Guest) -> Result<()> {
    guest.wait_until(PROGRAM_BOUND, IS_OVER)?;
    guest.sh(&format!("rm -f /tmp/load.log {LOAD}")).map(drop)
}

/// Kills the process of a load, and waits until nothing is left of it.
pub fn kill_load(guest: &mut Guest) -> Result<()> {
    guest.sh(&format!("kill -KILL $(cat {LOAD})"))?;
    guest.wait_until(PROGRAM_BOUND, IS_OVER)?;
    guest.sh(&format!("rm /tmp/load.log {LOAD}")).map(drop)
}

/// The command of qemu-io that finds what a load wrote.
pub fn read_of_load() -> String {
    format!("read -P {LOAD_BYTE} 0 512k")
}
