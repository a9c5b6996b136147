// SPDX-License-Identifier: GPL-2.0
//! What either side refuses: a clear error, and nothing changed.

use std::fmt::Write;

use anyhow::{ensure, Result};

use super::DISK;
use crate::commands::endpoint::{self, Function, VhostFunction, VirtioType};
use crate::commands::upstream;
use crate::guest::Guest;
use crate::link::Link;
use crate::runner::{Case, Record};

pub fn cases() -> Vec<Case<Link>> {
    vec![
        Case {
            name: "values_out_of_range_are_refused",
            about: "attributes of the function refuse what they cannot be, and keep what they were",
            run: values_out_of_range_are_refused,
        },
        Case {
            name: "incomplete_functions_are_not_bound",
            about: "a function without type or instance, or whose instance is missing, is refused",
            run: incomplete_functions_are_not_bound,
        },
        Case {
            name: "bound_functions_are_busy",
            about: "attributes do not change while the function is bound",
            run: bound_functions_are_busy,
        },
        Case {
            name: "foreign_registers_are_refused",
            about: "the RC refuses wrong magic, version or regions, and all-ones, and says why",
            run: foreign_registers_are_refused,
        },
    ]
}

const OUT_OF_RANGE: &str = "Numerical result out of range";
const INVALID: &str = "Invalid argument";

/// Attributes with values that they refuse, and the error.
const BAD_VALUES: &[(&str, &str, &str)] = &[
    ("device", "toaster", INVALID),
    ("device", "0", INVALID),
    ("doorbell", "loud", INVALID),
    ("num_queues", "0", OUT_OF_RANGE),
    ("num_queues", "65", OUT_OF_RANGE),
    ("num_queues", "few", INVALID),
    ("queue_size", "0", OUT_OF_RANGE),
    ("queue_size", "48", INVALID),
    ("queue_size", "65536", OUT_OF_RANGE),
    ("window_size", "2048", OUT_OF_RANGE),
    ("window_size", "4097", INVALID),
    ("max_windows", "0", OUT_OF_RANGE),
    ("max_windows", "257", OUT_OF_RANGE),
    ("poll_us", "10001", OUT_OF_RANGE),
    ("scan_ms", "1001", OUT_OF_RANGE),
];

fn values_out_of_range_are_refused(link: &mut Link, _: &mut Record) -> Result<()> {
    let function = DISK.create(&mut link.ep)?;
    for (attribute, value, error) in BAD_VALUES {
        refuses(&mut link.ep, &function, attribute, value, error)?;
    }
    DISK.remove(&mut link.ep, &function)
}

/// Writes an attribute, which must fail with an error, a message that names the attribute, and
/// the attribute as it was.
fn refuses(
    ep: &mut Guest,
    function: &VhostFunction,
    attribute: &str,
    value: &str,
    error: &str,
) -> Result<()> {
    let before = function.get(ep, attribute)?;
    ep.mark(&format!("{value} for {attribute}"))?;
    let text = match function.set(ep, attribute, value) {
        Ok(()) => "success".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    ensure!(
        text.contains(error),
        "{attribute}: expected '{error}' for '{value}', got '{text}'"
    );
    let after = function.get(ep, attribute)?;
    ensure!(
        before == after,
        "{attribute} was '{before}' and became '{after}'"
    );
    expect_message(ep, &format!("Attribute '{attribute}'"))
}

/// Fails when the kernel log since the last mark lacks some words.
fn expect_message(guest: &mut Guest, words: &str) -> Result<()> {
    let log = guest.mark(&format!("after {}", words.replace('\'', "")))?;
    ensure!(
        log.iter().any(|line| line.contains(words)),
        "no message has '{words}': {log:#?}"
    );
    Ok(())
}

fn incomplete_functions_are_not_bound(link: &mut Link, _: &mut Record) -> Result<()> {
    let ep = &mut link.ep;
    let function = VhostFunction::new(VirtioType::Block, "incomplete");
    (*function).create(ep, &[])?;
    for (message, (attribute, value)) in [
        ("'device' is not set", ("device", "blk")),
        ("'instance' is not set", ("instance", "nothing")),
        (
            "No backend for 'blk' took instance 'nothing'",
            ("instance", "nothing"),
        ),
    ] {
        ep.mark("bind")?;
        ensure!(
            function.bind(ep).is_err(),
            "expected '{message}', but it was bound"
        );
        expect_message(ep, message)?;
        function.set(ep, attribute, value)?;
    }
    function.remove(ep)
}

fn bound_functions_are_busy(link: &mut Link, _: &mut Record) -> Result<()> {
    let ep = &mut link.ep;
    let function = DISK.create(ep)?;
    function.bind(ep)?;
    for (attribute, value) in [
        ("device", "net"),
        ("instance", "other"),
        ("num_queues", "1"),
        ("queue_size", "64"),
        ("doorbell", "polled"),
        ("window_size", "65536"),
        ("max_windows", "4"),
        ("poll_us", "0"),
        ("scan_ms", "10"),
    ] {
        refuses(ep, &function, attribute, value, "Device or resource busy")?;
    }
    function.unbind(ep)?;
    DISK.remove(ep, &function)
}

/// A function of the kernel with the identifiers of ours. Its BAR 1 is plain memory.
const IMPOSTOR: Function = Function {
    driver: upstream::FUNCTION.driver,
    name: "impostor",
};
const IMPOSTOR_ATTRIBUTES: &[(&str, &str)] = &[
    ("vendorid", "0x1af4"),
    ("deviceid", "0x10f0"),
    ("msix_interrupts", "4"),
];

/// An identity that is legal, as offsets and words (Documentation/transport.rst, "Identity"): one
/// queue, the command block at 0x1000, the queue table at 0x2000, polled doorbells at 0x3000.
const IDENTITY: &[(u32, u32)] = &[
    (0x00, 0x5646_5045),
    (0x04, 0x0001_0000),
    (0x08, 1),
    (0x0c, 7),
    (0x28, 2),
    (0x30, 1),
    (0x34, 64),
    (0x40, 0x1000),
    (0x44, 0x200),
    (0x48, 0x2000),
    (0x4c, 16),
    (0x50, 16),
    (0x5c, 1),
    (0x60, 1),
    (0x64, 0x3000),
    (0x68, 4),
    (0x6c, 4),
    (0x2000, 64),
];

/// Changes to that identity, and a part of the message that they lead to.
const BAD_WORDS: &[(u32, u32, &str)] = &[
    (0x00, 0x1234_5678, "No BAR begins with 0x56465045"),
    (0x00, u32::MAX, "reads all-ones"),
    (
        0x04,
        0x0002_0000,
        "Endpoint speaks protocol 2.0, this driver 1.x",
    ),
    (0x08, 0, "Endpoint not ready within"),
    (0x30, 0, "registers are not legal"),
    (0x30, 65, "registers are not legal"),
    (0x34, 48, "registers are not legal"),
    (0x40, 0x2_0000, "registers are not legal"),
    (0x40, 0x1002, "registers are not legal"),
    (0x44, 0x100, "registers are not legal"),
    (0x48, 0x1100, "registers are not legal"),
    (0x60, 9, "registers are not legal"),
    (0x64, 0x1_fffe, "registers are not legal"),
    (0x2000, 0, "registers are not legal"),
    (0x2000, 48, "registers are not legal"),
    (0x2000, 65536, "registers are not legal"),
];

fn foreign_registers_are_refused(link: &mut Link, _: &mut Record) -> Result<()> {
    IMPOSTOR.create(&mut link.ep, IMPOSTOR_ATTRIBUTES)?;
    IMPOSTOR.bind(&mut link.ep)?;
    let address = endpoint::start(link)?;
    let rc = &mut link.rc;
    // The first BAR whose content the RC can choose. Memory decoding is off without a driver.
    let bar = rc.sh(&format!(
        "sed -n 2p /sys/bus/pci/devices/{address}/resource | cut -d ' ' -f 1"
    ))?;
    rc.sh(&format!("setpci -s {address} COMMAND=2"))?;
    for (offset, word, message) in BAD_WORDS {
        write_words(rc, &bar, IDENTITY)?;
        write_words(rc, &bar, &[(*offset, *word)])?;
        rc.mark(&format!("word {word:#x} at {offset:#x}"))?;
        rc.sh_fails(&format!(
            "echo {address} >/sys/bus/pci/drivers/epf_vdpa/bind"
        ))?;
        expect_message(rc, message)?;
        rc.sh(&format!("setpci -s {address} COMMAND=2"))?;
    }
    endpoint::stop(link)?;
    IMPOSTOR.unbind(&mut link.ep)?;
    IMPOSTOR.remove(&mut link.ep)
}

fn write_words(rc: &mut Guest, bar: &str, words: &[(u32, u32)]) -> Result<()> {
    let mut script = String::from("set -e");
    for (offset, word) in words {
        write!(script, "; devmem $(({bar} + {offset:#x})) 32 {word:#x}")?;
    }
    rc.sh(&script).map(drop)
}
