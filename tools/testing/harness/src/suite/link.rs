// SPDX-License-Identifier: GPL-2.0
//! Two machines, joined by the PCI endpoint emulator.

use anyhow::{ensure, Result};

use crate::commands::{endpoint, upstream};
use crate::guest::Guest;
use crate::ktap::{Part, Verdict};
use crate::layout::Layout;
use crate::link::Link;
use crate::runner::{AnySuite, Bench, Case, Record, Suite};

impl Bench for Link {
    fn set_up(layout: &Layout) -> Result<Self> {
        Self::boot(layout)
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.ep, &mut self.rc]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Link> {
        name: "link",
        about: "an endpoint and a stock Debian root complex, joined by the emulator",
        cases: vec![Case {
            name: "upstream_pci_endpoint_test",
            about: "the kselftest of mainline's pci-epf-test passes: the emulator is right",
            run: upstream_pci_endpoint_test,
        }],
    }
}

/// Tests of the program that must have passed, by a part of their name. Others may be skipped,
/// since it skips what a controller does not offer.
const REQUIRED: &[&str] = &[
    "BAR0.BAR_TEST",
    "CONSECUTIVE_BAR_TEST",
    "MSI_TEST",
    "MSIX_TEST",
    "memcpy.READ_TEST",
    "memcpy.WRITE_TEST",
    "memcpy.COPY_TEST",
];

fn upstream_pci_endpoint_test(link: &mut Link, record: &mut Record) -> Result<()> {
    upstream::FUNCTION.create(&mut link.ep, upstream::ATTRIBUTES)?;
    upstream::FUNCTION.bind(&mut link.ep)?;
    endpoint::start(link)?;
    let parts = upstream::run(&mut link.rc)?;
    let passed = |part: &&Part| part.verdict == Verdict::Passed;
    let missing: Vec<_> = REQUIRED
        .iter()
        .filter(|name| {
            !parts
                .iter()
                .filter(passed)
                .any(|part| part.name.contains(*name))
        })
        .collect();
    record.parts(parts);
    ensure!(missing.is_empty(), "did not pass: {missing:?}");
    endpoint::stop(link)?;
    upstream::FUNCTION.unbind(&mut link.ep)?;
    upstream::FUNCTION.remove(&mut link.ep)
}
