// SPDX-License-Identifier: GPL-2.0
//! What queues cost that the RC pushes: the EP reads nothing across the link.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{count, dma, hold, Counted, BLOCK_WORDS, DISK, FRAME_WORDS, NIC, TRANSFERS};
use crate::commands::served::{Served, ServedTo};
use crate::commands::vhost_vdpa::{self, VhostVdpa};
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::workload::{blkio, disk, network};

/// With room for 32 blocks and their requests.
const PUSH: &[(&str, &str)] = &[("data_path", "push"), ("push_room", "262144")];

/// The RC looks whether the EP is alive so often, by at most so many reads (H2).
const BEAT: Duration = Duration::from_millis(250);
const READS_PER_BEAT: f64 = 4.0;

pub fn cases() -> Vec<Case<Counted>> {
    vec![
        Case {
            name: "pushed_block_costs",
            about: "the same with queues that the RC pushes: the EP reads nothing",
            run: |bench, record| block_costs(&mut bench.link, record),
        },
        Case {
            name: "pushed_frame_costs",
            about: "the same for frames",
            run: |bench, record| frame_costs(&mut bench.link, record),
        },
        Case {
            name: "pushed_process_costs",
            about: "blocks of a process, 32 at a time: the EP reads nothing of its memory",
            run: |bench, record| process_costs(&mut bench.link, record),
        },
    ]
}

/// Which side writes the payload.
#[derive(Clone, Copy)]
enum Writer {
    Rc,
    Ep,
}

/// What one transfer may cost in posted writes, besides its payload of so many words.
struct Most {
    payload: f64,
    writer: Writer,
    rc_writes: f64,
    /// The same where the RC's processor combines them to lines.
    rc_lines: f64,
    ep_writes: f64,
    /// Doorbells, and interrupts.
    signals: f64,
}

/// Words of a line that is combined.
const LINE_WORDS: f64 = 8.0;

/// A request: a descriptor, the three of its table, the header, and the available ring; on the other side status
/// and used ring. Combined, table and header are one line.
const fn block_alone(writer: Writer) -> Most {
    Most {
        payload: BLOCK_WORDS,
        writer,
        rc_writes: 14.0,
        rc_lines: 4.2,
        ep_writes: 4.0,
        signals: 1.1,
    }
}

/// 32 requests at a time: four descriptors are a line, and the used ring and the index are shared. What is no payload,
/// and not the status of each request either, takes two transactions at most.
const fn block_in_batch(writer: Writer) -> Most {
    Most {
        rc_writes: 12.0,
        rc_lines: 1.6,
        ep_writes: 1.0 + 0.4,
        signals: 0.2,
        ..block_alone(writer)
    }
}

/// A frame: a descriptor and the available ring; on the other side the used ring. A word or a line more where header
/// or frame end in the middle of one.
const fn frame(writer: Writer) -> Most {
    Most {
        payload: FRAME_WORDS,
        writer,
        rc_writes: 6.0,
        rc_lines: 5.2,
        ep_writes: 6.0,
        signals: 1.1,
    }
}

fn block_costs(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start_with(link, DISK, PUSH)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    for (what, mode, depth, most) in [
        ("read, alone", "read", 1, block_alone(Writer::Ep)),
        ("write, alone", "write", 1, block_alone(Writer::Rc)),
        ("read, batch of 32", "read", 32, block_in_batch(Writer::Ep)),
        (
            "write, batch of 32",
            "write",
            32,
            block_in_batch(Writer::Rc),
        ),
    ] {
        let transfer =
            |link: &mut Link| disk::transfer(&mut link.rc, &path, mode, depth, TRANSFERS);
        check(link, what, &most, record, transfer)?;
    }
    served.stop(link)
}

fn frame_costs(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start_with(link, NIC, PUSH)?;
    let [rc, ep] = served.nodes(link)?;
    network::introduce(link, &rc, &ep)?;
    let most = frame(Writer::Rc);
    check(link, "frame to the EP", &most, record, |link| {
        network::send_frames((&mut link.rc, &rc), (&mut link.ep, &ep), TRANSFERS, 1)
    })?;
    let most = frame(Writer::Ep);
    check(link, "frame to the RC", &most, record, |link| {
        network::send_frames((&mut link.ep, &ep), (&mut link.rc, &rc), TRANSFERS, 1)
    })?;
    served.stop(link)
}

/// What a program does to open the disk and to close it is counted with its requests.
fn process_costs(link: &mut Link, record: &mut Record) -> Result<()> {
    vhost_vdpa::load_driver(&mut link.rc)?;
    vhost_vdpa::use_huge_pages(&mut link.rc)?;
    for (by, attributes) in [("the processors", PUSH), ("DMA", dma::PUSHED)] {
        process_costs_by(link, by, attributes, record)?;
    }
    Ok(())
}

/// The same where these move payload.
fn process_costs_by(
    link: &mut Link,
    by: &str,
    attributes: &[(&str, &str)],
    record: &mut Record,
) -> Result<()> {
    let served = ServedTo::<VhostVdpa>::start_with(link, DISK, attributes)?;
    for (what, writes) in [("read by a process", false), ("written by a process", true)] {
        let what = format!("{what}, moved by {by}");
        let found = count(link, |link| {
            blkio::bench(&mut link.rc, &served.vdpa.node, TRANSFERS.into(), writes).map(drop)
        })?;
        record.note(format!(
            "{what}, batch of 32: EP reads {}, EP writes {:.1}, RC writes {:.1}; {:.2} doorbells, {:.2} interrupts",
            found.ep_reads.all,
            found.ep_writes.all,
            found.rc_writes.all,
            found.doorbells,
            found.interrupts
        ));
        hold(&what, &[("reads by the EP", found.ep_reads.all, 0.0)])?;
    }
    served.stop(link)
}

/// Counts transfers, notes the figures, and compares them with what they may be.
fn check(
    link: &mut Link,
    what: &str,
    most: &Most,
    record: &mut Record,
    transfer: impl FnOnce(&mut Link) -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
    let found = count(link, transfer)?;
    let beats = begun.elapsed().as_secs_f64() / BEAT.as_secs_f64() + 2.0;
    let (rc_payload, ep_payload) = match most.writer {
        Writer::Rc => (most.payload, 0.0),
        Writer::Ep => (0.0, most.payload),
    };
    let rc_writes = found.rc_writes.all - rc_payload;
    let rc_lines = found.rc_lines - rc_payload / LINE_WORDS;
    let ep_writes = found.ep_writes.all - ep_payload;
    record.note(format!(
        "{what}: EP reads {}, RC reads {:.2}; besides the payload the EP writes {ep_writes:.1} and the RC \
         {rc_writes:.1}, {rc_lines:.2} where they are combined; {:.2} doorbells, {:.2} interrupts",
        found.ep_reads.all, found.rc_reads.all, found.doorbells, found.interrupts
    ));
    let beat_reads = READS_PER_BEAT * beats / f64::from(TRANSFERS);
    hold(
        what,
        &[
            ("reads by the EP", found.ep_reads.all, 0.0),
            ("reads by the RC", found.rc_reads.all, beat_reads),
            (
                "writes by the EP besides the payload",
                ep_writes,
                most.ep_writes,
            ),
            (
                "writes by the RC besides the payload",
                rc_writes,
                most.rc_writes,
            ),
            (
                "combined writes by the RC besides the payload",
                rc_lines,
                most.rc_lines,
            ),
            ("doorbells", found.doorbells, most.signals),
            ("interrupts", found.interrupts, most.signals),
        ],
    )
}
