// SPDX-License-Identifier: GPL-2.0
//! A disk is suspended and resumed while a process drives it that knows nothing of that.

use std::time::Duration;

use anyhow::Result;

use super::cases::with_node;
use super::machines::{LinkOf, Offers, Translator, DISK};
use crate::commands::endpoint;
use crate::runner::{Case, Record};
use crate::workload::{blkio, suspension, Ends};

/// How often a disk under load is suspended.
const CYCLES: u32 = 200;

/// Requests of qemu-img that outlast that: some 300 get through between two suspensions, on a busy machine more.
const REQUESTS: u64 = 160_000;

/// For a root complex to notice that its link is gone.
const LOSS_BOUND: Duration = Duration::from_secs(30);

/// What fio verifies meanwhile.
const MIB: u32 = 48;

pub fn cases<B: Offers>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "disk_is_suspended_under_load",
            about: "200 times the queue stands still and goes on, and no request is lost",
            run: disk_is_suspended_under_load,
        },
        Case {
            name: "suspended_disk_keeps_data",
            about:
                "fio verifies through nbdkit what it writes to a disk that is suspended 200 times",
            run: suspended_disk_keeps_data,
        },
        Case {
            name: "suspensions_in_the_wrong_order",
            about: "SUSPEND and RESUME where they do not belong are refused and change nothing",
            run: suspensions_in_the_wrong_order,
        },
        Case {
            name: "process_dies_suspended",
            about: "a process is killed while its disk is suspended, and the next one has the disk",
            run: process_dies_suspended,
        },
        Case {
            name: "suspended_disk_is_deleted",
            about:
                "'vdpa dev del' of a suspended disk ends with its process, and the disk can return",
            run: suspended_disk_is_deleted,
        },
    ]
}

/// For a disk behind a link.
pub fn case_of_the_link<T: Translator>() -> Case<LinkOf<T>> {
    Case {
        name: "link_is_lost_while_suspended",
        about: "the resume fails at once, and the disk can return when its process has ended",
        run: link_is_lost_while_suspended,
    }
}

fn disk_is_suspended_under_load<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        suspension::cycles_under_requests(bench.driver(), node, CYCLES, REQUESTS)?;
        blkio::qemu_io(bench.driver(), node, &["read -P 90 0 512k"])
    })
}

fn suspended_disk_keeps_data<B: Offers>(bench: &mut B, record: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        let driver = bench.driver();
        let figures = suspension::cycles_under_verification(driver, node, CYCLES, MIB)?;
        record.note(figures.to_string());
        Ok(())
    })
}

fn suspensions_in_the_wrong_order<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        suspension::wrong_order(bench.driver(), node)?;
        works(bench, node)
    })
}

fn process_dies_suspended<B: Offers>(bench: &mut B, record: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        let queue = suspension::suspend_under_load(bench, node, &DISK.file())?;
        record.note(format!("queue: {queue}"));
        suspension::is_refused(bench.driver(), "suspend", node, "busy")?;
        blkio::kill_load(bench.driver())?;
        works(bench, node)
    })
}

fn suspended_disk_is_deleted<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    let (offered, node) = bench.offer()?;
    suspension::suspend_under_load(bench, &node, &DISK.file())?;
    blkio::kill_load_after_node(bench.driver(), &node)?;
    bench.withdraw(offered)?;
    blkio::wait_for_end_of_load(bench.driver())?;
    with_node(bench, works)
}

fn link_is_lost_while_suspended<T: Translator>(
    bench: &mut LinkOf<T>,
    _: &mut Record,
) -> Result<()> {
    let (served, node) = bench.offer()?;
    suspension::suspend_under_load(bench, &node, &DISK.file())?;
    endpoint::begin_stop(&mut bench.link.ep)?;
    bench
        .driver()
        .wait_for_message(LOSS_BOUND, "Endpoint lost")?;
    suspension::is_refused(bench.driver(), "resume", &node, "not connected")?;
    blkio::kill_load(bench.driver())?;
    served.clean_up(&mut bench.link)?;
    with_node(bench, works)
}

/// The disk has the next process.
fn works<B: Offers>(bench: &mut B, node: &str) -> Result<()> {
    let commands = ["write -P 7 0 64k", "read -P 7 0 64k"];
    blkio::qemu_io(bench.driver(), node, &commands)
}
