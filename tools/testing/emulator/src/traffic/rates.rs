// SPDX-License-Identifier: GPL-2.0
//! What crosses the link in each second, by side and kind.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Initiator, Kind, Report};

/// Operations and bytes.
type Amount = (u64, u64);

/// What crossed the link between two looks at the counters.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    lines: Vec<Rate>,
}

/// One side and kind.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    initiator: Initiator,
    kind: Kind,
    /// Operations in each second.
    operations: f64,
    /// Bytes in each second.
    bytes: f64,
    /// Operations since the counters were zero.
    total: u64,
}

impl Rates {
    /// Compares two looks, the second of which was `elapsed` later. A kind whose counter has gone back was
    /// taken between them, and counts from zero.
    pub fn between(before: &Report, after: &Report, elapsed: Duration) -> Self {
        let before = sums(before);
        let rate = |((initiator, kind), (operations, bytes)): ((Initiator, Kind), Amount)| {
            let old = before.get(&(initiator, kind)).copied().unwrap_or_default();
            let old = if old.0 > operations { (0, 0) } else { old };
            let in_a_second = |count: u64| count as f64 / elapsed.as_secs_f64();
            Rate {
                initiator,
                kind,
                operations: in_a_second(operations.saturating_sub(old.0)),
                bytes: in_a_second(bytes.saturating_sub(old.1)),
                total: operations,
            }
        };
        Self {
            lines: sums(after).into_iter().map(rate).collect(),
        }
    }
}

/// Adds up places.
fn sums(report: &Report) -> BTreeMap<(Initiator, Kind), Amount> {
    let mut sums = BTreeMap::<_, Amount>::new();
    for line in &report.counts {
        let sum = sums.entry((line.initiator, line.kind)).or_default();
        sum.0 += line.count.operations;
        sum.1 += line.count.bytes;
    }
    sums
}

/// A table for people.
impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "by  kind          operations/s       bytes/s    operations"
        )?;
        for rate in &self.lines {
            writeln!(
                f,
                "{:<3} {:<13} {:>12.0} {:>13.0} {:>13}",
                rate.initiator, rate.kind, rate.operations, rate.bytes, rate.total
            )?;
        }
        Ok(())
    }
}
