// SPDX-License-Identifier: GPL-2.0
//! What is different when the endpoint translates the addresses of a process.

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::cases::with_node;
use super::machines::{LinkOf, Offers, Translator, DISK};
use crate::commands::vdpa;
use crate::guest::Guest;
use crate::runner::{Case, Record};
use crate::workload::{blkio, Ends};

/// For the client; as many commands as an endpoint holds mappings take the most of it.
const CLIENT_BOUND: Duration = Duration::from_secs(120);

/// For a message of what is over already.
const LOG_BOUND: Duration = Duration::from_secs(10);

pub fn cases<T: Translator>() -> Vec<Case<LinkOf<T>>> {
    vec![
        Case {
            name: "process_and_kernel_take_turns",
            about: "a virtio driver has the disk after a process, and a process after the driver",
            run: process_and_kernel_take_turns,
        },
        Case {
            name: "process_without_memory_reaches_none",
            about: "the endpoint refuses a queue at addresses that the process did not map",
            run: process_without_memory_reaches_none,
        },
        Case {
            name: "ring_is_unmapped",
            about: "a queue whose ring the process unmaps is stopped, and a reset brings it back",
            run: ring_is_unmapped,
        },
        Case {
            name: "endpoint_is_full",
            about: "one mapping more than the endpoint holds is refused, and those before it work",
            run: endpoint_is_full,
        },
        Case {
            name: "rings_lie",
            about: "what cannot be in a ring ends its queue, and a reset brings it back",
            run: rings_lie,
        },
        Case {
            name: "memory_goes_away_under_kicks",
            about: "a process unmaps its memory and resets the device while it kicks",
            run: memory_goes_away_under_kicks,
        },
        Case {
            name: "memory_is_given_back",
            about: "what processes had pinned is free after 20 of them, one of which was killed",
            run: memory_is_given_back,
        },
    ]
}

fn process_and_kernel_take_turns<T: Translator>(
    bench: &mut LinkOf<T>,
    _: &mut Record,
) -> Result<()> {
    vdpa::load_drivers(bench.driver())?;
    let (mut served, _) = bench.offer()?;
    for turn in 1..=3 {
        let rc = bench.driver();
        let write = format!("write -P {turn} 0 1M");
        blkio::qemu_io(rc, &served.vdpa.node, &[&write, "flush"])?;
        served.vdpa.lend_to_kernel(rc, |rc, disk| {
            rc.sh(&format!(
                "set -e
                 tr '\\0' '\\{turn:03o}' </dev/zero | head -c 1048576 | cmp -n 1048576 - {disk}
                 tr '\\0' '\\1{turn:02o}' </dev/zero | head -c 1048576 | dd of={disk} bs=1M oflag=direct"
            ))
            .map(drop)
        })?;
        let read = format!("read -P {} 0 1M", 0o100 + turn);
        blkio::qemu_io(rc, &served.vdpa.node, &[&read])?;
    }
    bench.withdraw(served)
}

fn process_without_memory_reaches_none<T: Translator>(
    bench: &mut LinkOf<T>,
    _: &mut Record,
) -> Result<()> {
    with_node(bench, |bench, node| {
        misuse(bench.driver(), node, "queue_without_memory")?;
        let refusal = "EnableQueue was refused: Refused(BadState)";
        bench.driver().wait_for_message(LOG_BOUND, refusal)?;
        works(bench.driver(), node)
    })
}

fn ring_is_unmapped<T: Translator>(bench: &mut LinkOf<T>, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        misuse(bench.driver(), node, "ring_goes_away")?;
        let fault = "the driver side unmapped some of the ring";
        bench.backend().wait_for_message(LOG_BOUND, fault)?;
        works(bench.driver(), node)
    })
}

fn endpoint_is_full<T: Translator>(bench: &mut LinkOf<T>, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        misuse(bench.driver(), node, "mappings_without_end")?;
        let refusal = "Map was refused: Refused(NoResources)";
        bench.driver().wait_for_message(LOG_BOUND, refusal)?;
        works(bench.driver(), node)
    })
}

fn rings_lie<T: Translator>(bench: &mut LinkOf<T>, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        misuse(bench.driver(), node, "rings_lie")?;
        works(bench.driver(), node)
    })
}

fn memory_goes_away_under_kicks<T: Translator>(
    bench: &mut LinkOf<T>,
    _: &mut Record,
) -> Result<()> {
    with_node(bench, |bench, node| {
        misuse(bench.driver(), node, "memory_goes_away_under_kicks")?;
        works(bench.driver(), node)
    })
}

fn misuse(rc: &mut Guest, node: &str, name: &str) -> Result<()> {
    let client = format!("vdpa-client misuse {name} {node}");
    rc.sh_within(CLIENT_BOUND, &client).map(drop)
}

fn memory_is_given_back<T: Translator>(bench: &mut LinkOf<T>, record: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        works(bench.driver(), node)?;
        let before = pinned(bench.driver())?;
        for _ in 0..20 {
            works(bench.driver(), node)?;
        }
        blkio::start_load(bench, node, &DISK.file())?;
        blkio::kill_load(bench.driver())?;
        works(bench.driver(), node)?;
        let after = pinned(bench.driver())?;
        record.note(format!("{after} pages are pinned"));
        ensure!(
            before == after,
            "{before} pages were pinned before, {after} are after"
        );
        Ok(())
    })
}

/// How many pages are pinned by anybody: each that was, less each that was given back, on all processors.
fn pinned(rc: &mut Guest) -> Result<i64> {
    let counted = rc.sh("echo 1 >/proc/sys/vm/stat_refresh
         awk '/^nr_foll_pin_acquired/ {n += $2} /^nr_foll_pin_released/ {n -= $2} END {print n}' \
         /proc/vmstat")?;
    counted
        .parse()
        .context("the kernel does not count pinned pages")
}

/// The disk has the next process.
fn works(rc: &mut Guest, node: &str) -> Result<()> {
    blkio::qemu_io(rc, node, &["write -P 7 0 64k", "read -P 7 0 64k"])
}
