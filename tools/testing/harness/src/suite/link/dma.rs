// SPDX-License-Identifier: GPL-2.0
//! The EP's DMA engine fails: what it was to move is copied by the processor, and data stays right.

use std::time::Duration;

use anyhow::{ensure, Result};
use epc_emulator::faults::{Effect, Rule, Target};

use super::life::END_BOUND;
use super::{disk_works, DISK};
use crate::commands::endpoint;
use crate::commands::served::Served;
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::suite::prepared::Joined;
use crate::workload::disk::{self, Pattern};

/// All payload but headers and status of requests for blocks.
pub const PAYLOAD: &[(&str, &str)] = &[
    ("dma", "1"),
    ("dma_read_threshold", "64"),
    ("dma_write_threshold", "64"),
];

/// The same, with queues that the RC pushes, and of what it reads only what is shorter.
pub const BESIDES_PUSHED: &[(&str, &str)] = &[
    ("data_path", "push"),
    ("dma", "1"),
    ("dma_read_threshold", "64"),
    ("dma_write_threshold", "64"),
];

pub fn cases<B: Joined>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "payload_goes_by_dma",
            about: "blocks and packets are moved by the engine if the user says so",
            run: |bench, record| payload_goes_by_dma(bench.link(), record),
        },
        Case {
            name: "transfers_fail",
            about: "a disk keeps data while transfers fail, and transfers go on",
            run: |bench, record| transfers_fail(bench.link(), record),
        },
        Case {
            name: "transfers_are_late",
            about: "a disk keeps data while transfers take long",
            run: |bench, _| transfers_are_late(bench.link()),
        },
        Case {
            name: "a_transfer_does_not_end",
            about: "the engine is done without, and a function that is bound again has it",
            run: |bench, record| a_transfer_does_not_end(bench.link(), record),
        },
        Case {
            name: "function_is_unbound_in_a_transfer",
            about: "the EP may unbind the function while a transfer is in progress",
            run: |bench, _| function_is_unbound_in_a_transfer(bench.link()),
        },
    ]
}

/// 8 MiB of blocks, each written and read, of which 128 KiB go by a transfer at most.
const LEAST_TRANSFERS: u64 = 2 * (8 << 20) / (128 << 10);

/// Has something happen to the next `count` transfers.
fn faults(link: &Link, effect: Effect, count: u64) -> Result<()> {
    link.fault(Rule {
        on: Target::Dma,
        effect,
        skip: 0,
        count: Some(count),
    })
}

/// Writes and verifies some of a disk, and returns how many interrupts of the engine the EP had meanwhile.
fn verify(link: &mut Link, path: &str) -> Result<u64> {
    let before = interrupts(link)?;
    for pattern in [Pattern::Sequential, Pattern::Random] {
        disk::verify(&mut link.rc, path, pattern, 8)?;
    }
    Ok(interrupts(link)? - before)
}

/// How many interrupts of the engine the EP had so far.
fn interrupts(link: &mut Link) -> Result<u64> {
    let sum = "awk '/pcie_emulated_ep-dma/ { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) sum += $i } END { print sum + 0 }'";
    Ok(link
        .ep
        .sh(&format!("{sum} /proc/interrupts"))?
        .trim()
        .parse()?)
}

fn expect_transfers(seen: u64) -> Result<()> {
    ensure!(
        seen >= LEAST_TRANSFERS,
        "expected {LEAST_TRANSFERS} transfers or more, saw {seen}"
    );
    Ok(())
}

fn payload_goes_by_dma(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    let seen = verify(link, &path)?;
    record.note(format!("{seen} transfers"));
    expect_transfers(seen)?;
    served.stop(link)
}

fn transfers_fail(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    faults(link, Effect::Refuse, 500)?;
    verify(link, &path)?;
    let seen = verify(link, &path)?;
    record.note(format!("{seen} transfers afterwards"));
    expect_transfers(seen)?;
    served.stop(link)
}

/// Of all pieces of a large block, no more than the EP waits for.
fn transfers_are_late(link: &mut Link) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    faults(link, Effect::Delay(Duration::from_millis(10)), 100)?;
    let seen = verify(link, &path)?;
    expect_transfers(seen)?;
    served.stop(link)
}

fn a_transfer_does_not_end(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    faults(link, Effect::Lose, 1)?;
    verify(link, &path)?;
    link.ep
        .wait_for_message(END_BOUND, "does not end: the processor copies from now on")?;
    served.stop(link)?;
    payload_goes_by_dma(link, record)
}

fn function_is_unbound_in_a_transfer(link: &mut Link) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::start_load(&mut link.rc, &path)?;
    // Under load one of them is in progress at any time.
    faults(link, Effect::Delay(Duration::from_millis(800)), u64::MAX)?;
    endpoint::begin_stop(&mut link.ep)?;
    served.function.unbind(&mut link.ep)?;
    link.clear_faults()?;
    endpoint::finish_stop(link)?;
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    DISK.remove(&mut link.ep, &served.function)?;
    disk_works(link)
}
