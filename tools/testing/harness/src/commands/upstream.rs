// SPDX-License-Identifier: GPL-2.0
//! Upstream's test of endpoint functions: `pci_epf_test` on the EP, its driver and its kselftest
//! on the RC (Documentation/PCI/endpoint/pci-test-howto.rst of the kernel).

use std::time::Duration;

use anyhow::Result;
use epc_emulator::profile::Profile;

use super::endpoint::{self, Function};
use super::modules;
use crate::guest::Guest;
use crate::ktap::{parse, Part, Verdict};
use crate::link::Link;

/// The function, and identifiers that the RC's driver knows.
pub const FUNCTION: Function = Function {
    driver: "pci_epf_test",
    name: "upstream",
};

/// Attributes of the function as the how-to gives them, with the most vectors there are.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    ("vendorid", "0x104c"),
    ("deviceid", "0xb500"),
    ("msi_interrupts", "32"),
    ("msix_interrupts", "2048"),
];

/// What moves the data of transfers, besides the EP's processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Nothing. The function answers a request for it with nothing but a message, and the RC's driver then
    /// waits for ever, so that no such request is made.
    None,
    /// Slave channels, which the function prefers. They do not copy, and the how-to says to leave
    /// that out.
    Slaves,
    /// A channel that copies, through windows.
    Copies,
}

impl Engine {
    /// Returns what the function finds on a board, by the name of the emulator's profile.
    pub fn of_board(profile: &str) -> Result<Self> {
        let dma = Profile::load(profile)?.dma;
        Ok(match (dma.read.min(dma.write), dma.copy) {
            (1.., _) => Self::Slaves,
            (0, 1..) => Self::Copies,
            (0, 0) => Self::None,
        })
    }

    /// Options that choose tests which can pass, behind those that leave others out.
    fn options(self) -> &'static str {
        match self {
            Self::None => "-V dma",
            Self::Slaves => "-v memcpy -T COPY_TEST -v dma -f pci_ep_bar -f pci_ep_basic",
            Self::Copies => "",
        }
    }

    /// Tests of transfers that must have passed, by a part of their name.
    pub fn transfers(self) -> &'static [&'static str] {
        match self {
            Self::None => &["memcpy.READ_TEST", "memcpy.WRITE_TEST", "memcpy.COPY_TEST"],
            Self::Slaves => &[
                "memcpy.READ_TEST",
                "memcpy.WRITE_TEST",
                "memcpy.COPY_TEST",
                "dma.READ_TEST",
                "dma.WRITE_TEST",
            ],
            Self::Copies => &[
                "memcpy.READ_TEST",
                "memcpy.WRITE_TEST",
                "memcpy.COPY_TEST",
                "dma.READ_TEST",
                "dma.WRITE_TEST",
                "dma.COPY_TEST",
            ],
        }
    }
}

/// For the whole program. Transfers of the larger sizes take seconds each under emulation.
const PROGRAM_BOUND: Duration = Duration::from_secs(300);

/// Makes the function with these attributes, starts the link and runs the kselftest; in the end there
/// is no function.
pub fn run_on_link(
    link: &mut Link,
    attributes: &[(&str, &str)],
    engine: Engine,
    choice: &str,
) -> Result<Vec<Part>> {
    FUNCTION.create(&mut link.ep, attributes)?;
    FUNCTION.bind(&mut link.ep)?;
    endpoint::start(link)?;
    let parts = run(&mut link.rc, engine, choice)?;
    endpoint::stop(link)?;
    FUNCTION.unbind(&mut link.ep)?;
    FUNCTION.remove(&mut link.ep)?;
    Ok(parts)
}

/// Runs the kselftest on the RC, with options that choose among its tests: the first that fits a test
/// decides.
pub fn run(rc: &mut Guest, engine: Engine, choice: &str) -> Result<Vec<Part>> {
    modules::load(rc, &["pci_endpoint_test"])?;
    rc.wait_until(PROGRAM_BOUND, "[ -c /dev/pci-endpoint-test.0 ]")?;
    let patience = rc.kernels().patience();
    let command = format!(
        "KSELFTEST_PATIENCE={patience} pci_endpoint_test {choice} {}",
        engine.options()
    );
    // Its exit status says no more than the results.
    let output = rc.try_sh_within(PROGRAM_BOUND, &command)?;
    let text = String::from_utf8_lossy(&output.bytes);
    modules::unload(rc, &["pci_endpoint_test"])?;
    Ok(parse(text.lines()))
}

/// Returns which tests did not pass, of those that have to, each by a part of its name.
pub fn not_passed<'a>(parts: &[Part], required: &[&'a str]) -> Vec<&'a str> {
    let passed = |part: &&Part| part.verdict == Verdict::Passed;
    let has = |name: &str| {
        let mut passed = parts.iter().filter(passed);
        passed.any(|part| part.name.contains(name))
    };
    required.iter().copied().filter(|name| !has(name)).collect()
}
