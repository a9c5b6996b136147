// SPDX-License-Identifier: GPL-2.0
//! Two machines, joined by the PCI endpoint emulator.

mod appearance;
mod bus;
pub mod data;
mod dma;
mod drive;
mod life;
mod refusal;
mod soak;

pub use life::END_BOUND;

use anyhow::Result;

use super::prepared::{Joined, Preparation, Prepared};
use crate::commands::backend::{Disk, Nic};
use crate::commands::served::{Instance, Served};
use crate::commands::{modules, vdpa};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Bench, Case, Suite};
use crate::workload::disk::{self, Pattern};

/// The disk of most cases.
pub const DISK: Instance = Instance::Disk(&Disk {
    name: "disk0",
    mib: 128,
});
/// A network device.
pub const NIC: Instance = Instance::Nic(&Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 1,
});
/// One with several pairs of queues.
const WIDE: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 3,
};
const WIDE_NIC: Instance = Instance::Nic(&WIDE);

impl Joined for Link {
    fn link(&mut self) -> &mut Link {
        self
    }
}

impl Bench for Link {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut link = Self::boot(layout, Model::RC, Bars::Mapped)?;
        load_drivers(&mut link.rc)?;
        Ok(link)
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.ep, &mut self.rc]
    }
}

/// What is to work whichever machines are joined.
pub fn essentials<B: Joined>() -> Vec<Case<B>> {
    let mut cases = data::transfers();
    cases.extend(life::endings());
    cases
}

/// Loads what the RC needs of drivers, for machines that may be busy.
pub fn load_drivers(rc: &mut Guest) -> Result<()> {
    modules::load_epf_vdpa(rc)?;
    vdpa::load_drivers(rc)
}

/// Brings a disk up, writes and reads it, and takes it down.
pub fn disk_works(link: &mut Link) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::verify(&mut link.rc, &path, Pattern::Random, 4)?;
    served.stop(link)
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    let mut cases = data::cases::<Link>();
    cases.extend(drive::cases());
    cases.extend(refusal::cases());
    cases.extend(appearance::cases());
    cases.extend(bus::cases());
    cases.extend(life::cases());
    Suite {
        name: "link",
        about: "an endpoint and a stock Debian root complex, joined by the emulator",
        cases,
    }
}

/// The RC pushes its half of the queues.
struct Pushed;

impl Preparation for Pushed {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::set_up(layout)?;
        link.attributes = &[("data_path", "push")];
        Ok(link)
    }
}

/// The suite of what is to be the same when queues are pushed.
pub fn pushed_suite() -> impl AnySuite {
    let mut cases = data::cases::<Prepared<Pushed>>();
    cases.extend(drive::cases());
    cases.extend(life::endings());
    Suite {
        name: "pushed",
        about: "the root complex writes its half of the queues to memory of the endpoint",
        cases,
    }
}

/// The EP's DMA engine moves payload.
struct ByDma;

impl Preparation for ByDma {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::set_up(layout)?;
        link.attributes = dma::PAYLOAD;
        Ok(link)
    }
}

/// The suite of what is to be the same when the endpoint has a DMA engine, and when that fails.
pub fn dma_suite() -> impl AnySuite {
    Suite {
        name: "dma",
        about: "the endpoint's DMA engine moves all payload",
        cases: cases_of_dma::<ByDma>(),
    }
}

fn cases_of_dma<P: Preparation + 'static>() -> Vec<Case<Prepared<P>>> {
    let mut cases = dma::cases();
    cases.extend(data::carrying());
    cases.extend(drive::cases());
    cases.extend(life::endings());
    cases
}

/// The RC pushes what is short, and the EP's DMA engine moves what is long.
struct ByBoth;

impl Preparation for ByBoth {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::set_up(layout)?;
        link.attributes = dma::BESIDES_PUSHED;
        Ok(link)
    }
}

/// The suite of what is to be the same when nobody loads anything across the link.
pub fn both_suite() -> impl AnySuite {
    Suite {
        name: "both",
        about: "the root complex writes queues and what is short, the endpoint's DMA engine moves what is long",
        cases: cases_of_dma::<ByBoth>(),
    }
}

/// The suite of what takes long by each path.
pub fn soak_suites() -> [Box<dyn AnySuite>; 4] {
    [
        Box::new(Suite {
            name: "soak",
            about: "ten minutes each of disk and network, which the endpoint's processor copies",
            cases: soak::cases::<Link>(),
        }),
        Box::new(Suite {
            name: "soak_pushed",
            about: "the same with queues that the root complex pushes",
            cases: soak::cases::<Prepared<Pushed>>(),
        }),
        Box::new(Suite {
            name: "soak_dma",
            about: "the same by the endpoint's DMA engine",
            cases: soak::cases::<Prepared<ByDma>>(),
        }),
        Box::new(Suite {
            name: "soak_both",
            about: "the same, pushed and by the engine",
            cases: soak::cases::<Prepared<ByBoth>>(),
        }),
    ]
}
