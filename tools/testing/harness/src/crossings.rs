// SPDX-License-Identifier: GPL-2.0
//! What one transfer costs on the link: the emulator's counters, shared out among transfers.

use std::fmt;

use epc_emulator::traffic::{Initiator, Kind, Line, Report};
use serde::Serialize;

/// What crosses the link for each transfer, on average.
#[derive(Clone, Debug, Serialize)]
pub struct Crossings {
    /// Loads by the EP, for which it waits.
    pub ep_reads: Each,
    /// Stores by the EP.
    pub ep_writes: Each,
    /// Loads by the RC, for which it waits.
    pub rc_reads: Each,
    /// Stores by the RC, other than to doorbells.
    pub rc_writes: Each,
    /// Transactions that those are where its processor combines stores to lines of 64 bytes.
    pub rc_lines: f64,
    /// Accesses of the RC to the configuration space.
    pub config: f64,
    /// Stores of the RC to doorbells.
    pub doorbells: f64,
    /// Messages of the EP, of MSI or MSI-X.
    pub interrupts: f64,
    /// Transfers by the EP's DMA engine, both ways.
    pub dma: f64,
    /// Bytes that these moved.
    pub dma_bytes: f64,
}

/// Loads or stores for each transfer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Each {
    /// Of any size.
    pub all: f64,
    /// Of 1, 2, 4, 8 and more bytes.
    pub sizes: [f64; 5],
}

impl Crossings {
    /// Shares out what was counted among so many transfers.
    pub fn of_each(report: &Report, transfers: u32) -> Self {
        let counted = Counted {
            report,
            transfers: f64::from(transfers),
        };
        let of = |initiator, kind| counted.each(initiator, kind);
        let dma = [Kind::DmaRead, Kind::DmaWrite];
        Self {
            ep_reads: of(Initiator::Ep, Kind::Read),
            ep_writes: of(Initiator::Ep, Kind::Write),
            rc_reads: of(Initiator::Rc, Kind::Read),
            rc_writes: of(Initiator::Rc, Kind::Write),
            rc_lines: counted.lines(Initiator::Rc, Kind::Write),
            config: counted.operations(&[Kind::ConfigRead, Kind::ConfigWrite]),
            doorbells: counted.operations(&[Kind::Doorbell]),
            interrupts: counted.operations(&[Kind::Message, Kind::Intx]),
            dma: counted.operations(&dma),
            dma_bytes: counted.sum(&dma, |line| line.count.bytes),
        }
    }
}

/// A report, and among how many it is shared.
struct Counted<'a> {
    report: &'a Report,
    transfers: f64,
}

impl Counted<'_> {
    fn each(&self, initiator: Initiator, kind: Kind) -> Each {
        let mut sizes = [0.0; 5];
        for line in self.of(initiator, kind) {
            for (sum, count) in sizes.iter_mut().zip(line.count.sizes) {
                *sum += count as f64 / self.transfers;
            }
        }
        Each {
            all: sizes.iter().sum(),
            sizes,
        }
    }

    fn lines(&self, initiator: Initiator, kind: Kind) -> f64 {
        let lines = self.of(initiator, kind).map(|line| line.count.lines);
        lines.sum::<u64>() as f64 / self.transfers
    }

    fn of(&self, initiator: Initiator, kind: Kind) -> impl Iterator<Item = &Line> {
        let lines = self.report.counts.iter();
        lines.filter(move |line| line.initiator == initiator && line.kind == kind)
    }

    fn operations(&self, kinds: &[Kind]) -> f64 {
        self.sum(kinds, |line| line.count.operations)
    }

    fn sum(&self, kinds: &[Kind], what: fn(&Line) -> u64) -> f64 {
        let lines = self.report.counts.iter();
        let chosen = lines.filter(|line| kinds.contains(&line.kind));
        chosen.map(what).sum::<u64>() as f64 / self.transfers
    }
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.sizes.map(|count| format!("{count:.1}")).join(" ");
        write!(f, "{:.1} ({sizes})", self.all)
    }
}
