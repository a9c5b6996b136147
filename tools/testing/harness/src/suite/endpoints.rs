// SPDX-License-Identifier: GPL-2.0
//! Several endpoints under one root complex: what happens to one is no matter to the other.

use anyhow::Result;

use super::link::{DISK, END_BOUND};
use crate::commands::endpoint::{self, VhostFunction};
use crate::commands::modules;
use crate::commands::vdpa::{self, RcDevice, VdpaDevice};
use crate::fork::{Branch, Fork};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::runner::{AnySuite, Bench, Case, Suite};
use crate::workload::disk::{self, Pattern};

impl Bench for Fork {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut fork = Self::boot(layout)?;
        modules::load_epf_vdpa(&mut fork.rc)?;
        vdpa::load_drivers(&mut fork.rc)?;
        Ok(fork)
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        let [first, second] = &mut self.branches;
        vec![&mut first.ep, &mut second.ep, &mut self.rc]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Fork> {
        name: "endpoints",
        about: "two endpoints under one root complex",
        cases: vec![
            Case {
                name: "one_stops_its_link",
                about: "a disk of each is busy; one endpoint stops its link, and the other disk goes on",
                run: |fork, _| one_stops_its_link(fork),
            },
            Case {
                name: "one_loses_its_power",
                about: "the same when one endpoint is gone; it may come again",
                run: |fork, _| one_loses_its_power(fork),
            },
        ],
    }
}

/// A disk of an endpoint, with what the RC has of it.
struct Offered {
    function: VhostFunction,
    device: VdpaDevice,
    path: String,
}

fn one_stops_its_link(fork: &mut Fork) -> Result<()> {
    let Fork { rc, branches } = fork;
    let [first, second] = branches;
    let staying = offer_busy(rc, first, "first")?;
    for _ in 0..2 {
        let ending = offer_busy(rc, second, "second")?;
        endpoint::begin_stop(&mut second.ep)?;
        second.wait_for_end(rc)?;
        disk::wait_for_end_of_load_on(rc, &ending.path, END_BOUND)?;
        disk::load_flows(rc, &staying.path)?;
        ending.function.unbind(&mut second.ep)?;
        DISK.remove(&mut second.ep, &ending.function)?;
    }
    take_back(rc, first, staying)?;
    disk::wait_for_end_of_load(rc, END_BOUND)
}

fn one_loses_its_power(fork: &mut Fork) -> Result<()> {
    let Fork { rc, branches } = fork;
    let [first, second] = branches;
    let staying = offer_busy(rc, first, "first")?;
    let ending = offer_busy(rc, second, "second")?;
    second.ep.switch_off()?;
    second.wait_for_end(rc)?;
    disk::wait_for_end_of_load_on(rc, &ending.path, END_BOUND)?;
    disk::load_flows(rc, &staying.path)?;
    second.restart()?;
    let again = offer_busy(rc, second, "second")?;
    disk::load_flows(rc, &staying.path)?;
    take_back(rc, second, again)?;
    take_back(rc, first, staying)?;
    disk::wait_for_end_of_load(rc, END_BOUND)
}

/// Has an endpoint offer a disk that keeps data, and the RC use it under a name until it ends.
fn offer_busy(rc: &mut Guest, branch: &mut Branch, name: &str) -> Result<Offered> {
    let offered = offer(rc, branch, name)?;
    disk::verify(rc, &offered.path, Pattern::Random, 4)?;
    disk::start_load(rc, &offered.path)?;
    Ok(offered)
}

fn offer(rc: &mut Guest, branch: &mut Branch, name: &str) -> Result<Offered> {
    let function = DISK.create(&mut branch.ep)?;
    function.bind(&mut branch.ep)?;
    let address = branch.start_link(rc)?;
    let device = VdpaDevice::add(rc, name, &format!("pci/{address}"))?;
    Ok(Offered {
        path: device.disk(rc)?,
        function,
        device,
    })
}

fn take_back(rc: &mut Guest, branch: &mut Branch, disk: Offered) -> Result<()> {
    disk.device.delete(rc)?;
    endpoint::begin_stop(&mut branch.ep)?;
    branch.wait_for_end(rc)?;
    disk.function.unbind(&mut branch.ep)?;
    DISK.remove(&mut branch.ep, &disk.function)
}
