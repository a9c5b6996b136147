// SPDX-License-Identifier: GPL-2.0
//! Devices carry data over the link.

use anyhow::{ensure, Result};
use serde_json::{json, Value};

use super::{DISK, NIC, WIDE, WIDE_NIC};
use crate::commands::served::Served;
use crate::commands::vdpa::{self, RcDevice, VdpaDevice};
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::suite::prepared::Joined;
use crate::workload::disk::{self, Pattern};
use crate::workload::{network, offloads, provision, reception, rings, steering};

/// Name of the vDPA devices that are made here.
const NAME: &str = "chosen0";

/// Features that `vdpa` shows of every device, by its names for them.
const REQUIRED: &[&str] = &["VERSION_1", "ACCESS_PLATFORM", "ORDER_PLATFORM"];

/// The virtio vendor of what an endpoint serves.
const VENDOR: u32 = 0x1af4;

/// The largest queue unless the function is given another `queue_size`.
const QUEUE_SIZE: u16 = 256;

pub fn cases<B: Joined>() -> Vec<Case<B>> {
    let mut cases = transfers();
    cases.extend(choosing());
    cases
}

/// What a link is for.
pub fn transfers<B: Joined>() -> Vec<Case<B>> {
    let mut cases = vec![Case {
        name: "vdpa_tool_tells_what_is_there",
        about: "the 'vdpa' tool shows management device, device and configuration",
        run: |bench: &mut B, record: &mut Record| {
            vdpa_tool_tells_what_is_there(bench.link(), record)
        },
    }];
    cases.extend(carrying());
    cases
}

/// Disk and network as they are by default.
pub fn carrying<B: Joined>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "disk_keeps_data",
            about: "what the RC writes is read back, and a file system survives being filled",
            run: |bench, record| disk_keeps_data(bench.link(), record),
        },
        Case {
            name: "network_carries_data",
            about: "echo requests and TCP streams pass both ways, and are counted",
            run: |bench, record| network_carries_data(bench.link(), record),
        },
        Case {
            name: "segments_are_left_to_the_other_side",
            about: "frames larger than the MTU pass both ways, none of them pushed, until the RC takes none, and carry what was sent",
            run: |bench, record| segments_are_left_to_the_other_side(bench.link(), record),
        },
        Case {
            name: "several_pairs_carry_data",
            about: "each of three pairs of queues is used, and their number changes under traffic",
            run: |bench, record| several_pairs_carry_data(bench.link(), record),
        },
    ]
}

/// What a user or a driver may choose.
fn choosing<B: Joined>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "fewer_pairs_are_chosen",
            about: "'vdpa dev add' leaves pairs of queues out, and the control queue is found",
            run: |bench, record| fewer_pairs_are_chosen(bench.link(), record),
        },
        Case {
            name: "offloads_are_left_out",
            about: "'vdpa dev add' and the instance do without offloads, and data passes",
            run: |bench, record| offloads_are_left_out(bench.link(), record),
        },
        Case {
            name: "driver_chooses_what_it_receives",
            about: "address, tables and modes of the driver decide which frames the endpoint sends",
            run: |bench, record| driver_chooses_what_it_receives(bench.link(), record),
        },
        Case {
            name: "network_is_as_chosen",
            about: "'vdpa dev add' and 'vdpa dev set' choose address and MTU, and data passes",
            run: |bench, record| network_is_as_chosen(bench.link(), record),
        },
        Case {
            name: "disk_has_no_network_attributes",
            about: "'vdpa dev add' refuses address, MTU and queue pairs for a disk",
            run: |bench, record| disk_has_no_network_attributes(bench.link(), record),
        },
        Case {
            name: "order_is_offered_or_not",
            about: "disk and network carry data by split rings in order, and by others if the user says so",
            run: |bench, record| order_is_offered_or_not(bench.link(), record),
        },
        Case {
            name: "rings_are_as_large_as_wanted",
            about: "disk and network carry data by rings of 32 and of 32768 descriptors",
            run: |bench, _| rings_are_as_large_as_wanted(bench.link()),
        },
        Case {
            name: "doorbells_of_each_kind_work",
            about: "a disk keeps data with polled and with embedded doorbells",
            run: |bench, record| doorbells_of_each_kind_work(bench.link(), record),
        },
    ]
}

/// Looks at a network device and at a disk by the `vdpa` tool.
pub fn vdpa_tool_tells_what_is_there(link: &mut Link, record: &mut Record) -> Result<()> {
    for (instance, class, kind, queues) in [(NIC, "net", "network", 3), (DISK, "block", "block", 1)]
    {
        let served = Served::start(link, instance)?;
        let rc = &mut link.rc;
        let mgmtdev = format!("pci/{}", served.address);
        let management = vdpa::management(rc, &mgmtdev)?;
        shows(&management, "supported_classes", &json!([class]))?;
        shows(&management, "max_supported_vqs", &json!(queues))?;
        lists(&management, "dev_features", REQUIRED)?;
        let device = served.vdpa.shown(rc)?;
        shows(&device, "type", &json!(kind))?;
        shows(&device, "mgmtdev", &json!(mgmtdev))?;
        shows(&device, "vendor_id", &json!(VENDOR))?;
        shows(&device, "max_vqs", &json!(queues))?;
        shows(&device, "max_vq_size", &json!(QUEUE_SIZE))?;
        let config = served.vdpa.config(rc)?;
        // Of a disk the tool shows none.
        if class == "net" {
            lists(&config, "negotiated_features", REQUIRED)?;
            shows(&config, "mac", &json!("02:00:00:00:00:01"))?;
            shows(&config, "mtu", &json!(1500))?;
            lists(&config, "negotiated_features", &["MAC", "MTU", "CTRL_VQ"])?;
        }
        for told in [management, device, config] {
            record.note(told.to_string());
        }
        served.stop(link)?;
    }
    Ok(())
}

/// Fails unless a member of what the tool says has this value.
fn shows(told: &Value, member: &str, expected: &Value) -> Result<()> {
    ensure!(
        told[member] == *expected,
        "expected {member} {expected}, vdpa says {told}"
    );
    Ok(())
}

/// Fails unless a list in what the tool says has all of these.
fn lists(told: &Value, member: &str, expected: &[&str]) -> Result<()> {
    let list = told[member].as_array().map_or(&[][..], Vec::as_slice);
    let has = |name: &&str| list.iter().any(|entry| entry == name);
    ensure!(
        expected.iter().all(has),
        "expected {expected:?} among {member}, vdpa says {told}"
    );
    Ok(())
}

fn disk_keeps_data(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    for pattern in [Pattern::Sequential, Pattern::Random] {
        let figures = disk::verify(&mut link.rc, &path, pattern, 64)?;
        record.note(figures.to_string());
    }
    disk::fill_file_system(&mut link.rc, &path)?;
    served.stop(link)
}

/// Sends over a network device of one pair of queues.
pub fn network_carries_data(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, NIC)?;
    let [rc, ep] = served.nodes(link)?;
    let [rc_to_ep, ep_to_rc] = network::exchange(link, &rc, &ep)?;
    record.note(format!("RC to EP: {rc_to_ep}"));
    record.note(format!("EP to RC: {ep_to_rc}"));
    record.note(served.vdpa.traffic(&mut link.rc)?);
    served.stop(link)
}

fn segments_are_left_to_the_other_side(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, NIC)?;
    let [rc, ep] = served.nodes(link)?;
    network::exchange(link, &rc, &ep)?;
    let features = served.vdpa.features(&mut link.rc)?;
    offloads::expect_offered(features, all_offloads(link))?;
    record.note(offloads::change(link, &rc, &ep, features)?);
    served.stop(link)
}

/// Sends over a network device of three pairs of queues, and changes their number.
pub fn several_pairs_carry_data(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, WIDE_NIC)?;
    let [rc, ep] = served.nodes(link)?;
    network::exchange(link, &rc, &ep)?;
    steering::use_pairs(&mut link.rc, &rc, WIDE.queue_pairs)?;
    let seen = steering::spread(link, &served.vdpa, &rc, &ep, WIDE.queue_pairs)?;
    record.note(seen);
    let changes = steering::change_under_traffic(link, &rc, &ep, WIDE.queue_pairs)?;
    record.note(format!("{changes} changes under traffic"));
    served.stop(link)
}

fn fewer_pairs_are_chosen(link: &mut Link, record: &mut Record) -> Result<()> {
    let mut served = Served::start(link, WIDE_NIC)?;
    let management = format!("pci/{}", served.address);
    for pairs in [1, 2] {
        served.vdpa.delete(&mut link.rc)?;
        let attributes = format!("max_vqp {pairs}");
        served.vdpa = VdpaDevice::add_with(&mut link.rc, NAME, &management, &attributes)?;
        let [rc, ep] = served.nodes(link)?;
        network::exchange(link, &rc, &ep)?;
        record.note(steering::use_fewer(link, &served.vdpa, &rc, &ep, pairs)?);
        let shown = WIDE.driver_mac(&mut link.ep)?;
        ensure!(
            shown == steering::CHOSEN_MAC,
            "expected {}, the endpoint shows {shown}",
            steering::CHOSEN_MAC
        );
        link.ep.sh(&format!("ip addr flush dev {}", ep.device))?;
    }
    served.vdpa.delete(&mut link.rc)?;
    let shown = WIDE.driver_mac(&mut link.ep)?;
    ensure!(
        shown == WIDE.mac,
        "expected the instance's address again, the endpoint shows {shown}"
    );
    let add = format!("vdpa dev add name {NAME} mgmtdev {management} max_vqp 4");
    link.rc.sh_fails(&add)?;
    served.vdpa = VdpaDevice::add(&mut link.rc, NAME, &management)?;
    served.stop(link)
}

/// What a network driver is offered by default.
fn all_offloads(link: &Link) -> u64 {
    let is = |name, value| link.attributes.contains(&(name, value));
    match is("data_path", "push") && !is("dma", "1") {
        true => offloads::PUSHED_FEATURES,
        false => offloads::FEATURES,
    }
}

fn offloads_are_left_out(link: &mut Link, record: &mut Record) -> Result<()> {
    let all = all_offloads(link);
    for (attribute, offered) in [("1", all), ("0", 0)] {
        let function = NIC.create(&mut link.ep)?;
        WIDE.set(&mut link.ep, "offloads", attribute)?;
        let mut served = Served::bind(link, NIC, function)?;
        let features = served.vdpa.features(&mut link.rc)?;
        offloads::expect_offered(features, offered)?;
        served.vdpa.delete(&mut link.rc)?;
        let management = format!("pci/{}", served.address);
        let attributes = format!("device_features {:#x}", features & !offered);
        served.vdpa = VdpaDevice::add_with(&mut link.rc, NAME, &management, &attributes)?;
        let [rc, ep] = served.nodes(link)?;
        network::exchange(link, &rc, &ep)?;
        let lengths = offloads::expect(link, &rc, &ep, offloads::NEITHER)?;
        record.note(lengths.to_string());
        served.stop(link)?;
    }
    Ok(())
}

fn driver_chooses_what_it_receives(link: &mut Link, _: &mut Record) -> Result<()> {
    let served = Served::start(link, NIC)?;
    let [rc, ep] = served.nodes(link)?;
    reception::follows_the_driver(link, &rc, &ep, |link| WIDE.driver_mac(&mut link.ep))?;
    served.stop(link)
}

fn network_is_as_chosen(link: &mut Link, _: &mut Record) -> Result<()> {
    let mut served = Served::start(link, NIC)?;
    let management = format!("pci/{}", served.address);
    served.vdpa.delete(&mut link.rc)?;
    provision::expect_refusals_for_network(&mut link.rc, NAME, &management)?;
    served.vdpa = provision::add(&mut link.rc, NAME, &management)?;
    provision::expect(&mut link.rc, &served.vdpa, provision::MAC, provision::MTU)?;
    provision::change_mac(&mut link.rc, &served.vdpa)?;
    let [rc, ep] = served.nodes(link)?;
    network::exchange(link, &rc, &ep)?;
    served.stop(link)
}

fn disk_has_no_network_attributes(link: &mut Link, _: &mut Record) -> Result<()> {
    let mut served = Served::start(link, DISK)?;
    let management = format!("pci/{}", served.address);
    served.vdpa.delete(&mut link.rc)?;
    provision::expect_refusals_for_disk(&mut link.rc, NAME, &management)?;
    served.vdpa = VdpaDevice::add(&mut link.rc, NAME, &management)?;
    served.stop(link)
}

fn rings_are_as_large_as_wanted(link: &mut Link) -> Result<()> {
    for size in ["32", "32768"] {
        let wanted = [("queue_size", size)];
        let expected = json!(size.parse::<u16>()?);
        let served = Served::start_with(link, DISK, &wanted)?;
        shows(&served.vdpa.shown(&mut link.rc)?, "max_vq_size", &expected)?;
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::verify(&mut link.rc, &path, Pattern::Random, 8)?;
        served.stop(link)?;
        let served = Served::start_with(link, NIC, &wanted)?;
        shows(&served.vdpa.shown(&mut link.rc)?, "max_vq_size", &expected)?;
        let [rc, ep] = served.nodes(link)?;
        network::exchange(link, &rc, &ep)?;
        served.stop(link)?;
    }
    Ok(())
}

fn order_is_offered_or_not(link: &mut Link, record: &mut Record) -> Result<()> {
    let [unordered, ordered, ..] = &rings::FORMS;
    for (form, in_order) in [(unordered, "0"), (ordered, "1")] {
        let attributes = [("in_order", in_order)];
        let served = Served::start_with(link, DISK, &attributes)?;
        form.expect(&mut link.rc, &served.vdpa)?;
        let path = served.vdpa.disk(&mut link.rc)?;
        let figures = disk::verify(&mut link.rc, &path, Pattern::Random, 16)?;
        record.note(format!("{}: {figures}", form.name));
        served.stop(link)?;
        let served = Served::start_with(link, NIC, &attributes)?;
        form.expect(&mut link.rc, &served.vdpa)?;
        let [rc, ep] = served.nodes(link)?;
        let [rc_to_ep, ep_to_rc] = network::exchange(link, &rc, &ep)?;
        record.note(format!(
            "{}: RC to EP {rc_to_ep}; EP to RC {ep_to_rc}",
            form.name
        ));
        served.stop(link)?;
    }
    Ok(())
}

fn doorbells_of_each_kind_work(link: &mut Link, _: &mut Record) -> Result<()> {
    for kind in ["polled", "embedded"] {
        let served = Served::start_with(link, DISK, &[("doorbell", kind)])?;
        let found = served.function.get(&mut link.ep, "doorbell_kind")?;
        ensure!(found == kind, "expected {kind} doorbells, got '{found}'");
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::verify(&mut link.rc, &path, Pattern::Random, 8)?;
        served.stop(link)?;
    }
    Ok(())
}
