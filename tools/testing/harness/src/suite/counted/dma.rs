// SPDX-License-Identifier: GPL-2.0
//! What blocks cost whose payload the EP's DMA engine moves: its processor reads and writes what is around it.

use std::ops::RangeInclusive;

use anyhow::{ensure, Result};

use super::{
    check, count, Counted, Most, Payload, BLOCK, BLOCK_ALONE, BLOCK_IN_BATCH, DISK, FRAME_BYTES,
    NIC, TRANSFERS,
};
use crate::commands::served::Served;
use crate::crossings::Crossings;
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::workload::{disk, network};

/// For blocks, and nothing shorter.
const DMA: &[(&str, &str)] = &[
    ("dma", "1"),
    ("dma_read_threshold", "4096"),
    ("dma_write_threshold", "4096"),
];

/// The same, and for what short reads of a batch are together.
const BATCHES: &[(&str, &str)] = &[
    ("dma", "1"),
    ("dma_read_threshold", "256"),
    ("dma_write_threshold", "4096"),
];

/// The same, with queues that the RC pushes, but for what is long.
pub(super) const PUSHED: &[(&str, &str)] = &[
    ("dma", "1"),
    ("dma_read_threshold", "256"),
    ("dma_write_threshold", "1024"),
    ("data_path", "push"),
];

/// For what is longer than a block with its header and what comes along with both.
const TOO_LONG: &[(&str, &str)] = &[
    ("dma", "1"),
    ("dma_read_threshold", "4128"),
    ("dma_write_threshold", "4097"),
];

/// The payload is no word of a processor.
const NONE: Payload = Payload {
    reads: 0.0,
    writes: 0.0,
};

/// A request or frame of a queue that is pushed: status and used ring.
const PUSHED_ALONE: Most = Most {
    reads: 0.0,
    writes: 4.0,
    signals: 1.1,
};

/// 32 at a time. Frames come in several batches, and each has an interrupt.
const PUSHED_IN_BATCH: Most = Most {
    reads: 0.0,
    writes: 2.5,
    signals: 1.0,
};

/// 32 requests at a time whose descriptors, tables and headers come by DMA. What is left to load is the available index
/// at the begin and before the sleep, and the wish for an interrupt.
const BLOCK_IN_BATCH_BY_DMA: Most = Most {
    reads: 0.1,
    ..BLOCK_IN_BATCH
};

/// Frames, which their sender gives one after the other: of 32, the first comes alone, and the rest in a few batches,
/// some of which are too short for a transfer of their descriptors.
const FRAME_IN_BATCH_BY_DMA: Most = Most {
    reads: 3.0,
    writes: 2.0,
    signals: 0.5,
};

pub fn cases() -> Vec<Case<Counted>> {
    vec![
        Case {
            name: "dma_block_costs",
            about: "blocks of 4 KiB by the DMA engine: the EP's processor moves no payload",
            run: |bench, record| block_costs(&mut bench.link, record),
        },
        Case {
            name: "dma_batch_costs",
            about: "32 at a time, the EP's processor reads three words for all blocks, and no payload of frames",
            run: |bench, record| batch_costs(&mut bench.link, record),
        },
        Case {
            name: "dma_costs_of_pushed_queues",
            about: "blocks and frames of queues that the RC pushes: the EP's processor reads nothing, and moves no payload",
            run: |bench, record| pushed_costs(&mut bench.link, record),
        },
        Case {
            name: "dma_is_for_long_payload",
            about: "blocks below the threshold are copied by the processor",
            run: |bench, record| short_block_costs(&mut bench.link, record),
        },
    ]
}

fn block_costs(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start_with(link, DISK, DMA)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    for (what, mode, depth, most, transfers) in [
        ("read, alone", "read", 1, BLOCK_ALONE, ALONE),
        ("write, alone", "write", 1, BLOCK_ALONE, ALONE),
        ("read, batch of 32", "read", 32, BLOCK_IN_BATCH, TOGETHER),
        ("write, batch of 32", "write", 32, BLOCK_IN_BATCH, TOGETHER),
    ] {
        let found = transfer(link, &path, mode, depth)?;
        check(&found, what, NONE, &most, record)?;
        expect_moved(&found, what, BLOCK, &transfers, record)?;
    }
    served.stop(link)
}

fn batch_costs(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start_with(link, DISK, BATCHES)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    for mode in ["read", "write"] {
        let found = transfer(link, &path, mode, 32)?;
        let what = format!("{mode}, batch of 32");
        check(&found, &what, NONE, &BLOCK_IN_BATCH_BY_DMA, record)?;
        expect_moved(&found, &what, BLOCK, &TOGETHER, record)?;
    }
    served.stop(link)?;
    let served = Served::start_with(link, NIC, BATCHES)?;
    let [rc, ep] = served.nodes(link)?;
    network::introduce(link, &rc, &ep)?;
    let found = count(link, |link| {
        network::send_frames((&mut link.rc, &rc), (&mut link.ep, &ep), TRANSFERS, 32)
    })?;
    let what = "frame to the EP, batch of 32";
    check(&found, what, NONE, &FRAME_IN_BATCH_BY_DMA, record)?;
    served.stop(link)
}

fn pushed_costs(link: &mut Link, record: &mut Record) -> Result<()> {
    let cases = [(1, PUSHED_ALONE, ALONE), (32, PUSHED_IN_BATCH, TOGETHER)];
    let served = Served::start_with(link, DISK, PUSHED)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    for (depth, most, transfers) in &cases {
        for mode in ["read", "write"] {
            let what = format!("{mode}, {depth} at a time");
            let found = transfer(link, &path, mode, *depth)?;
            check(&found, &what, NONE, most, record)?;
            expect_moved(&found, &what, BLOCK, transfers, record)?;
        }
    }
    served.stop(link)?;
    let served = Served::start_with(link, NIC, PUSHED)?;
    let [rc, ep] = served.nodes(link)?;
    network::introduce(link, &rc, &ep)?;
    for (batch, most, _) in &cases {
        for to in ["EP", "RC"] {
            let what = format!("frame to the {to}, {batch} at a time");
            let found = count(link, |link| {
                let ends = ((&mut link.rc, &rc), (&mut link.ep, &ep));
                let (from, to) = if to == "EP" { ends } else { (ends.1, ends.0) };
                network::send_frames(from, to, TRANSFERS, *batch)
            })?;
            check(&found, &what, NONE, most, record)?;
            expect_moved(&found, &what, FRAME_BYTES, &FRAMES, record)?;
        }
    }
    served.stop(link)
}

fn short_block_costs(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start_with(link, DISK, TOO_LONG)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    for mode in ["read", "write"] {
        let found = transfer(link, &path, mode, 1)?;
        record.note(format!("{mode}: {:.1} bytes by DMA", found.dma_bytes));
        ensure!(
            found.dma == 0.0,
            "{mode}: expected no DMA below the threshold, counted {:.2} transfers each",
            found.dma
        );
    }
    served.stop(link)
}

fn transfer(link: &mut Link, path: &str, mode: &str, depth: u32) -> Result<Crossings> {
    count(link, |link| {
        disk::transfer(&mut link.rc, path, mode, depth, TRANSFERS)
    })
}

/// Transfers of the engine for each block; a few more are of who looks at a disk that was written.
type Transfers = RangeInclusive<f64>;

/// A block has one of its own.
const ALONE: Transfers = 1.0..=1.1;

/// Those of a batch share: 128 KiB, and what is around the payload, go by two or three.
const TOGETHER: Transfers = 0.01..=0.2;

/// Their sender gives frames one after the other, so how many are together is a matter of time.
const FRAMES: Transfers = 0.01..=1.1;

/// What descriptors, headers and others are, at most, for each byte of a block.
const BESIDES: f64 = 0.1;

fn expect_moved(
    found: &Crossings,
    what: &str,
    bytes: u32,
    transfers: &Transfers,
    record: &mut Record,
) -> Result<()> {
    record.note(format!(
        "{what}: {:.2} DMA transfers of {:.0} bytes",
        found.dma, found.dma_bytes
    ));
    let payload = f64::from(bytes);
    let bytes = payload..payload * (1.0 + BESIDES);
    ensure!(
        transfers.contains(&found.dma) && bytes.contains(&found.dma_bytes),
        "{what}: expected {:.2} to {:.2} DMA transfers of {payload} bytes each, counted {:.2} of {:.1}",
        transfers.start(),
        transfers.end(),
        found.dma,
        found.dma_bytes
    );
    Ok(())
}
