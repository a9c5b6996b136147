// SPDX-License-Identifier: GPL-2.0
//! Devices have what was configured, and carry data.

use anyhow::{ensure, Result};

use super::{Machine, BLK_MGMTDEV, DISK, NET_MGMTDEV, NIC};
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::runner::{Case, Record};
use crate::workload::disk::{self, Pattern};
use crate::workload::network::{self, Node};
use crate::workload::provision;

pub fn cases() -> Vec<Case<Machine>> {
    vec![
        Case {
            name: "disk_is_as_configured",
            about: "size and identifier of a disk are those of its instance; 'del' takes it away",
            run: disk_is_as_configured,
        },
        Case {
            name: "disk_keeps_data",
            about: "what is written is read back, and a file system survives being filled",
            run: disk_keeps_data,
        },
        Case {
            name: "disk_gives_space_back",
            about: "discarded and zeroed blocks are holes in the file and read as zeroes",
            run: disk_gives_space_back,
        },
        Case {
            name: "disk_is_read_only",
            about: "a read-only disk can be read and not written",
            run: disk_is_read_only,
        },
        Case {
            name: "network_is_as_configured",
            about: "address and MTU are those of the instance, as 'vdpa dev config show' says too",
            run: network_is_as_configured,
        },
        Case {
            name: "network_is_as_chosen",
            about: "'vdpa dev add' and 'vdpa dev set' choose address and MTU, within what there is",
            run: network_is_as_chosen,
        },
        Case {
            name: "network_carries_data",
            about: "echo requests and TCP streams pass both ways, and are counted",
            run: network_carries_data,
        },
    ]
}

fn disk_is_as_configured(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    guest.sh(&format!(
        "echo serial-0123456789ab >{}/serial",
        DISK.directory()
    ))?;
    let device = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    let attributes = path.replace("/dev", "/sys/block");
    let found = guest.sh(&format!(
        "cd {attributes}; for file in size serial queue/write_cache ro; do echo $(cat $file); done"
    ))?;
    let expected = format!("{}\nserial-0123456789ab\nwrite back\n0", DISK.mib * 2048);
    ensure!(found == expected, "expected '{expected}', found '{found}'");
    device.delete(guest)?;
    guest.sh(&format!("[ ! -e {path} ]"))?;
    DISK.remove(guest)
}

fn disk_keeps_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    machine.with_disk(|guest, path| {
        for pattern in [Pattern::Sequential, Pattern::Random] {
            let figures = disk::verify(guest, path, pattern, 64)?;
            record.note(figures.to_string());
        }
        disk::fill_file_system(guest, path).map(drop)
    })
}

fn disk_gives_space_back(machine: &mut Machine, _: &mut Record) -> Result<()> {
    machine.with_disk(|guest, path| {
        let file = DISK.file();
        guest.sh(&format!(
            "dd if=/dev/urandom of={path} bs=1M count=16 oflag=direct 2>/dev/null"
        ))?;
        let used = |text: String| text.parse::<u32>().unwrap_or(u32::MAX);
        let before = used(guest.sh(&format!("du -k {file} | cut -f 1"))?);
        guest.sh(&format!("blkdiscard -o 0 -l {} {path}", 8 << 20))?;
        guest.sh(&format!(
            "fallocate -p -o {} -l {} {path}",
            8 << 20,
            4 << 20
        ))?;
        let after = used(guest.sh(&format!("du -k {file} | cut -f 1"))?);
        ensure!(
            before == 16 << 10 && after == 4 << 10,
            "expected 16384 KiB used, then 4096, found {before}, then {after}"
        );
        guest.sh(&format!(
            "dd if={path} bs=1M count=12 2>/dev/null | cmp -n {} - /dev/zero",
            12 << 20
        ))?;
        Ok(())
    })
}

fn disk_is_read_only(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    DISK.create(guest)?;
    guest.sh(&format!("echo 1 >{}/read_only", DISK.directory()))?;
    let device = VdpaDevice::add(guest, DISK.name, BLK_MGMTDEV)?;
    let path = device.disk(guest)?;
    guest.sh(&format!("dd if={path} of=/dev/null bs=1M count=1"))?;
    guest.sh_fails(&format!("dd if=/dev/zero of={path} bs=4k count=1"))?;
    device.delete(guest)?;
    DISK.remove(guest)
}

fn network_is_as_configured(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    NIC.create(guest)?;
    guest.sh(&format!("echo 1400 >{}/mtu", NIC.directory()))?;
    let vdpa = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    let device = vdpa.network_device(guest)?;
    let found = guest.sh(&format!("cd /sys/class/net/{device}; cat address mtu"))?;
    let expected = format!("{}\n1400", NIC.mac);
    ensure!(found == expected, "expected '{expected}', found '{found}'");
    let config = vdpa.config(guest)?;
    ensure!(
        config["mac"] == NIC.mac && config["mtu"] == 1400,
        "expected {} and 1400, vdpa says {config}",
        NIC.mac
    );
    vdpa.delete(guest)?;
    NIC.remove(guest)
}

fn network_is_as_chosen(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    NIC.create(guest)?;
    provision::expect_refusals_for_network(guest, NIC.name, NET_MGMTDEV)?;
    let vdpa = provision::add(guest, NIC.name, NET_MGMTDEV)?;
    provision::expect(guest, &vdpa, provision::MAC, provision::MTU)?;
    provision::change_mac(guest, &vdpa)?;
    vdpa.delete(guest)?;
    NIC.remove(guest)?;
    DISK.create(guest)?;
    provision::expect_refusals_for_disk(guest, DISK.name, BLK_MGMTDEV)?;
    DISK.remove(guest)
}

fn network_carries_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    NIC.create(guest)?;
    let vdpa = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    let driver = Node {
        namespace: "",
        device: vdpa.network_device(guest)?,
        address: "10.7.0.1",
    };
    let backend = Node {
        namespace: "backend",
        device: NIC.network_device(guest)?,
        address: "10.7.0.2",
    };
    let [to_backend, to_driver] = network::exchange(guest, &driver, &backend)?;
    record.note(format!("to backend: {to_backend}"));
    record.note(format!("to driver: {to_driver}"));
    record.note(vdpa.traffic(guest)?);
    guest.sh("ip netns del backend")?;
    vdpa.delete(guest)?;
    NIC.remove(guest)
}
