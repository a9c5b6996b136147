// SPDX-License-Identifier: GPL-2.0
//! What either side refuses: a clear error, and nothing changed.

use anyhow::{ensure, Result};

use super::DISK;
use crate::commands::endpoint::{VhostFunction, VirtioType};
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
    ("queue_poll_us", "10001", OUT_OF_RANGE),
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
        ("queue_poll_us", "10"),
        ("scan_ms", "10"),
    ] {
        refuses(ep, &function, attribute, value, "Device or resource busy")?;
    }
    function.unbind(ep)?;
    DISK.remove(ep, &function)
}
