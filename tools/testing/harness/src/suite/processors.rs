// SPDX-License-Identifier: GPL-2.0
//! Machines with other numbers of processors than two: what runs at the same time on one of them is the other's
//! only thread.

use anyhow::{ensure, Result};

use super::link;
use super::prepared::{Joined, Preparation, Prepared};
use crate::commands::backend::Disk;
use crate::commands::served::{Instance, Served};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link, Pair};
use crate::runner::{AnySuite, Case, Record, Suite};
use crate::workload::disk::{self, Pattern};

/// Queues of a disk for as many processors.
const QUEUES: u32 = 4;
/// A disk that has them.
const DISK: Disk = Disk {
    name: "disk0",
    mib: 32,
};
/// How often the link comes and goes.
const CYCLES: u32 = 5;

/// EP and RC have so many processors.
struct Processors<const EP: u32, const RC: u32>;

impl<const EP: u32, const RC: u32> Preparation for Processors<EP, RC> {
    fn prepare(layout: &Layout) -> Result<Link> {
        let models = Pair {
            ep: Model::EP.with_processors(EP),
            rc: Model::RC.with_processors(RC),
        };
        let mut link = Link::boot(layout, models, Bars::Mapped)?;
        link::load_drivers(&mut link.rc)?;
        Ok(link)
    }
}

/// The suite of an RC that has more.
pub fn more_on_rc_suite() -> impl AnySuite {
    Suite {
        name: "processors_ep1_rc4",
        about: "an endpoint with 1 processor and a root complex with 4",
        cases: cases::<1, 4>(),
    }
}

/// The suite of an EP that has more.
pub fn more_on_ep_suite() -> impl AnySuite {
    Suite {
        name: "processors_ep4_rc1",
        about: "an endpoint with 4 processors and a root complex with 1",
        cases: cases::<4, 1>(),
    }
}

fn cases<const EP: u32, const RC: u32>() -> Vec<Case<Prepared<Processors<EP, RC>>>> {
    let mut cases = vec![Case {
        name: "every_processor_writes",
        about: "jobs on each processor of the RC write and verify a disk of four queues, again and again",
        run: every_processor_writes,
    }];
    cases.extend(link::essentials());
    cases
}

fn every_processor_writes<const EP: u32, const RC: u32>(
    bench: &mut Prepared<Processors<EP, RC>>,
    record: &mut Record,
) -> Result<()> {
    let link = bench.link();
    expect_processors(&mut link.ep, EP)?;
    expect_processors(&mut link.rc, RC)?;
    for _ in 0..CYCLES {
        let function = Instance::Disk(&DISK).create(&mut link.ep)?;
        DISK.set(&mut link.ep, "num_queues", &QUEUES.to_string())?;
        let served = Served::bind(link, Instance::Disk(&DISK), function)?;
        let path = served.vdpa.disk(&mut link.rc)?;
        let figures = disk::verify_on_processors(&mut link.rc, &path, Pattern::Random, 8, RC)?;
        record.note(figures.to_string());
        served.stop(link)?;
    }
    Ok(())
}

fn expect_processors(guest: &mut Guest, expected: u32) -> Result<()> {
    let found: u32 = guest.sh("nproc")?.parse()?;
    let side = guest.side();
    ensure!(
        found == expected,
        "{side}: expected {expected} processors, there are {found}"
    );
    Ok(())
}
