// SPDX-License-Identifier: GPL-2.0
//! Backends and driver side in one kernel, the stock Debian one: no PCI, no emulator.

use anyhow::{ensure, Result};

use crate::commands::backend::{Disk, Nic};
use crate::commands::modules;
use crate::commands::vdpa::VdpaDevice;
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::runner::{AnySuite, Bench, Case, Record, Suite};
use crate::workload::disk::{self, Pattern};
use crate::workload::network::{self, Direction, Node};

const BLK_MGMTDEV: &str = "faux/vhost_loop_blk";
const NET_MGMTDEV: &str = "faux/vhost_loop_net";
const DISK: Disk = Disk {
    name: "disk0",
    mib: 128,
};
const NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
};

/// The machine with the stock Debian kernel.
struct Machine {
    guest: Guest,
}

impl Bench for Machine {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut guest = Guest::boot(layout, Model::Rc)?;
        modules::load(&mut guest, &["vhost_loop"])?;
        Ok(Self { guest })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.guest]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Machine> {
        name: "loop",
        about: "backends and driver side in one stock Debian kernel, by vhost_loop",
        cases: vec![
            Case {
                name: "disk_appears",
                about: "'vdpa dev add' gives a disk of the size of its file, and 'del' takes it",
                run: disk_appears,
            },
            Case {
                name: "disk_keeps_data",
                about: "what is written is read back, and a file system survives being filled",
                run: disk_keeps_data,
            },
            Case {
                name: "network_carries_data",
                about: "echo requests and TCP streams pass both ways",
                run: network_carries_data,
            },
        ],
    }
}

fn disk_appears(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    let device = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    let sectors = guest.sh(&format!(
        "cat /sys/class/block/{}/size",
        path.trim_start_matches("/dev/")
    ))?;
    ensure!(
        sectors.parse() == Ok(DISK.mib * 2048),
        "expected a disk of {} MiB, found {sectors} sectors",
        DISK.mib
    );
    device.delete(guest)?;
    guest.sh(&format!("[ ! -e {path} ]"))?;
    DISK.remove(guest)
}

fn disk_keeps_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    let device = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    for pattern in [Pattern::Sequential, Pattern::Random] {
        let figures = disk::verify(guest, &path, pattern, 64)?;
        record.note(format!("{figures:?}"));
    }
    disk::fill_file_system(guest, &path)?;
    device.delete(guest)?;
    DISK.remove(guest)
}

fn network_carries_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    NIC.create(guest)?;
    let vdpa = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    let driver_device = vdpa.network_device(guest)?;
    let backend_device = NIC.network_device(guest)?;
    let driver = Node {
        namespace: "",
        device: driver_device,
        address: "10.7.0.1",
    };
    let backend = Node {
        namespace: "backend",
        device: backend_device,
        address: "10.7.0.2",
    };
    driver.set_up(guest)?;
    backend.set_up(guest)?;
    for (from, to) in [(&driver, &backend), (&backend, &driver)] {
        record.note(format!("{:?}", network::ping(guest, from, to)?));
    }
    backend.serve(guest)?;
    for direction in [Direction::Away, Direction::Back] {
        let rate = network::transfer(guest, &driver, &backend, direction)?;
        record.note(format!("{direction:?}: {rate:.0} Mbit/s"));
    }
    backend.stop_serving(guest)?;
    guest.sh("ip netns del backend")?;
    vdpa.delete(guest)?;
    NIC.remove(guest)
}
