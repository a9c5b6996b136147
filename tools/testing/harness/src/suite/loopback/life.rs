// SPDX-License-Identifier: GPL-2.0
//! Devices and modules come and go, in any order and under load, and leave nothing behind.

use std::time::Duration;

use anyhow::Result;

use super::{Machine, BLK_MGMTDEV, DISK, NET_MGMTDEV, NIC, TRANSPORT};
use crate::census::leaves_nothing;
use crate::commands::modules;
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::runner::{Case, Record};
use crate::workload::disk;

/// For a load to end once its device is gone.
const END_BOUND: Duration = Duration::from_secs(30);

pub fn cases() -> Vec<Case<Machine>> {
    vec![
        Case {
            name: "disk_is_deleted_under_load",
            about: "'vdpa dev del' while requests are in flight ends them, and the disk can return",
            run: disk_is_deleted_under_load,
        },
        Case {
            name: "disk_cycles",
            about: "50 disks, one after the other, leave nothing behind",
            run: |machine, _| cycles(machine, disk_cycle),
        },
        Case {
            name: "network_cycles",
            about: "50 network devices, one after the other, leave nothing behind",
            run: |machine, _| cycles(machine, network_cycle),
        },
        Case {
            name: "modules_in_any_order",
            about: "the modules load and unload in every order that their dependencies allow",
            run: modules_in_any_order,
        },
    ]
}

fn disk_is_deleted_under_load(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    let device = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    disk::start_load(guest, &path)?;
    device.delete(guest)?;
    disk::wait_for_end_of_load(guest, END_BOUND)?;
    disk_cycle(guest)?;
    DISK.remove(guest)
}

fn disk_cycle(guest: &mut Guest) -> Result<()> {
    let device = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    guest.sh(&format!(
        "dd if={path} of=/dev/null bs=64k count=16 iflag=direct"
    ))?;
    device.delete(guest)
}

fn network_cycle(guest: &mut Guest) -> Result<()> {
    let vdpa = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    let device = vdpa.network_device(guest)?;
    let other = NIC.network_device(guest)?;
    guest.sh(&format!("ip link set {device} up; ip link set {other} up"))?;
    vdpa.delete(guest)
}

fn cycles(machine: &mut Machine, cycle: fn(&mut Guest) -> Result<()>) -> Result<()> {
    DISK.create(&mut machine.guest)?;
    NIC.create(&mut machine.guest)?;
    leaves_nothing(machine, |machine| cycle(&mut machine.guest))?;
    DISK.remove(&mut machine.guest)?;
    NIC.remove(&mut machine.guest)
}

fn modules_in_any_order(machine: &mut Machine, _: &mut Record) -> Result<()> {
    const MODULES: [&str; 3] = [TRANSPORT, "vhost_bus_blk", "vhost_bus_net"];
    let guest = &mut machine.guest;
    for load in modules::orders(MODULES) {
        for unload in modules::orders(MODULES) {
            modules::unload(guest, &unload)?;
            modules::unload(guest, &["vhost_bus"])?;
            modules::load(guest, &load)?;
        }
    }
    Ok(())
}
