// SPDX-License-Identifier: GPL-2.0
//! Upstream's test of endpoint functions: `pci_epf_test` on the EP, its driver and its kselftest
//! on the RC (Documentation/PCI/endpoint/pci-test-howto.rst of the kernel).

use std::time::Duration;

use anyhow::Result;

use super::endpoint::{self, Function};
use super::modules;
use crate::guest::Guest;
use crate::ktap::{parse, Part};
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

/// For the whole program. Transfers of the larger sizes take seconds each under emulation.
const PROGRAM_BOUND: Duration = Duration::from_secs(300);

/// Makes the function with these attributes, starts the link and runs the kselftest; in the end there
/// is no function.
pub fn run_on_link(
    link: &mut Link,
    attributes: &[(&str, &str)],
    choice: &str,
) -> Result<Vec<Part>> {
    FUNCTION.create(&mut link.ep, attributes)?;
    FUNCTION.bind(&mut link.ep)?;
    endpoint::start(link)?;
    let parts = run(&mut link.rc, choice)?;
    endpoint::stop(link)?;
    FUNCTION.unbind(&mut link.ep)?;
    FUNCTION.remove(&mut link.ep)?;
    Ok(parts)
}

/// Runs the kselftest on the RC, with options that choose among its tests.
///
/// Variants that use a DMA engine are left out: the function answers such a request with nothing
/// but a message when it has none, and the RC's driver then waits for ever.
fn run(rc: &mut Guest, choice: &str) -> Result<Vec<Part>> {
    modules::load(rc, &["pci_endpoint_test"])?;
    rc.wait_until(PROGRAM_BOUND, "[ -c /dev/pci-endpoint-test.0 ]")?;
    let patience = rc.kernels().patience();
    let command = format!("KSELFTEST_PATIENCE={patience} pci_endpoint_test -V dma {choice}");
    // Its exit status says no more than the results.
    let output = rc.try_sh_within(PROGRAM_BOUND, &command)?;
    let text = String::from_utf8_lossy(&output.bytes);
    modules::unload(rc, &["pci_endpoint_test"])?;
    Ok(parse(text.lines()))
}
