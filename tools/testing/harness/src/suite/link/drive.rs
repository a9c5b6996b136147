// SPDX-License-Identifier: GPL-2.0
//! A disk that the EP serves from a drive which takes its time.

use std::time::Duration;

use anyhow::Result;

use super::life::function_is_unbound_under_load;
use crate::commands::drive::Drive;
use crate::commands::served::{Instance, Served};
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::suite::prepared::Joined;
use crate::workload::disk::{self, Pattern};

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
            run: |bench, _| function_is_unbound_under_load(bench.link(), Instance::Drive(&SLUG)),
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
    disk::expect_overlapping(depth)?;
    served.stop(link)
}
