// SPDX-License-Identifier: GPL-2.0
//! Two machines, joined by the PCI endpoint emulator.

mod data;
mod life;
mod refusal;

use anyhow::Result;

use crate::commands::backend::{Disk, Nic};
use crate::commands::served::Instance;
use crate::commands::{modules, vdpa};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Bench, Suite};

const DISK: Instance = Instance::Disk(&Disk {
    name: "disk0",
    mib: 128,
});
const NIC: Instance = Instance::Nic(&Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
});

impl Bench for Link {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut link = Self::boot(layout, Model::Rc, Bars::Mapped)?;
        modules::load(&mut link.rc, &["epf_vdpa"])?;
        vdpa::load_drivers(&mut link.rc)?;
        Ok(link)
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.ep, &mut self.rc]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    let mut cases = data::cases();
    cases.extend(refusal::cases());
    cases.extend(life::cases());
    Suite {
        name: "link",
        about: "an endpoint and a stock Debian root complex, joined by the emulator",
        cases,
    }
}
