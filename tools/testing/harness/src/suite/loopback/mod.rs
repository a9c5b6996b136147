// SPDX-License-Identifier: GPL-2.0
//! Backends and driver side in one kernel, the stock Debian one: no PCI, no emulator.

mod data;
mod drive;
mod life;
mod refusal;

use anyhow::Result;

use crate::commands::backend::{Disk, Nic};
use crate::commands::modules;
use crate::commands::vdpa::{self, RcDevice, VdpaDevice};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::runner::{AnySuite, Bench, Suite};

const TRANSPORT: &str = "vhost_loop";
const BLK_MGMTDEV: &str = "faux/vhost_loop_blk";
const NET_MGMTDEV: &str = "faux/vhost_loop_net";
const DISK: Disk = Disk {
    name: "disk0",
    mib: 128,
};
const NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 1,
};
/// One with several pairs of queues.
const WIDE_NIC: Nic = Nic {
    queue_pairs: 3,
    ..NIC
};

/// The machine with the stock Debian kernel.
struct Machine {
    guest: Guest,
}

impl Bench for Machine {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut guest = Guest::boot(layout, Model::RC)?;
        modules::load(&mut guest, &[TRANSPORT, "vhost_bus_blk", "vhost_bus_net"])?;
        vdpa::load_drivers(&mut guest)?;
        Ok(Self { guest })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.guest]
    }
}

impl Machine {
    /// Makes the disk, runs something with its path on the driver side, and takes it away.
    fn with_disk(&mut self, run: impl FnOnce(&mut Guest, &str) -> Result<()>) -> Result<()> {
        let guest = &mut self.guest;
        DISK.create(guest)?;
        with_device(guest, DISK.name, run)?;
        DISK.remove(guest)
    }
}

/// Makes a device of an instance that is a disk, runs something with its path on the driver side, and deletes it.
fn with_device(
    guest: &mut Guest,
    name: &str,
    run: impl FnOnce(&mut Guest, &str) -> Result<()>,
) -> Result<()> {
    let device = VdpaDevice::add(guest, name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    run(guest, &path)?;
    device.delete(guest)
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    let mut cases = data::cases();
    cases.extend(drive::cases());
    cases.extend(refusal::cases());
    cases.extend(life::cases());
    Suite {
        name: "loop",
        about: "backends and driver side in one stock Debian kernel, by vhost_loop",
        cases,
    }
}
