// SPDX-License-Identifier: GPL-2.0
//! Disks that are served from a drive which takes its time: many requests under way, some of which fail.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::{with_device, Machine, BLK_MGMTDEV};
use crate::commands::backend::Disk;
use crate::commands::drive::Drive;
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::runner::{Case, Record};
use crate::workload::disk::{self, Pattern};

/// As slow as a drive that seeks.
const DRIVE: Drive = Drive {
    name: "drive0",
    mib: 64,
    latency: Duration::from_millis(5),
};
/// So slow that requests are under way whenever something ends.
const SLUG: Drive = Drive {
    latency: Duration::from_millis(300),
    ..DRIVE
};

/// Requests one after the other overlap in nothing but what is read ahead.
const ALONE: f64 = 4.0;

/// Sectors that are made bad: a block at 1 MiB.
const BAD: (u64, u64) = (2048, 2055);

/// For a load to end once its device is gone.
const END_BOUND: Duration = Duration::from_secs(60);

pub fn cases() -> Vec<Case<Machine>> {
    vec![
        Case {
            name: "requests_overlap_unless_cached",
            about: "a drive has many requests at a time, and one if its instance is without direct_io",
            run: requests_overlap_unless_cached,
        },
        Case {
            name: "slow_drive_keeps_data",
            about: "what is written is read back, by requests of all lengths, and a file system survives being filled",
            run: slow_drive_keeps_data,
        },
        Case {
            name: "file_on_a_slow_drive_keeps_data",
            about: "the same of a file in a file system, sparse at first, whose requests overlap too",
            run: file_on_a_slow_drive_keeps_data,
        },
        Case {
            name: "bad_blocks_fail_alone",
            about: "requests for bad blocks of a drive fail, those around them do not, and the log says it once",
            run: bad_blocks_fail_alone,
        },
        Case {
            name: "slow_drive_is_taken_away",
            about: "'vdpa dev del' waits for requests that a drive has, which can go then, and so can the module",
            run: slow_drive_is_taken_away,
        },
    ]
}

/// Reads at random, and returns how many requests the drive had at a time.
fn depth(guest: &mut Guest, drive: &Drive, path: &str) -> Result<f64> {
    let before = drive.busy(guest)?;
    disk::transfer(guest, path, "randread", 32, 1024)?;
    drive.busy(guest)?.depth_since(&before)
}

fn requests_overlap_unless_cached(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DRIVE.create(guest)?;
    for direct_io in ["1", "0"] {
        DRIVE.set(guest, "direct_io", direct_io)?;
        with_device(guest, DRIVE.name, |guest, path| {
            let depth = depth(guest, &DRIVE, path)?;
            record.note(format!("direct_io {direct_io}: {depth:.1} at a time"));
            if direct_io == "1" {
                return disk::expect_overlapping(depth);
            }
            ensure!(
                depth < ALONE,
                "the drive had {depth:.1} requests at a time, expected less than {ALONE}"
            );
            Ok(())
        })?;
    }
    DRIVE.remove(guest)
}

fn slow_drive_keeps_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DRIVE.create(guest)?;
    with_device(guest, DRIVE.name, |guest, path| {
        for pattern in [Pattern::Sequential, Pattern::Random] {
            record.note(disk::verify(guest, path, pattern, 32)?.to_string());
        }
        // Longer than the room of the pipeline, a little longer than a transfer, and shorter than a block of memory.
        for (kib, block) in [(16 << 10, 4 << 20), (8 << 10, 132 << 10), (256, 512)] {
            disk::compare_in_blocks(guest, path, kib, [block; 2])?;
        }
        disk::fill_file_system(guest, path).map(drop)
    })?;
    DRIVE.remove(guest)
}

fn file_on_a_slow_drive_keeps_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    const DISK: Disk = Disk {
        name: "disk0",
        mib: 32,
    };
    let guest = &mut machine.guest;
    DRIVE.create_alone(guest)?;
    guest.sh(&format!(
        "set -e; mkfs.ext4 -q -F {drive}; mkdir /drive; mount -t ext4 {drive} /drive",
        drive = DRIVE.path()
    ))?;
    DISK.create_in(guest, "/drive")?;
    let device = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    for pattern in [Pattern::Random, Pattern::Sequential] {
        record.note(disk::verify(guest, &path, pattern, 16)?.to_string());
    }
    disk::compare_in_blocks(guest, &path, 256, [512; 2])?;
    let depth = depth(guest, &DRIVE, &path)?;
    record.note(format!("{depth:.1} at a time"));
    disk::expect_overlapping(depth)?;
    device.delete(guest)?;
    DISK.remove_from(guest, "/drive")?;
    guest.sh(&format!(
        "umount /drive && rmdir /drive && fsck.ext4 -f -n {}",
        DRIVE.path()
    ))?;
    DRIVE.remove_alone(guest)
}

fn bad_blocks_fail_alone(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DRIVE.create(guest)?;
    with_device(guest, DRIVE.name, |guest, path| {
        let block = BAD.0 / 8;
        let read =
            |skip| format!("dd if={path} of=/dev/null bs=4k skip={skip} count=1 iflag=direct");
        let write =
            |seek| format!("dd if=/dev/zero of={path} bs=4k seek={seek} count=1 oflag=direct");
        DRIVE.set_bad(guest, BAD.0, BAD.1, true)?;
        for bad in [read(block), write(block)] {
            guest.sh_fails(&bad)?;
        }
        for good in [block - 1, block + 1] {
            guest.sh(&read(good))?;
            guest.sh(&write(good))?;
        }
        guest.sh_fails(&format!(
            "dd if={path} of=/dev/null bs=4M count=1 iflag=direct"
        ))?;
        let told = guest.sh(&format!(
            "dmesg | grep -c 'Disk {}: .* at 0x100000 failed: EIO'",
            DRIVE.name
        ))?;
        ensure!(told == "1", "expected one line in the log, found {told}");
        DRIVE.set_bad(guest, BAD.0, BAD.1, false)?;
        guest.sh(&read(block)).map(drop)
    })?;
    DRIVE.remove(guest)
}

fn slow_drive_is_taken_away(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    SLUG.create(guest)?;
    for _ in 0..3 {
        let device = VdpaDevice::add(guest, SLUG.name, BLK_MGMTDEV)?;
        let path = device.disk(guest)?;
        disk::start_load(guest, &path)?;
        device.delete(guest)?;
        disk::wait_for_end_of_load(guest, END_BOUND)?;
    }
    SLUG.remove(guest)?;
    guest
        .sh("rmmod vhost_bus_blk && modprobe vhost_bus_blk")
        .map(drop)
}
