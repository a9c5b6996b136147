// SPDX-License-Identifier: GPL-2.0
//! Devices, functions, modules and the link come and go, also under load, and leave nothing behind.

use std::time::Duration;

use anyhow::Result;

use super::{disk_works, DISK, NIC};
use crate::census::leaves_nothing;
use crate::commands::served::{Instance, Served};
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::commands::{endpoint, modules};
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::suite::prepared::Joined;
use crate::workload::disk;

/// For a load to end with errors once its endpoint is gone.
pub const END_BOUND: Duration = Duration::from_secs(60);

pub fn cases<B: Joined>() -> Vec<Case<B>> {
    let mut cases = endings();
    cases.extend(cycles());
    cases
}

/// The endpoint ends under load.
pub fn endings<B: Joined>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "disk_is_deleted_under_load",
            about: "'vdpa dev del' while requests are in flight ends them, and the disk can return",
            run: |bench, record| disk_is_deleted_under_load(bench.link(), record),
        },
        Case {
            name: "link_stops_under_load",
            about: "requests end with errors when the link goes down, and the disk can return",
            run: |bench, record| link_stops_under_load(bench.link(), record),
        },
        Case {
            name: "function_is_unbound_under_load",
            about: "the EP may unbind the function before the RC let go of it",
            run: |bench, _| function_is_unbound_under_load(bench.link(), DISK),
        },
    ]
}

/// All that comes and goes, many times.
fn cycles<B: Joined>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "vdpa_cycles",
            about: "50 vDPA devices, one after the other, leave nothing behind on either side",
            run: |bench, record| vdpa_cycles(bench.link(), record),
        },
        Case {
            name: "start_stop_cycles_of_a_disk",
            about: "50 starts and stops of the link leave nothing behind on either side",
            run: |bench, _| start_stop_cycles(bench.link(), DISK),
        },
        Case {
            name: "start_stop_cycles_of_a_network_device",
            about: "the same with a network device",
            run: |bench, _| start_stop_cycles(bench.link(), NIC),
        },
        Case {
            name: "modules_in_any_order",
            about: "the modules of both sides load and unload in every order",
            run: |bench, record| modules_in_any_order(bench.link(), record),
        },
    ]
}

fn disk_is_deleted_under_load(link: &mut Link, _: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::start_load(&mut link.rc, &path)?;
    served.stop(link)?;
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    disk_works(link)
}

fn link_stops_under_load(link: &mut Link, _: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::start_load(&mut link.rc, &path)?;
    endpoint::stop(link)?;
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    served.function.unbind(&mut link.ep)?;
    DISK.remove(&mut link.ep, &served.function)?;
    disk_works(link)
}

/// Unbinds the function of a disk that is used.
pub fn function_is_unbound_under_load(link: &mut Link, instance: Instance) -> Result<()> {
    let served = Served::start(link, instance)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::start_load(&mut link.rc, &path)?;
    endpoint::begin_stop(&mut link.ep)?;
    served.function.unbind(&mut link.ep)?;
    endpoint::finish_stop(link)?;
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    instance.remove(&mut link.ep, &served.function)?;
    disk_works(link)
}

fn vdpa_cycles(link: &mut Link, _: &mut Record) -> Result<()> {
    let function = DISK.create(&mut link.ep)?;
    function.bind(&mut link.ep)?;
    let mgmtdev = format!("pci/{}", endpoint::start(link)?);
    leaves_nothing(link, |link| {
        let device = VdpaDevice::add(&mut link.rc, "vdpa0", &mgmtdev)?;
        let path = device.disk(&mut link.rc)?;
        link.rc.sh(&format!(
            "dd if={path} of=/dev/null bs=64k count=16 iflag=direct"
        ))?;
        device.delete(&mut link.rc)
    })?;
    endpoint::stop(link)?;
    function.unbind(&mut link.ep)?;
    DISK.remove(&mut link.ep, &function)
}

fn start_stop_cycles(link: &mut Link, instance: Instance) -> Result<()> {
    leaves_nothing(link, |link| Served::start(link, instance)?.stop(link))
}

fn modules_in_any_order(link: &mut Link, _: &mut Record) -> Result<()> {
    let on_ep = ["pci_epf_vhost", "vhost_bus_blk", "vhost_bus_net"];
    modules::load(&mut link.ep, &on_ep)?;
    endpoint::load_controller(&mut link.ep)?;
    for load in modules::orders(on_ep) {
        for unload in modules::orders(on_ep) {
            modules::unload(&mut link.ep, &unload)?;
            modules::unload(&mut link.ep, &["vhost_bus"])?;
            endpoint::unload_controller(&mut link.ep)?;
            modules::load(&mut link.ep, &load)?;
            endpoint::load_controller(&mut link.ep)?;
        }
        modules::unload(&mut link.rc, &["epf_vdpa"])?;
        modules::load_epf_vdpa(&mut link.rc)?;
        disk_works(link)?;
    }
    Ok(())
}
