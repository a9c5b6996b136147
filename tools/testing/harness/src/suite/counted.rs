// SPDX-License-Identifier: GPL-2.0
//! What the data path costs on the link: each access is trapped, and counted by the emulator.
//!
//! The bounds are those of the data path as it is (Documentation/performance.rst has the figures). A
//! change that crosses the link less lowers them.

mod dma;
mod growth;
mod polling;
mod pushed;

use anyhow::{ensure, Result};

use crate::commands::backend::{Disk, Nic};
use crate::commands::served::{Instance, Served};
use crate::commands::{modules, vdpa};
use crate::crossings::Crossings;
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::Link;
use crate::runner::{AnySuite, Bench, Case, Record, Suite};
use crate::workload::{disk, network};

/// Transfers that are counted; a multiple of the largest queue depth.
const TRANSFERS: u32 = 64;

/// Bytes of a block.
const BLOCK: u32 = 4096;

/// Loads or stores of 8 bytes that a block takes.
const BLOCK_WORDS: f64 = BLOCK as f64 / 8.0;

/// The same for a frame of 1514 bytes and its virtio header of 12.
const FRAME_WORDS: f64 = (FRAME_BYTES as f64 + 12.0) / 8.0;
/// Bytes of a frame.
const FRAME_BYTES: u32 = 1514;

const DISK_IMAGE: Disk = Disk {
    name: "disk0",
    mib: 16,
};
const DISK: Instance = Instance::Disk(&DISK_IMAGE);
const NIC: Instance = Instance::Nic(&Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 1,
});

/// A link of which each access is seen.
struct Counted {
    link: Link,
}

impl Bench for Counted {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut link = Link::boot_counted(layout, Model::RC)?;
        modules::load_epf_vdpa(&mut link.rc)?;
        vdpa::load_drivers(&mut link.rc)?;
        Ok(Self { link })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        self.link.guests()
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    let mut cases = vec![
        Case {
            name: "block_costs",
            about: "blocks of 4 KiB, one at a time and 32 at a time, both ways",
            run: block_costs,
        },
        Case {
            name: "frame_costs",
            about: "frames of 1514 bytes, both ways",
            run: frame_costs,
        },
    ];
    cases.extend(pushed::cases());
    cases.extend(dma::cases());
    cases.extend(growth::cases());
    cases.extend(polling::cases());
    Suite::<Counted> {
        name: "counted",
        about: "what the data path costs on the link, counted access by access",
        cases,
    }
}

/// Notes the figures, and compares what is left without the payload with what it may be.
fn check(
    found: &Crossings,
    what: &str,
    payload: Payload,
    most: &Most,
    record: &mut Record,
) -> Result<()> {
    let reads = found.ep_reads.all - payload.reads;
    let writes = found.ep_writes.all - payload.writes;
    record.note(format!(
        "{what}: EP reads {}, writes {}; besides the payload {reads:.1} and {writes:.1}; \
         {:.2} doorbells, {:.2} interrupts",
        found.ep_reads, found.ep_writes, found.doorbells, found.interrupts
    ));
    hold(
        what,
        &[
            ("reads by the EP besides the payload", reads, most.reads),
            ("writes by the EP besides the payload", writes, most.writes),
            ("doorbells", found.doorbells, most.signals),
            ("interrupts", found.interrupts, most.signals),
        ],
    )
}

/// What is counted, how often it was found for each transfer, and how often it may be.
type Budget = (&'static str, f64, f64);

/// Fails unless all budgets of transfers are held.
fn hold(what: &str, budgets: &[Budget]) -> Result<()> {
    budgets.iter().try_for_each(|(name, found, bound)| {
        ensure!(
            found <= bound,
            "{what}: expected at most {bound:.2} {name} each, counted {found:.2}"
        );
        Ok(())
    })
}

/// Counts what crosses the link for each transfer.
fn count(link: &mut Link, transfer: impl FnOnce(&mut Link) -> Result<()>) -> Result<Crossings> {
    link.take_traffic()?;
    transfer(link)?;
    Ok(Crossings::of_each(&link.take_traffic()?, TRANSFERS))
}

/// Accesses of 8 bytes that carry the payload itself.
#[derive(Clone, Copy)]
struct Payload {
    reads: f64,
    writes: f64,
}

impl Payload {
    const fn read(words: f64) -> Self {
        Self {
            reads: words,
            writes: 0.0,
        }
    }

    const fn written(words: f64) -> Self {
        Self {
            reads: 0.0,
            writes: words,
        }
    }
}

/// What one transfer may cost besides its payload.
struct Most {
    reads: f64,
    writes: f64,
    /// Doorbells, and interrupts.
    signals: f64,
}

/// One request at a time: an indirect descriptor and the three of its chain, the header and the rings.
const BLOCK_ALONE: Most = Most {
    reads: 16.0,
    writes: 6.0,
    signals: 1.1,
};

/// 32 requests at a time: indices, doorbell and interrupt are shared, and so is a used entry, in order.
const BLOCK_IN_BATCH: Most = Most {
    reads: 12.0,
    writes: 2.0,
    signals: 0.2,
};

/// Frames one at a time: a descriptor, the rings, looking once more before the EP sleeps, and what is not whole words of
/// header and frame.
const FRAME: Most = Most {
    reads: 11.0,
    writes: 6.0,
    signals: 1.1,
};

fn block_costs(bench: &mut Counted, record: &mut Record) -> Result<()> {
    let link = &mut bench.link;
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    let words = BLOCK_WORDS;
    for (what, mode, depth, payload, most) in [
        (
            "read, alone",
            "read",
            1,
            Payload::written(words),
            BLOCK_ALONE,
        ),
        (
            "write, alone",
            "write",
            1,
            Payload::read(words),
            BLOCK_ALONE,
        ),
        (
            "read, batch of 32",
            "read",
            32,
            Payload::written(words),
            BLOCK_IN_BATCH,
        ),
        (
            "write, batch of 32",
            "write",
            32,
            Payload::read(words),
            BLOCK_IN_BATCH,
        ),
    ] {
        let found = count(link, |link| {
            disk::transfer(&mut link.rc, &path, mode, depth, TRANSFERS)
        })?;
        check(&found, what, payload, &most, record)?;
    }
    served.stop(link)
}

fn frame_costs(bench: &mut Counted, record: &mut Record) -> Result<()> {
    let link = &mut bench.link;
    let served = Served::start(link, NIC)?;
    let [rc, ep] = served.nodes(link)?;
    network::introduce(link, &rc, &ep)?;
    let found = count(link, |link| {
        network::send_frames((&mut link.rc, &rc), (&mut link.ep, &ep), TRANSFERS, 1)
    })?;
    let payload = Payload::read(FRAME_WORDS);
    check(&found, "frame to the EP", payload, &FRAME, record)?;
    let found = count(link, |link| {
        network::send_frames((&mut link.ep, &ep), (&mut link.rc, &rc), TRANSFERS, 1)
    })?;
    let payload = Payload::written(FRAME_WORDS);
    check(&found, "frame to the RC", payload, &FRAME, record)?;
    served.stop(link)
}
