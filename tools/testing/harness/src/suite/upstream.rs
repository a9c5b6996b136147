// SPDX-License-Identifier: GPL-2.0
//! Code of the kernel on both machines, and none of ours but the emulator and its controller's
//! driver: if it works, they are right.

use anyhow::{ensure, Result};

use crate::commands::{endpoint, upstream};
use crate::guest::{Guest, Model};
use crate::ktap::{Part, Verdict};
use crate::layout::Layout;
use crate::link::Link;
use crate::runner::{AnySuite, Bench, Case, Record, Suite};

/// An endpoint and a root complex that can give a function all vectors there are.
struct Machines {
    link: Link,
}

impl Bench for Machines {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            link: Link::boot(layout, Model::RcWithManyVectors)?,
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.link.ep, &mut self.link.rc]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Machines> {
        name: "upstream",
        about: "tests of the kernel's own endpoint function, on the emulator",
        cases: vec![Case {
            name: "pci_endpoint_test",
            about: "the kselftest of pci-epf-test passes: BARs, all vectors, read, write, copy",
            run: pci_endpoint_test,
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

fn pci_endpoint_test(machines: &mut Machines, record: &mut Record) -> Result<()> {
    let link = &mut machines.link;
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
