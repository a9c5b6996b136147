// SPDX-License-Identifier: GPL-2.0
//! Doorbells that a process has mapped: it kicks without a call to the kernel.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::machines::{LinkOf, LinkWithIommu, PushedLink, Translator, DISK};
use crate::commands::served::{Instance, ServedTo};
use crate::commands::vhost_vdpa::VhostVdpa;
use crate::runner::{Case, Record};

/// For 200 requests, each of which may have to wait for the endpoint's scan.
const CLIENT_BOUND: Duration = Duration::from_secs(60);

/// The sector of the disk that the client writes last, with its number in each byte.
const LAST_SECTOR: u32 = 99;

pub fn cases() -> Vec<Case<LinkWithIommu>> {
    vec![
        Case {
            name: "doorbells_are_mapped",
            about: "a process kicks by a mapped doorbell, always with the same value",
            run: doorbells_are_mapped,
        },
        Case {
            name: "shared_pages_are_not_mapped",
            about: "doorbells that share a page, or are not scanned besides, cannot be mapped",
            run: shared_pages_are_not_mapped,
        },
    ]
}

/// Where kicks have to be seen.
pub fn case_of_pushed() -> Case<PushedLink> {
    Case {
        name: "pushed_queues_have_no_doorbells",
        about: "the doorbell of a queue that is pushed cannot be mapped, though it has its page",
        run: |bench, _| cannot_be_mapped(bench, "10"),
    }
}

fn doorbells_are_mapped(bench: &mut LinkWithIommu, _: &mut Record) -> Result<()> {
    with_doorbells(bench, "10", |bench, node| {
        let client = format!("vdpa-client doorbell {node}");
        bench.link.rc.sh_within(CLIENT_BOUND, &client)?;
        let position = LAST_SECTOR * 512;
        let byte = format!("od -An -tu1 -j {position} -N 1 {}", DISK.file());
        let found = bench.link.ep.sh(&byte)?;
        ensure!(
            found.trim() == LAST_SECTOR.to_string(),
            "the endpoint's file has {found} at {position}"
        );
        Ok(())
    })
}

fn shared_pages_are_not_mapped(bench: &mut LinkWithIommu, _: &mut Record) -> Result<()> {
    cannot_be_mapped(bench, "0")
}

fn cannot_be_mapped<T: Translator>(bench: &mut LinkOf<T>, scan_ms: &str) -> Result<()> {
    with_doorbells(bench, scan_ms, |bench, node| {
        let client = format!("vdpa-client doorbell --refused {node}");
        bench.link.rc.sh_within(CLIENT_BOUND, &client).map(drop)
    })
}

/// Offers the disk with doorbells that are polled and scanned every `scan_ms`.
fn with_doorbells<T: Translator>(
    bench: &mut LinkOf<T>,
    scan_ms: &str,
    run: impl FnOnce(&mut LinkOf<T>, &str) -> Result<()>,
) -> Result<()> {
    let attributes = [("doorbell", "polled"), ("scan_ms", scan_ms)];
    let disk = Instance::Disk(&DISK);
    let served = ServedTo::<VhostVdpa>::start_with(&mut bench.link, disk, &attributes)?;
    run(bench, &served.vdpa.node.clone())?;
    served.stop(&mut bench.link)
}
