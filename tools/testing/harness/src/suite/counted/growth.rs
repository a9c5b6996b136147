// SPDX-License-Identifier: GPL-2.0
//! What a block costs does not depend on how many queues there are.

use anyhow::{ensure, Result};

use super::{count, Counted, DISK, DISK_IMAGE, TRANSFERS};
use crate::commands::served::Served;
use crate::crossings::Crossings;
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::workload::disk;

/// Numbers of queues, up to the most that a disk has.
const QUEUES: [u32; 3] = [1, 4, 16];

/// How much more or less it may be than with one queue: how requests come together in batches is the RC's.
const TOLERANCE: f64 = 0.1;

pub fn cases() -> Vec<Case<Counted>> {
    vec![Case {
        name: "costs_do_not_grow_with_queues",
        about: "blocks 32 at a time cost the same on a disk of 1, 4 and 16 queues",
        run: |bench, record| costs_do_not_grow(&mut bench.link, record),
    }]
}

fn costs_do_not_grow(link: &mut Link, record: &mut Record) -> Result<()> {
    for mode in ["read", "write"] {
        let mut costs = Vec::new();
        for queues in QUEUES {
            let found = cost(link, queues, mode)?;
            record.note(format!(
                "{mode}, {queues} queues: EP reads {}, writes {}",
                found.ep_reads, found.ep_writes
            ));
            costs.push(found);
        }
        let accesses = |found: &Crossings| found.ep_reads.all + found.ep_writes.all;
        let one = accesses(&costs[0]);
        for (queues, found) in QUEUES.iter().zip(&costs) {
            let found = accesses(found);
            ensure!(
                (found / one - 1.0).abs() <= TOLERANCE,
                "{mode}: expected {one:.1} accesses of the EP with {queues} queues as with one, counted {found:.1}"
            );
        }
    }
    Ok(())
}

/// Counts what a block costs on a disk of so many queues.
fn cost(link: &mut Link, queues: u32, mode: &str) -> Result<Crossings> {
    let function = DISK.create(&mut link.ep)?;
    DISK_IMAGE.set(&mut link.ep, "num_queues", &queues.to_string())?;
    let served = Served::bind(link, DISK, function)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    let found = count(link, |link| {
        disk::transfer(&mut link.rc, &path, mode, 32, TRANSFERS)
    })?;
    served.stop(link)?;
    Ok(found)
}
