// SPDX-License-Identifier: GPL-2.0
//! The example of the emulator's README: two machines of one file, without this harness.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::host::Host;
use crate::runner::{AnySuite, Case, Record, Suite};

/// For both machines to start, and for the RC to see the function and to power off.
const BOUND: Duration = Duration::from_secs(300);

/// What lspci of the RC says of the function: the board's sizes of BARs and vectors of MSI.
const SHOWN: &[&str] = &[
    "RC| 01:00.0 Class ff00: Device 104c:b500",
    "[size=1M]",
    "MSI: Enable- Count=1/32 Maskable- 64bit+",
];

/// The suite with its case.
pub fn suite() -> impl AnySuite {
    Suite::<Host> {
        name: "example",
        about: "the example of the emulator's README, as a newcomer runs it",
        cases: vec![Case {
            name: "lspci_shows_the_function",
            about: "one file and one command lead to 'lspci -vv' of an emulated RK3588",
            run: lspci_shows_the_function,
        }],
    }
}

fn lspci_shows_the_function(host: &mut Host, _: &mut Record) -> Result<()> {
    let text = host.output_of_script(BOUND, "tools/testing/emulator/example/run", &[])?;
    for line in SHOWN {
        ensure!(text.contains(line), "expected '{line}' in:\n{text}");
    }
    Ok(())
}
