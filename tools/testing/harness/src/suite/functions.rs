// SPDX-License-Identifier: GPL-2.0
//! Several functions on one controller: they work at the same time, and one that ends leaves the others alone.

use anyhow::{ensure, Result};

use super::link::{DISK, END_BOUND, NIC};
use crate::commands::backend::Disk;
use crate::commands::endpoint::{self, Function};
use crate::commands::served::Instance;
use crate::commands::several::{add, Several};
use crate::commands::upstream::{self, Engine};
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::link::Link;
use crate::runner::{AnySuite, Case, Record, Suite};
use crate::workload::disk::{self, Pattern};
use crate::workload::network::{self, Node};

const OTHER_DISK: Instance = Instance::Disk(&Disk {
    name: "disk1",
    mib: 128,
});

/// Leaves out the tests of the kselftest that take an RC with all vectors there are, or BARs that move.
const CHOICE: &str = "-F pci_ep_basic -T BAR_SUBRANGE_TEST -T DOORBELL_TEST";

const DEVICES: &str = "/sys/bus/pci/devices";
const DRIVER: &str = "/sys/bus/pci/drivers/epf_vdpa";

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Link> {
        name: "functions",
        about: "two functions on one controller",
        cases: vec![
            Case {
                name: "test_function_and_disk",
                about: "the kselftest of pci-epf-test passes on one function while a disk is busy on the other",
                run: test_function_and_disk,
            },
            Case {
                name: "network_and_disk",
                about: "'lspci' shows both; frames pass on one while a disk is busy on the other",
                run: network_and_disk,
            },
            Case {
                name: "functions_end_alone",
                about: "a function that is reset, loses bus mastering or its driver leaves the other one alone, which is busy",
                run: |link, _| functions_end_alone(link),
            },
            Case {
                name: "link_stops_with_both_busy",
                about: "both end with the link and come again; so does one, once the other is unbound",
                run: |link, _| link_stops_with_both_busy(link),
            },
        ],
    }
}

fn test_function_and_disk(link: &mut Link, record: &mut Record) -> Result<()> {
    let test = upstream::FUNCTION;
    test.create(&mut link.ep, upstream::ATTRIBUTES)?;
    test.bind(&mut link.ep)?;
    let function = DISK.create(&mut link.ep)?;
    function.bind(&mut link.ep)?;
    let addresses = endpoint::start_all(link, 2)?;
    let (device, path) = add_disk(&mut link.rc, &addresses, 1)?;
    disk::start_load(&mut link.rc, &path)?;
    let parts = upstream::run(&mut link.rc, Engine::Slaves, CHOICE)?;
    let required = [
        &["BAR0.BAR_TEST", "BAR5.BAR_TEST"],
        Engine::Slaves.transfers(),
    ]
    .concat();
    let missing = upstream::not_passed(&parts, &required);
    record.parts(parts);
    ensure!(missing.is_empty(), "did not pass: {missing:?}");
    end_load(&mut link.rc, device, &path)?;
    let (device, path) = add_disk(&mut link.rc, &addresses, 1)?;
    disk::verify(&mut link.rc, &path, Pattern::Random, 8)?;
    device.delete(&mut link.rc)?;
    endpoint::stop(link)?;
    take_away(&mut link.ep, &test)?;
    function.unbind(&mut link.ep)?;
    DISK.remove(&mut link.ep, &function)
}

fn take_away(ep: &mut Guest, function: &Function) -> Result<()> {
    function.unbind(ep)?;
    function.remove(ep)
}

fn network_and_disk(link: &mut Link, record: &mut Record) -> Result<()> {
    let pair = Several::start(link, &[DISK, NIC], &[])?;
    let shown = link.rc.sh("lspci -s 01:00")?;
    ensure!(
        shown.lines().count() == 2,
        "expected two functions, lspci shows '{shown}'"
    );
    record.note(shown);
    let (device, path) = add_disk(&mut link.rc, &pair.addresses, 0)?;
    let nic = pair.add(&mut link.rc, 1)?;
    disk::start_load(&mut link.rc, &path)?;
    let [rc, ep] = nodes(link, &nic)?;
    let [rc_to_ep, ep_to_rc] = network::exchange(link, &rc, &ep)?;
    record.note(format!("RC to EP: {rc_to_ep}"));
    record.note(format!("EP to RC: {ep_to_rc}"));
    end_load(&mut link.rc, device, &path)?;
    let (device, path) = add_disk(&mut link.rc, &pair.addresses, 0)?;
    let figures = disk::verify(&mut link.rc, &path, Pattern::Random, 16)?;
    record.note(figures.to_string());
    device.delete(&mut link.rc)?;
    nic.delete(&mut link.rc)?;
    pair.stop(link)
}

fn functions_end_alone(link: &mut Link) -> Result<()> {
    let pair = Several::start(link, &[DISK, OTHER_DISK], &[])?;
    let (rc, addresses) = (&mut link.rc, &pair.addresses);
    for [busy, other] in [[0, 1], [1, 0]] {
        let (device, path) = add_disk(rc, addresses, busy)?;
        disk::start_load(rc, &path)?;
        let victim = &addresses[other];
        for end in [
            format!("echo 1 >{DEVICES}/{victim}/reset"),
            // Leaves memory space on in the command register, and no bus mastering.
            format!(
                r"printf '\002\000' | dd of={DEVICES}/{victim}/config bs=2 seek=2 conv=notrunc"
            ),
        ] {
            let (gone, _) = add_disk(rc, addresses, other)?;
            rc.sh(&end)?;
            disk::load_flows(rc, &path)?;
            gone.delete(rc)?;
            works(rc, addresses, other)?;
        }
        add(rc, addresses, other)?;
        rc.sh(&format!("echo {victim} >{DRIVER}/unbind"))?;
        disk::load_flows(rc, &path)?;
        rc.sh(&format!("echo {victim} >{DRIVER}/bind"))?;
        works(rc, addresses, other)?;
        end_load(rc, device, &path)?;
    }
    pair.stop(link)
}

fn link_stops_with_both_busy(link: &mut Link) -> Result<()> {
    let pair = Several::start(link, &[DISK, OTHER_DISK], &[])?;
    for number in [0, 1] {
        let (_, path) = add_disk(&mut link.rc, &pair.addresses, number)?;
        disk::start_load(&mut link.rc, &path)?;
    }
    endpoint::stop(link)?;
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    all_work(link, 2)?;
    let second = &pair.functions[1];
    second.unbind(&mut link.ep)?;
    all_work(link, 1)?;
    second.bind(&mut link.ep)?;
    all_work(link, 2)?;
    pair.clean_up(link)
}

/// Starts the link with as many disks, uses each, and stops it.
fn all_work(link: &mut Link, functions: u8) -> Result<()> {
    let addresses = endpoint::start_all(link, functions)?;
    for number in 0..addresses.len() {
        works(&mut link.rc, &addresses, number)?;
    }
    endpoint::stop(link)
}

/// Adds a disk, writes and reads it, and deletes it.
fn works(rc: &mut Guest, addresses: &[String], number: usize) -> Result<()> {
    let (device, path) = add_disk(rc, addresses, number)?;
    disk::verify(rc, &path, Pattern::Random, 4)?;
    device.delete(rc)
}

/// Adds the vDPA device of a function that is a disk; returns its path too.
fn add_disk(rc: &mut Guest, addresses: &[String], number: usize) -> Result<(VdpaDevice, String)> {
    let device = add(rc, addresses, number)?;
    let path = device.disk(rc)?;
    Ok((device, path))
}

/// Sees that a load goes on, and ends it with its disk.
fn end_load(rc: &mut Guest, device: VdpaDevice, path: &str) -> Result<()> {
    disk::load_flows(rc, path)?;
    device.delete(rc)?;
    disk::wait_for_end_of_load(rc, END_BOUND)
}

fn nodes(link: &mut Link, nic: &VdpaDevice) -> Result<[Node; 2]> {
    let Instance::Nic(instance) = NIC else {
        anyhow::bail!("not a network device");
    };
    let node = |device, address| Node {
        namespace: "",
        device,
        address,
    };
    Ok([
        node(nic.network_device(&mut link.rc)?, "10.7.0.1"),
        node(instance.network_device(&mut link.ep)?, "10.7.0.2"),
    ])
}
