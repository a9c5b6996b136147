// SPDX-License-Identifier: GPL-2.0
//! All that was measured, as it is kept.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::growth::Point;
use super::measurement::Timing;
use super::plan::Transfer;
use super::prediction::{published, Prediction, Published};
use crate::crossings::Crossings;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Runs of each load.
    pub runs: u32,
    /// What crossed the link.
    pub counted: Vec<Counted>,
    /// How that grows.
    pub grown: Vec<Point>,
    /// How fast it was.
    pub timed: Vec<Timed>,
}

/// A kind of transfer of a peer.
#[derive(Debug, Serialize)]
pub struct Counted {
    /// Name of the peer.
    pub peer: &'static str,
    /// The transfer, in words.
    pub what: String,
    /// The same.
    #[serde(skip)]
    pub transfer: Transfer,
    /// What crosses the link for each.
    pub crossings: Crossings,
    /// What that would take on boards.
    pub predictions: Vec<Prediction>,
}

/// A load of a peer.
#[derive(Debug, Serialize)]
pub struct Timed {
    /// Name of the peer.
    pub peer: &'static str,
    /// The load, in words.
    pub what: String,
    /// What was measured.
    #[serde(flatten)]
    pub timing: Timing,
}

impl Results {
    /// Nothing yet.
    pub fn new(runs: u32) -> Self {
        Self {
            runs,
            counted: Vec::new(),
            grown: Vec::new(),
            timed: Vec::new(),
        }
    }

    /// Keeps them in results.json.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join("results.json");
        fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Counted {
    /// What was published of it on a board.
    pub fn published(&self, board: &str) -> Option<Published> {
        published(self.peer, board, self.transfer)
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Crossings {
            ep_reads,
            ep_writes,
            rc_reads,
            rc_writes,
            rc_lines,
            doorbells,
            interrupts,
            dma,
            dma_bytes,
            config,
        } = &self.crossings;
        write!(
            f,
            "{}: EP loads {ep_reads}, stores {ep_writes}; RC loads {rc_reads}, stores {rc_writes}, \
             {rc_lines:.2} where they are combined; {dma:.2} transfers by DMA of {dma_bytes:.0} bytes; {doorbells:.2} doorbells, {interrupts:.2} interrupts, {config:.2} config",
            self.what
        )
    }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timing {
            per_second,
            rc_us,
            ep_us,
        } = &self.timing;
        write!(
            f,
            "{}: {:.0} per second ({:.0} to {:.0}), RC {:.0} us each",
            self.what, per_second.median, per_second.least, per_second.most, rc_us.median
        )?;
        match ep_us {
            Some(ep_us) => write!(f, ", EP {:.0} us each", ep_us.median),
            None => Ok(()),
        }
    }
}
