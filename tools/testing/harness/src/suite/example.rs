// SPDX-License-Identifier: GPL-2.0
//! The example of the emulator's README: two machines of one file, without this harness.

use std::fs;
use std::time::Duration;

use anyhow::{ensure, Result};

use crate::guest::Guest;
use crate::layout::Layout;
use crate::process::{command, tail_of, Process};
use crate::runner::{AnySuite, Bench, Case, Record, Suite};

/// For both machines to start, and for the RC to see the function and to power off.
const BOUND: Duration = Duration::from_secs(300);

/// What lspci of the RC says of the function: the board's sizes of BARs and vectors of MSI.
const SHOWN: &[&str] = &[
    "RC| 01:00.0 Class ff00: Device 104c:b500",
    "[size=1M]",
    "MSI: Enable- Count=1/32 Maskable- 64bit+",
];

/// The machines are the example's own.
struct Nothing {
    layout: Layout,
}

impl Bench for Nothing {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            layout: layout.clone(),
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        Vec::new()
    }
}

/// The suite with its case.
pub fn suite() -> impl AnySuite {
    Suite::<Nothing> {
        name: "example",
        about: "the example of the emulator's README, as a newcomer runs it",
        cases: vec![Case {
            name: "lspci_shows_the_function",
            about: "one file and one command lead to 'lspci -vv' of an emulated RK3588",
            run: lspci_shows_the_function,
        }],
    }
}

fn lspci_shows_the_function(bench: &mut Nothing, _: &mut Record) -> Result<()> {
    let log = bench.layout.results()?.join("example.log");
    let script = bench
        .layout
        .tree()
        .join("tools/testing/emulator/example/run");
    let mut process = Process::start("example", command(script), &log)?;
    let status = process.wait(BOUND)?;
    let text = fs::read_to_string(&log)?;
    ensure!(
        status.success(),
        "the example ended with {status}: {}",
        tail_of(&log)
    );
    for line in SHOWN {
        ensure!(
            text.contains(line),
            "expected '{line}' in {}",
            log.display()
        );
    }
    Ok(())
}
