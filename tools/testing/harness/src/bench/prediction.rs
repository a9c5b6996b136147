// SPDX-License-Identifier: GPL-2.0
//! What counted transfers would take on a board, by the costs of its profile, and what was published.

use anyhow::{Context, Result};
use epc_emulator::profile::Profile;
use epc_emulator::traffic::{Kind, Report};
use serde::Serialize;

use super::plan::{Transfer, What, FRAME, TRANSFERS};

/// A board for which costs are known, or assumed.
struct Board {
    name: &'static str,
    profile: &'static str,
    /// Nanoseconds of a DMA transfer of no bytes, instead of the profile's.
    dma: Option<f64>,
}

/// Those of the tables.
///
/// The profile of RK3588 has a DMA transfer as pci-epf-test waits for it, by interrupt and thread. The
/// NVMe function polls: that it was published to do 131 kIOPS at depth 32 with 4 jobs, by one channel for
/// each direction, leaves 7.6 us for a transfer of 4 KiB, of which 1.3 us are those of its bytes.
const BOARDS: &[Board] = &[
    Board {
        name: "rk3588",
        profile: "rk3588",
        dma: None,
    },
    Board {
        name: POLLED,
        profile: "rk3588",
        dma: Some(6300.0),
    },
    Board {
        name: "rcar-gen4",
        profile: "rcar-gen4",
        dma: None,
    },
];

/// The board that is drawn, polled or not.
const DRAWN: &str = "rk3588";

/// RK3588 with DMA transfers that are polled.
const POLLED: &str = "rk3588, polled";

/// What a transfer would take on a board, if nothing but the link took time.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// Name of the board.
    pub board: &'static str,
    /// Time of the RC for each transfer, in microseconds.
    pub rc_us: f64,
    /// Time of the EP.
    pub ep_us: f64,
    /// Transfers in a second: one at a time, or as many as one processor of either side manages.
    pub per_second: f64,
}

/// A measurement of real boards that somebody published.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Transfers in a second.
    pub per_second: f64,
    /// Where and how.
    pub conditions: &'static str,
}

/// Predicts for all boards, from a report of [`TRANSFERS`] transfers.
pub fn predict(report: &Report, transfer: Transfer) -> Result<Vec<Prediction>> {
    predict_of(report, transfer, TRANSFERS)
}

/// Returns what the figures of one board are taken from: RK3588, whose DMA is polled if there is some.
pub fn drawn(predictions: &[Prediction]) -> Option<&Prediction> {
    predictions
        .iter()
        .rfind(|prediction| prediction.board.starts_with(DRAWN))
}

/// Predicts for all boards, from a report of so many transfers.
pub fn predict_of(report: &Report, transfer: Transfer, count: u32) -> Result<Vec<Prediction>> {
    let kinds = [Kind::DmaRead, Kind::DmaWrite];
    let uses_dma = report.counts.iter().any(|line| kinds.contains(&line.kind));
    BOARDS
        .iter()
        .filter(|board| uses_dma || board.dma.is_none())
        .map(|board| of_board(board, report, transfer, count))
        .collect()
}

fn of_board(board: &Board, report: &Report, transfer: Transfer, count: u32) -> Result<Prediction> {
    let cost = Profile::load(board.profile)?.cost;
    let mut cost = cost.with_context(|| format!("the profile {} has no costs", board.profile))?;
    cost.dma = board.dma.unwrap_or(cost.dma);
    let all = cost.charge(&report.counts);
    let each = |nanoseconds: f64| nanoseconds / f64::from(count) / 1e3;
    let (rc_us, ep_us) = (each(all.rc), each(all.ep));
    // Alone, one side waits for the other; in a batch they work at the same time.
    let us = match transfer.batch {
        1 => rc_us + ep_us,
        _ => rc_us.max(ep_us),
    };
    Ok(Prediction {
        board: board.name,
        rc_us,
        ep_us,
        per_second: 1e6 / us,
    })
}

/// TCP over `ntb_netdev`, in frames of 1514 bytes: the direction and the size of its frames were not told.
const BRIDGE: Published = Published {
    per_second: 599e6 / 8.0 / FRAME as f64,
    conditions: "two R-Car S4, TCP, 599 Mbit/s, mean of 10 runs",
};

/// What was published of a peer on a board, by their names. Of ours there is nothing, as no board was tried.
pub fn published(peer: &str, board: &str, transfer: Transfer) -> Option<Published> {
    let nvme = |per_second, conditions| {
        Some(Published {
            per_second,
            conditions,
        })
    };
    match (peer, board, transfer.what, transfer.batch) {
        ("nvmet, DMA", "rk3588" | POLLED, What::Read, 1) => {
            nvme(16.9e3, "Rock 5B, null_blk, depth 1, 1 job: 16.9 kIOPS")
        }
        ("nvmet, DMA", "rk3588" | POLLED, What::Read, _) => {
            nvme(78.5e3, "Rock 5B, null_blk, depth 32, 1 job: 78.5 kIOPS")
        }
        ("ntb_netdev", "rcar-gen4", What::ToEp | What::ToRc, 2..) => Some(BRIDGE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use epc_emulator::traffic::{Count, Initiator, Kind, Line, Predicted, Report, Sight};

    use super::{predict, POLLED};
    use crate::bench::plan::{Transfer, What, TRANSFERS};

    /// Each transfer has two stores by the RC, and one crossing of this kind by the EP.
    fn report(kind: Kind) -> Report {
        let line = |initiator, kind, operations| Line {
            initiator,
            kind,
            place: "memory".to_owned(),
            count: Count {
                operations,
                bytes: 8 * operations,
                words: operations,
                ..Count::default()
            },
        };
        let transfers = u64::from(TRANSFERS);
        Report {
            sees: Sight {
                bars: true,
                window: true,
            },
            counts: vec![
                line(Initiator::Rc, Kind::Write, 2 * transfers),
                line(Initiator::Ep, kind, transfers),
            ],
            predicted: None::<Predicted>,
        }
    }

    fn rates(kind: Kind, batch: u32) -> Vec<(&'static str, f64)> {
        let transfer = Transfer {
            what: What::Read,
            batch,
        };
        let predictions = predict(&report(kind), transfer).expect("costs");
        let rate = |per_second: f64| per_second.round();
        let all = predictions.into_iter();
        all.map(|found| (found.board, rate(found.per_second)))
            .collect()
    }

    #[test]
    fn sides_wait_for_each_other_unless_there_is_a_batch() {
        // 118 ns of the RC, 1155 of the EP.
        let both = |rate| vec![("rk3588", rate), ("rcar-gen4", rate)];
        assert_eq!(rates(Kind::Read, 1), both((1e9f64 / 1273.0).round()));
        assert_eq!(rates(Kind::Read, 32), both((1e9f64 / 1155.0).round()));
    }

    #[test]
    fn only_transfers_by_dma_can_be_polled() {
        let boards = |kind| rates(kind, 1).into_iter().any(|(board, _)| board == POLLED);
        assert!(boards(Kind::DmaRead));
        assert!(!boards(Kind::Read));
    }
}
