// SPDX-License-Identifier: GPL-2.0
//! What is refused: a clear error, and nothing changed.

use anyhow::{ensure, Result};

use super::{Machine, BLK_MGMTDEV, DISK, NET_MGMTDEV, NIC};
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::runner::{Case, Record};

pub fn cases() -> Vec<Case<Machine>> {
    vec![
        Case {
            name: "values_out_of_range_are_refused",
            about: "attributes refuse what they cannot be, and keep what they were",
            run: values_out_of_range_are_refused,
        },
        Case {
            name: "backing_files_are_checked",
            about:
                "a file that is missing, too small or read-only is refused, and the log says why",
            run: backing_files_are_checked,
        },
        Case {
            name: "attributes_in_use_are_busy",
            about: "what a device uses does not change under it, and it outlives its instance",
            run: attributes_in_use_are_busy,
        },
        Case {
            name: "device_without_instance_is_refused",
            about: "'vdpa dev add' fails for an instance that does not exist",
            run: device_without_instance_is_refused,
        },
        Case {
            name: "features_beyond_the_offer_are_refused",
            about: "'vdpa dev add' fails for features that are not offered or not enough",
            run: features_beyond_the_offer_are_refused,
        },
    ]
}

/// Attributes of both backends with values that they refuse.
const BAD_DISK_VALUES: &[(&str, &str)] = &[
    ("num_queues", "0"),
    ("num_queues", "65536"),
    ("num_queues", "many"),
    ("read_only", "perhaps"),
    ("serial", "an-identifier-of-27-letters"),
];
const BAD_NIC_VALUES: &[(&str, &str)] = &[
    ("mac", "02:00:00:00:00"),
    ("mac", "02:00:00:00:00:zz"),
    ("mac", "01:00:5e:00:00:01"),
    ("mac", "00:00:00:00:00:00"),
    ("mtu", "67"),
    ("mtu", "65536"),
    ("mtu", "-1"),
    ("queue_pairs", "0"),
    ("queue_pairs", "32"),
    ("queue_pairs", "-1"),
];

fn values_out_of_range_are_refused(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    NIC.create(guest)?;
    let disk = BAD_DISK_VALUES
        .iter()
        .map(|value| (DISK.directory(), value));
    let nic = BAD_NIC_VALUES.iter().map(|value| (NIC.directory(), value));
    for (directory, (attribute, value)) in disk.chain(nic) {
        refuses(
            guest,
            &format!("{directory}/{attribute}"),
            value,
            "Invalid argument",
        )?;
    }
    DISK.remove(guest)?;
    NIC.remove(guest)
}

/// Writes an attribute, which must fail with an error and leave the attribute as it was.
fn refuses(guest: &mut Guest, attribute: &str, value: &str, error: &str) -> Result<()> {
    let before = guest.sh(&format!("cat {attribute}"))?;
    let text = guest.sh_fails(&format!("echo {value} >{attribute}"))?;
    ensure!(
        text.contains(error),
        "{attribute}: expected '{error}' for '{value}', got '{text}'"
    );
    let after = guest.sh(&format!("cat {attribute}"))?;
    ensure!(
        before == after,
        "{attribute} was '{before}' and became '{after}'"
    );
    Ok(())
}

fn backing_files_are_checked(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    let attribute = format!("{}/backing_file", DISK.directory());
    guest.sh("mkdir /tmp/ro && mount -t tmpfs tmpfs /tmp/ro && truncate -s 1M /tmp/ro/file")?;
    guest.sh("mount -o remount,ro /tmp/ro && truncate -s 511 /tmp/small")?;
    for (path, error) in [
        ("/tmp/missing", "No such file or directory"),
        ("/tmp/small", "Invalid argument"),
        ("/tmp/ro/file", "Read-only file system"),
    ] {
        guest.mark(path)?;
        refuses(guest, &attribute, path, error)?;
        let log = guest.mark(&format!("{error} seen"))?;
        ensure!(
            log.iter()
                .any(|line| line.contains("vhost_bus_blk") && line.contains(path)),
            "no message names {path}: {log:?}"
        );
    }
    guest.sh("umount /tmp/ro && rmdir /tmp/ro && rm /tmp/small")?;
    DISK.remove(guest)
}

fn attributes_in_use_are_busy(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    NIC.create(guest)?;
    let disk = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let nic = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    for (directory, attribute, value) in [
        (DISK.directory(), "backing_file", "/dev/null"),
        (DISK.directory(), "read_only", "1"),
        (DISK.directory(), "serial", "other"),
        (DISK.directory(), "num_queues", "2"),
        (NIC.directory(), "mac", "02:00:00:00:00:02"),
        (NIC.directory(), "mtu", "1400"),
        (NIC.directory(), "queue_pairs", "2"),
    ] {
        refuses(
            guest,
            &format!("{directory}/{attribute}"),
            value,
            "Device or resource busy",
        )?;
    }
    DISK.remove(guest)?;
    NIC.remove(guest)?;
    let path = disk.disk(guest)?;
    guest.sh(&format!(
        "dd if={path} of=/dev/null bs=1M count=8 iflag=direct"
    ))?;
    disk.delete(guest)?;
    nic.delete(guest)
}

fn device_without_instance_is_refused(machine: &mut Machine, _: &mut Record) -> Result<()> {
    for mgmtdev in [BLK_MGMTDEV, NET_MGMTDEV] {
        let guest = &mut machine.guest;
        guest.mark(mgmtdev)?;
        guest.sh_fails(&format!("vdpa dev add name nothing mgmtdev {mgmtdev}"))?;
        let log = guest.mark("refused")?;
        ensure!(
            log.iter()
                .any(|line| line.contains("No backend for nothing")),
            "no message says why: {log:?}"
        );
    }
    Ok(())
}

fn features_beyond_the_offer_are_refused(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    // Without VERSION_1; with a feature of network devices that no disk has.
    for features in ["0x200", "0x1300000001"] {
        let add = format!("vdpa dev add name {} mgmtdev {BLK_MGMTDEV}", DISK.name);
        guest.sh_fails(&format!("{add} device_features {features}"))?;
    }
    DISK.remove(guest)
}
