// SPDX-License-Identifier: GPL-2.0
//! The kernel's own NVMe function on the EP, and its own driver on the RC, both unmodified: an endpoint
//! function that is not ours, with a driver that knows nothing of endpoints.

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::prepared::{Preparation, Prepared};
use crate::commands::endpoint;
use crate::commands::modules;
use crate::commands::nvme::{NvmeDisk, MODEL};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Case, Record, Suite};
use crate::workload::disk::{self, Pattern};

/// Size of the disk.
const MIB: u32 = 64;

/// Queues for requests: one for each processor of the RC, and each of the EP, which has as many.
const QUEUES: u32 = 2;

/// For a load to end with errors once its endpoint is gone.
const END_BOUND: Duration = Duration::from_secs(60);

/// The root complex has the stock driver.
struct WithNvme;

impl Preparation for WithNvme {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::boot(layout, Model::RC, Bars::Mapped)?;
        modules::load(&mut link.rc, &["nvme"])?;
        Ok(link)
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Prepared<WithNvme>> {
        name: "nvme",
        about: "the kernel's own NVMe function and driver, on the emulator",
        cases: vec![
            Case {
                name: "disk_keeps_data",
                about: "the disk has the size of the file behind it, and what the RC writes is read back",
                run: disk_keeps_data,
            },
            Case {
                name: "every_queue_works",
                about: "processors write at the same time, each through a queue with an interrupt of its own",
                run: every_queue_works,
            },
            Case {
                name: "link_stops_under_load",
                about: "requests end with errors when the link goes down, and the disk returns with it",
                run: link_stops_under_load,
            },
        ],
    }
}

fn disk_keeps_data(bench: &mut Prepared<WithNvme>, record: &mut Record) -> Result<()> {
    let link = &mut bench.link;
    let disk = NvmeDisk::start(link, MIB)?;
    let rc = &mut link.rc;
    let told = rc.sh(&format!(
        "cat /sys/bus/pci/devices/{}/nvme/nvme*/model {}/size",
        disk.address,
        disk.path.replace("/dev", "/sys/block")
    ))?;
    let sectors = (MIB << 11).to_string();
    ensure!(
        told.lines().map(str::trim).eq([MODEL, &sectors]),
        "expected model {MODEL} and {sectors} sectors, got '{told}'"
    );
    for (pattern, mib) in [(Pattern::Sequential, 8), (Pattern::Random, 2)] {
        record.note(disk::verify(rc, &disk.path, pattern, mib)?.to_string());
    }
    disk.stop(link)
}

fn every_queue_works(bench: &mut Prepared<WithNvme>, record: &mut Record) -> Result<()> {
    let link = &mut bench.link;
    let disk = NvmeDisk::start(link, MIB)?;
    let before = interrupts(&mut link.rc)?;
    let figures = disk::verify_on_processors(&mut link.rc, &disk.path, Pattern::Random, 2, QUEUES)?;
    let after = interrupts(&mut link.rc)?;
    ensure!(
        after.len() == QUEUES as usize && before.len() == after.len(),
        "expected {QUEUES} queues with interrupts, there are {after:?}"
    );
    let all_grew = before
        .iter()
        .zip(&after)
        .all(|(before, after)| after > before);
    ensure!(
        all_grew,
        "expected interrupts of each queue, {before:?} became {after:?}"
    );
    record.note(figures.to_string());
    disk.stop(link)
}

/// How often each queue for requests has interrupted.
fn interrupts(rc: &mut Guest) -> Result<Vec<u64>> {
    let counts = rc.sh(
        "awk '/nvme[0-9]+q[1-9]/ { n = 0; for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) n += $i; print n }' \
         /proc/interrupts",
    )?;
    let parsed = counts.lines().map(str::parse).collect::<Result<_, _>>();
    parsed.with_context(|| format!("no numbers of interrupts in '{counts}'"))
}

fn link_stops_under_load(bench: &mut Prepared<WithNvme>, record: &mut Record) -> Result<()> {
    let link = &mut bench.link;
    let disk = NvmeDisk::start(link, MIB)?;
    disk::start_load(&mut link.rc, &disk.path)?;
    endpoint::stop(link)?;
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    let disk = NvmeDisk::attach(link)?;
    record.note(disk::verify(&mut link.rc, &disk.path, Pattern::Random, 1)?.to_string());
    disk.stop(link)
}
