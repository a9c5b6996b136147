// SPDX-License-Identifier: GPL-2.0
//! What was counted, what of the link was seen, and what it would take on the board.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Count, Line, Predicted};
use crate::fabric::{Settings, WindowMode};

/// Which memory is seen; what is mapped into a guest is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Accesses of the RC to memory of the function's BARs.
    pub bars: bool,
    /// Accesses of the EP through the outbound window.
    pub window: bool,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What could be seen.
    pub sees: Sight,
    /// The sums.
    pub counts: Vec<Line>,
    /// What they would take on the board, if its costs are known.
    pub predicted: Option<Predicted>,
}

impl Report {
    /// Says of sums what they mean with some settings.
    pub fn new(settings: &Settings, counts: Vec<Line>) -> Self {
        let cost = settings.profile.cost;
        Self {
            sees: Sight {
                bars: settings.trap_bars,
                window: settings.window_mode == WindowMode::Trapped,
            },
            predicted: cost.map(|cost| cost.charge(&counts)),
            counts,
        }
    }
}

/// A table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "by  kind          place                operations         bytes      1 B      2 B      4 B      8 B    other"
        )?;
        for line in &self.counts {
            let Count {
                operations,
                bytes,
                sizes,
                ..
            } = line.count;
            write!(
                f,
                "{:<3} {:<13} {:<18} {operations:>12} {bytes:>13}",
                line.initiator, line.kind, line.place
            )?;
            sizes.iter().try_for_each(|size| write!(f, " {size:>8}"))?;
            writeln!(f)?;
        }
        if let Some(predicted) = &self.predicted {
            writeln!(f, "on the board: {predicted}")?;
        }
        for (seen, what) in [(self.sees.bars, "BARs"), (self.sees.window, "the window")] {
            if !seen {
                writeln!(f, "not counted: accesses to mapped memory of {what}")?;
            }
        }
        Ok(())
    }
}
