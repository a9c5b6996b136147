// SPDX-License-Identifier: GPL-2.0
//! What a process does with a disk.

use anyhow::{ensure, Result};

use super::machines::{Offers, DISK};
use crate::runner::{Case, Record};
use crate::workload::blkio;
use crate::workload::disk::Pattern;

/// Requests of a run of qemu-img.
const REQUESTS: u64 = 5000;

pub fn cases<B: Offers>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "process_has_the_disk",
            about: "what qemu-io writes is in the file, and what is in the file is what it reads",
            run: process_has_the_disk,
        },
        Case {
            name: "process_has_requests_in_flight",
            about: "qemu-img writes and reads with 32 requests at a time",
            run: process_has_requests_in_flight,
        },
        Case {
            name: "disk_has_one_process",
            about: "a second process is refused, and the first one goes on",
            run: disk_has_one_process,
        },
        Case {
            name: "process_is_killed_under_load",
            about: "what a killed process had in flight is over, and the next one has the disk",
            run: process_is_killed_under_load,
        },
        Case {
            name: "process_keeps_data",
            about: "nbdkit serves the disk, and fio verifies what it keeps",
            run: process_keeps_data,
        },
    ]
}

/// Offers the disk, does something with the device node of it, and takes it away.
pub fn with_node<B: Offers>(
    bench: &mut B,
    run: impl FnOnce(&mut B, &str) -> Result<()>,
) -> Result<()> {
    let (offered, node) = bench.offer()?;
    run(bench, &node)?;
    bench.withdraw(offered)
}

fn process_has_the_disk<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        let file = DISK.file();
        let commands = [
            "write -P 0xa5 4k 512k",
            "flush",
            "read -P 0xa5 4k 512k",
            "read -P 0 0 4k",
        ];
        blkio::qemu_io(bench.driver(), node, &commands)?;
        bench.backend().sh(&format!(
            "tr '\\0' '\\245' </dev/zero | head -c 524288 | cmp -n 524288 - {file} 0 4096"
        ))?;
        bench.backend().sh(&format!(
            "tr '\\0' '\\132' </dev/zero | head -c 4096 | dd of={file} conv=notrunc 2>/dev/null"
        ))?;
        let last = u64::from(DISK.mib) * (1 << 20) - 512;
        let commands = [
            "read -P 0x5a 0 4k",
            "discard 4k 512k",
            "read -P 0 4k 512k",
            &format!("write -P 1 {last} 512"),
        ];
        blkio::qemu_io(bench.driver(), node, &commands)?;
        let beyond = format!("write {last} 1k");
        blkio::qemu_io_fails(bench.driver(), node, &[&beyond]).map(drop)
    })
}

fn process_has_requests_in_flight<B: Offers>(bench: &mut B, record: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        for (name, writes) in [("writes", true), ("reads", false)] {
            let rate = blkio::bench(bench.driver(), node, REQUESTS, writes)?;
            record.note(format!("qemu-img: {rate:.0} {name} of 4 KiB in a second"));
        }
        Ok(())
    })
}

fn process_keeps_data<B: Offers>(bench: &mut B, record: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        let figures = blkio::verify(bench.driver(), node, Pattern::Random, 16)?;
        record.note(figures.to_string());
        Ok(())
    })
}

fn disk_has_one_process<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        blkio::start_load(bench, node, &DISK.file())?;
        let refusal = blkio::qemu_io_fails(bench.driver(), node, &["read 0 4k"])?;
        ensure!(
            refusal.contains("Failed to connect to vDPA device"),
            "expected that the device cannot be opened, qemu-io said '{refusal}'"
        );
        blkio::kill_load(bench.driver())
    })
}

fn process_is_killed_under_load<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        blkio::start_load(bench, node, &DISK.file())?;
        blkio::kill_load(bench.driver())?;
        let commands = [
            &*blkio::read_of_load(),
            "write -P 7 0 64k",
            "read -P 7 0 64k",
        ];
        blkio::qemu_io(bench.driver(), node, &commands)
    })
}
