// SPDX-License-Identifier: GPL-2.0
//! A disk that the EP serves from a drive which takes its time.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::disk_works;
use super::life::END_BOUND;
use crate::commands::drive::Drive;
use crate::commands::endpoint;
use crate::commands::served::{Instance, Served};
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::suite::prepared::Joined;
use crate::workload::disk::{self, Pattern, OVERLAPPING};

/// As slow as a drive that seeks.
static DRIVE: Drive = Drive {
    name: "drive0",
    mib: 64,
    latency: Duration::from_millis(10),
};
/// So slow that requests are under way whenever something ends.
static SLUG: Drive = Drive {
    name: "drive0",
    mib: 64,
    latency: Duration::from_millis(300),
};

pub fn cases<B: Joined>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "slow_drive_has_many_requests",
            about:
                "what the RC writes is read back, and a drive of the EP has many requests at a time",
            run: |bench, record| slow_drive_has_many_requests(bench.link(), record),
        },
        Case {
            name: "slow_drive_is_unbound_under_load",
            about: "the EP may unbind the function while a drive has requests",
            run: |bench, _| slow_drive_is_unbound_under_load(bench.link()),
        },
    ]
}

fn slow_drive_has_many_requests(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, Instance::Drive(&DRIVE))?;
    let path = served.vdpa.disk(&mut link.rc)?;
    let figures = disk::verify(&mut link.rc, &path, Pattern::Random, 16)?;
    let before = DRIVE.busy(&mut link.ep)?;
    disk::transfer(&mut link.rc, &path, "randread", 32, 1024)?;
    let depth = DRIVE.busy(&mut link.ep)?.depth_since(&before)?;
    record.note(format!("{figures}; {depth:.1} requests at a time"));
    ensure!(
        depth >= OVERLAPPING,
        "the drive had {depth:.1} requests at a time, expected {OVERLAPPING} or more"
    );
    served.stop(link)
}

fn slow_drive_is_unbound_under_load(link: &mut Link) -> Result<()> {
    let instance = Instance::Drive(&SLUG);
    let served = Served::start(link, instance)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::start_load(&mut link.rc, &path)?;
    endpoint::begin_stop(&mut link.ep)?;
    served.function.unbind(&mut link.ep)?;
    endpoint::finish_stop(link)?;
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    instance.remove(&mut link.ep, &served.function)?;
    disk_works(link)
}
