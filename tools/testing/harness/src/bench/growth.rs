// SPDX-License-Identifier: GPL-2.0
//! How the cost of a transfer of ours grows with what there is more of: counted on the link.

use anyhow::{Context, Result};
use epc_emulator::traffic::Report;
use serde::Serialize;

use super::machines::{Machines, Place};
use super::peers::{self, Attributes, BY_DMA, DISK, NIC, PUSHED, PUSHED_AND_DMA};
use super::plan::{Transfer, What, FRAME};
use super::prediction;
use crate::commands::backend::Disk;
use crate::commands::served::{Instance, Served};
use crate::commands::several::Several;
use crate::commands::vdpa::RcDevice;
use crate::crossings::Crossings;
use crate::layout::Layout;
use crate::link::{Dma, Link, Speed};
use crate::progress::Progress;
use crate::workload::{disk, network};

/// Ways of a transfer, and what the function is told for it.
const PATHS: [(&str, Attributes); 4] = [
    ("pulled", &[]),
    ("pushed", PUSHED),
    ("by DMA", BY_DMA),
    ("both", PUSHED_AND_DMA),
];

/// Transfers of a point: a multiple of the largest batch.
const TRANSFERS: u32 = 256;

/// How many are on their way at a time, where that is not what grows.
const BATCH: u32 = 32;

/// The disks of several functions.
const DISKS: [Disk; 4] = [disk("disk0"), disk("disk1"), disk("disk2"), disk("disk3")];

const fn disk(name: &'static str) -> Disk {
    Disk { name, ..DISK }
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Blocks that the RC reads at a time.
    Batch,
    /// Queues of the disk from which it reads.
    Queues,
    /// Descriptors of the ring.
    Descriptors,
    /// Bytes of frames to the EP.
    FrameBytes,
    /// Functions of the controller, each a disk from which the RC reads.
    Functions,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Batch,
        Self::Queues,
        Self::Descriptors,
        Self::FrameBytes,
        Self::Functions,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "blocks read at a time",
            Self::Queues => "queues, blocks read 32 at a time",
            Self::Descriptors => "descriptors of the ring, blocks read 32 at a time",
            Self::FrameBytes => "bytes of frames to the EP, 32 at a time",
            Self::Functions => "functions, blocks read 32 at a time",
        }
    }

    fn values(self) -> &'static [u32] {
        match self {
            Self::Batch => &[1, 2, 4, 8, 16, 32, 64, 128, 256],
            Self::Queues => &[1, 2, 4, 8, 16],
            Self::Descriptors => &[256, 1024, 4096, 32768],
            Self::FrameBytes => &[60, 128, 256, 512, 1024, FRAME],
            Self::Functions => &[1, 2, 3, 4],
        }
    }
}

/// What was counted for one value.
#[derive(Debug, Serialize)]
pub struct Point {
    /// What grows.
    pub axis: Axis,
    /// The way.
    pub path: &'static str,
    /// How much there is of it.
    pub value: u32,
    /// What crosses the link for each transfer.
    pub crossings: Crossings,
    /// Time of the slower side for each, predicted for a board whose DMA is polled, in microseconds.
    pub us: f64,
}

/// Counts all points.
pub fn count(layout: &Layout, progress: &Progress) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for (path, attributes) in PATHS {
        progress.step(&format!("growth, {path}: starting"));
        let mut machines = Machines::boot(layout, Place::Link(Dma::Engine), Speed::Counted)?;
        let link = machines.link()?;
        peers::load_ours(link)?;
        link.attributes = attributes;
        for axis in Axis::ALL {
            for value in axis.values() {
                progress.step(&format!("growth, {path}: {value} {}", axis.name()));
                points.push(Point::count(link, axis, path, *value)?);
            }
        }
    }
    Ok(points)
}

impl Point {
    fn count(link: &mut Link, axis: Axis, path: &'static str, value: u32) -> Result<Self> {
        let (report, transfer, count) = match axis {
            Axis::Functions => of_functions(link, value)?,
            _ => of_one(link, axis, value)?,
        };
        let predictions = prediction::predict_of(&report, transfer, count)?;
        let slower = prediction::drawn(&predictions).context("no board has costs")?;
        Ok(Self {
            axis,
            path,
            value,
            crossings: Crossings::of_each(&report, count),
            us: slower.rc_us.max(slower.ep_us),
        })
    }
}

/// What crossed the link, what was transferred, and how often.
type Found = (Report, Transfer, u32);

fn of_one(link: &mut Link, axis: Axis, value: u32) -> Result<Found> {
    let served = serve(link, axis, value)?;
    let transfer = transfer(link, &served, axis, value)?;
    let report = link.take_traffic()?;
    served.stop(link)?;
    Ok((report, transfer, TRANSFERS))
}

/// Reads from disks of so many functions.
fn of_functions(link: &mut Link, value: u32) -> Result<Found> {
    let disks: Vec<_> = DISKS[..value as usize].iter().map(Instance::Disk).collect();
    // A channel each, as far as there are some: the first function would take all.
    let share = |&(name, value)| (name, if name == "dma" { "1" } else { value });
    let attributes: Vec<_> = link.attributes.iter().map(share).collect();
    let several = Several::start(link, &disks, &attributes)?;
    let mut devices = Vec::new();
    let mut paths = Vec::new();
    for number in 0..disks.len() {
        let device = several.add(&mut link.rc, number)?;
        paths.push(device.disk(&mut link.rc)?);
        devices.push(device);
    }
    link.take_traffic()?;
    for path in &paths {
        disk::transfer(&mut link.rc, path, "read", BATCH, TRANSFERS)?;
    }
    let report = link.take_traffic()?;
    for device in devices {
        device.delete(&mut link.rc)?;
    }
    several.stop(link)?;
    let transfer = Transfer {
        what: What::Read,
        batch: BATCH,
    };
    Ok((report, transfer, TRANSFERS * value))
}

fn serve(link: &mut Link, axis: Axis, value: u32) -> Result<Served> {
    let instance = match axis {
        Axis::FrameBytes => Instance::Nic(&NIC),
        _ => Instance::Disk(&DISK),
    };
    let function = instance.create(&mut link.ep)?;
    let value = value.to_string();
    match axis {
        Axis::Queues => DISK.set(&mut link.ep, "num_queues", &value)?,
        Axis::Descriptors => function.set(&mut link.ep, "queue_size", &value)?,
        Axis::FrameBytes => NIC.set(&mut link.ep, "offloads", "0")?,
        Axis::Batch | Axis::Functions => {}
    }
    Served::bind(link, instance, function)
}

/// Makes the transfers, and nothing else.
fn transfer(link: &mut Link, served: &Served, axis: Axis, value: u32) -> Result<Transfer> {
    let (what, batch) = match axis {
        Axis::Batch => (What::Read, value),
        Axis::FrameBytes => (What::ToEp, BATCH),
        _ => (What::Read, BATCH),
    };
    if axis == Axis::FrameBytes {
        let [rc, ep] = served.nodes(link)?;
        network::introduce(link, &rc, &ep)?;
        link.take_traffic()?;
        let (from, to) = ((&mut link.rc, &rc), (&mut link.ep, &ep));
        network::send_frames_of(value, from, to, TRANSFERS, batch)?;
    } else {
        let path = served.vdpa.disk(&mut link.rc)?;
        link.take_traffic()?;
        disk::transfer(&mut link.rc, &path, "read", batch, TRANSFERS)?;
    }
    Ok(Transfer { what, batch })
}
