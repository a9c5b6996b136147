// SPDX-License-Identifier: GPL-2.0
//! Devices have what was configured, and carry data.

use anyhow::{ensure, Result};

use super::{Machine, BLK_MGMTDEV, DISK, NET_MGMTDEV, NIC, WIDE_NIC};
use crate::commands::backend::Nic;
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::runner::{Case, Record};
use crate::workload::disk::{self, Pattern};
use crate::workload::network::{self, Node};
use crate::workload::{offloads, provision, reception, rings, steering};

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
            name: "disk_has_rings_of_each_form",
            about: "what is written is read back by split and packed rings, in order and not",
            run: disk_has_rings_of_each_form,
        },
        Case {
            name: "network_has_rings_of_each_form",
            about: "data passes both ways by split and packed rings, in order and not",
            run: network_has_rings_of_each_form,
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
            name: "several_pairs_carry_data",
            about: "each of three pairs of queues is used, and their number changes under traffic",
            run: several_pairs_carry_data,
        },
        Case {
            name: "fewer_pairs_are_chosen",
            about: "'vdpa dev add' leaves pairs of queues out, and the control queue is found",
            run: fewer_pairs_are_chosen,
        },
        Case {
            name: "segments_are_left_to_the_other_side",
            about: "frames larger than the MTU pass both ways, until the driver takes none, and carry what was sent",
            run: segments_are_left_to_the_other_side,
        },
        Case {
            name: "offloads_are_left_out",
            about: "'vdpa dev add' and the instance do without offloads, and data passes",
            run: offloads_are_left_out,
        },
        Case {
            name: "driver_chooses_what_it_receives",
            about: "address, tables and modes of the driver side decide which frames it gets",
            run: driver_chooses_what_it_receives,
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

fn disk_has_rings_of_each_form(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    for form in &rings::FORMS {
        DISK.create(guest)?;
        let device = form.add(guest, DISK.name, BLK_MGMTDEV)?;
        let path = device.disk(guest)?;
        let figures = disk::verify(guest, &path, Pattern::Random, 32)?;
        record.note(format!("{}: {figures}", form.name));
        device.delete(guest)?;
        DISK.remove(guest)?;
    }
    Ok(())
}

fn network_has_rings_of_each_form(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    for form in &rings::FORMS {
        WIDE_NIC.create(guest)?;
        let vdpa = form.add(guest, WIDE_NIC.name, NET_MGMTDEV)?;
        let [driver, backend] = nodes(guest, &vdpa, &WIDE_NIC)?;
        let [to_backend, to_driver] = network::exchange(guest, &driver, &backend)?;
        record.note(format!(
            "{}: to backend {to_backend}; to driver {to_driver}",
            form.name
        ));
        // By the control queue.
        steering::use_pairs(guest, &driver, WIDE_NIC.queue_pairs)?;
        take_away(guest, vdpa, &WIDE_NIC)?;
    }
    Ok(())
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

/// The nodes of a network device, whose backend has a name space of its own.
fn nodes(guest: &mut Guest, vdpa: &VdpaDevice, nic: &Nic) -> Result<[Node; 2]> {
    Ok([
        Node {
            namespace: "",
            device: vdpa.network_device(guest)?,
            address: "10.7.0.1",
        },
        Node {
            namespace: "backend",
            device: nic.network_device(guest)?,
            address: "10.7.0.2",
        },
    ])
}

/// Takes a network device away whose nodes were set up.
fn take_away(guest: &mut Guest, vdpa: VdpaDevice, nic: &Nic) -> Result<()> {
    guest.sh("ip netns del backend")?;
    vdpa.delete(guest)?;
    nic.remove(guest)
}

fn several_pairs_carry_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    WIDE_NIC.create(guest)?;
    let vdpa = VdpaDevice::add(guest, WIDE_NIC.name, NET_MGMTDEV)?;
    let [driver, backend] = nodes(guest, &vdpa, &WIDE_NIC)?;
    network::exchange(guest, &driver, &backend)?;
    let all = WIDE_NIC.queue_pairs;
    steering::use_pairs(guest, &driver, all)?;
    let seen = steering::spread(guest, &vdpa, &driver, &backend, all)?;
    record.note(seen);
    let changes = steering::change_under_traffic(guest, &driver, &backend, all)?;
    record.note(format!("{changes} changes under traffic"));
    take_away(guest, vdpa, &WIDE_NIC)
}

fn fewer_pairs_are_chosen(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    for pairs in [1, 2] {
        WIDE_NIC.create(guest)?;
        let attributes = format!("max_vqp {pairs}");
        let vdpa = VdpaDevice::add_with(guest, WIDE_NIC.name, NET_MGMTDEV, &attributes)?;
        let [driver, backend] = nodes(guest, &vdpa, &WIDE_NIC)?;
        network::exchange(guest, &driver, &backend)?;
        let told = steering::use_fewer(guest, &vdpa, &driver, &backend, pairs)?;
        record.note(told);
        let shown = WIDE_NIC.driver_mac(guest)?;
        ensure!(
            shown == steering::CHOSEN_MAC,
            "expected {}, the backend shows {shown}",
            steering::CHOSEN_MAC
        );
        take_away(guest, vdpa, &WIDE_NIC)?;
    }
    Ok(())
}

fn segments_are_left_to_the_other_side(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    NIC.create(guest)?;
    let vdpa = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    let [driver, backend] = nodes(guest, &vdpa, &NIC)?;
    network::exchange(guest, &driver, &backend)?;
    let features = vdpa.features(guest)?;
    offloads::expect_offered(features, offloads::FEATURES)?;
    record.note(offloads::change(guest, &driver, &backend, features)?);
    take_away(guest, vdpa, &NIC)
}

fn offloads_are_left_out(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    for (attribute, offered) in [("1", offloads::FEATURES), ("0", 0)] {
        NIC.create(guest)?;
        NIC.set(guest, "offloads", attribute)?;
        let usual = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
        let features = usual.features(guest)?;
        offloads::expect_offered(features, offered)?;
        usual.delete(guest)?;
        let attributes = format!("device_features {:#x}", features & !offered);
        let vdpa = VdpaDevice::add_with(guest, NIC.name, NET_MGMTDEV, &attributes)?;
        let [driver, backend] = nodes(guest, &vdpa, &NIC)?;
        network::exchange(guest, &driver, &backend)?;
        let lengths = offloads::expect(guest, &driver, &backend, offloads::NEITHER)?;
        record.note(lengths.to_string());
        take_away(guest, vdpa, &NIC)?;
    }
    Ok(())
}

fn driver_chooses_what_it_receives(machine: &mut Machine, _: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    NIC.create(guest)?;
    let vdpa = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    let [driver, backend] = nodes(guest, &vdpa, &NIC)?;
    reception::follows_the_driver(guest, &driver, &backend, |guest| NIC.driver_mac(guest))?;
    take_away(guest, vdpa, &NIC)
}

fn network_carries_data(machine: &mut Machine, record: &mut Record) -> Result<()> {
    let guest = &mut machine.guest;
    NIC.create(guest)?;
    let vdpa = VdpaDevice::add(guest, NIC.name, NET_MGMTDEV)?;
    let [driver, backend] = nodes(guest, &vdpa, &NIC)?;
    let [to_backend, to_driver] = network::exchange(guest, &driver, &backend)?;
    record.note(format!("to backend: {to_backend}"));
    record.note(format!("to driver: {to_driver}"));
    record.note(vdpa.traffic(guest)?);
    let limit = backend.byte_limit(guest)?;
    record.note(format!("{limit} bytes may wait for the driver"));
    ensure!(limit > 0, "the kernel was told of no bytes");
    take_away(guest, vdpa, &NIC)
}
