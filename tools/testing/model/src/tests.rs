// SPDX-License-Identifier: GPL-2.0

//! The small bounds, and the faults that must be found.

use clap::ValueEnum;

use crate::configurations::{of_fault, SMALL};
use crate::fault::Fault;

/// Has the table of faults: its rows begin with a name, a property and a number of steps.
const DOCUMENT: &str = include_str!("../../../../Documentation/proof.rst");

#[test]
fn no_property_is_violated_within_the_small_bounds() {
    for configuration in SMALL {
        let figures = configuration.explore(2, |_| {});
        assert!(figures.is_good, "{}", configuration.name());
    }
}

#[test]
fn each_planted_fault_is_caught() {
    for fault in Fault::value_variants() {
        let found = of_fault(*fault).shortest();
        let found = found.unwrap_or_else(|| panic!("{fault:?} is not caught"));
        let steps = found.steps.len().to_string();
        assert_eq!(
            documented(*fault),
            [found.violated.number(), &steps],
            "{fault:?}"
        );
    }
}

/// What the document says of a fault.
fn documented(fault: Fault) -> [&'static str; 2] {
    let name = format!("``{}``", fault.name());
    let mut rows = DOCUMENT.lines().map(str::split_whitespace);
    let row = rows.find_map(|mut cells| (cells.next()? == name).then_some(cells));
    let mut cells = row.unwrap_or_else(|| panic!("{fault:?} is not in the document"));
    [(); 2].map(|()| cells.next().expect("a property and a number"))
}
