// SPDX-License-Identifier: GPL-2.0
//! vDPA devices that appear by themselves when their function does, or their endpoint comes back, and device nodes for
//! hypervisors.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use epc_emulator::link::BusError;

use super::DISK;
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::commands::{endpoint, modules, vhost_vdpa};
use crate::guest::Guest;
use crate::interrupt::wait_for;
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::workload::disk::{self, Pattern};

/// From the arrival of a function to its disk or device node.
const APPEARANCE_BOUND: Duration = Duration::from_secs(30);

/// What the RC's kernel says when a lost endpoint is there again.
const BACK: &str = "Endpoint can be had back";

/// The rules that `make udev_install` installs.
const RULES: &str = include_str!("../../../../../udev/70-epf-vdpa.rules");

pub fn cases() -> Vec<Case<Link>> {
    vec![
        Case {
            name: "module_adds_devices",
            about: "with auto_add the disk is there once its function is, and goes with it",
            run: module_adds_devices,
        },
        Case {
            name: "udev_adds_devices",
            about: "udev's rules do the same, and let the group kvm have the node of vhost_vdpa",
            run: udev_adds_devices,
        },
        Case {
            name: "udev_revives_devices",
            about: "a disk whose endpoint was frozen, reset, or behind a failed bus is back without a command",
            run: udev_revives_devices,
        },
        Case {
            name: "udev_leaves_other_devices",
            about: "what has another name, or belongs to a process, is its user's when the endpoint is back",
            run: udev_leaves_other_devices,
        },
    ]
}

fn module_adds_devices(link: &mut Link, _: &mut Record) -> Result<()> {
    modules::unload(&mut link.rc, &["epf_vdpa"])?;
    modules::load_epf_vdpa_with(&mut link.rc, "auto_add=1")?;
    with_function(link, |link, device| {
        disk_is_there(&mut link.rc)?;
        // As if it had been added by hand.
        link.rc.sh(&format!("vdpa dev del {device}")).map(drop)
    })?;
    with_function(link, |link, _| disk_is_there(&mut link.rc))?;
    modules::unload(&mut link.rc, &["epf_vdpa"])?;
    modules::load_epf_vdpa(&mut link.rc)
}

fn udev_adds_devices(link: &mut Link, _: &mut Record) -> Result<()> {
    start_udev(&mut link.rc)?;
    with_function(link, |link, _| disk_is_there(&mut link.rc))?;
    vhost_vdpa::load_driver(&mut link.rc)?;
    with_function(link, |link, device| {
        disk_is_there(&mut link.rc)?;
        vhost_vdpa::take_over(&mut link.rc, device)?;
        let node = format!("/dev/vhost-vdpa/{device}");
        let rc = &mut link.rc;
        rc.wait_until(APPEARANCE_BOUND, &format!("[ -c {node} ]"))?;
        let owner = rc.sh(&format!("stat -L -c '%U %G %a' {node}"))?;
        ensure!(
            owner == "root kvm 660",
            "expected 'root kvm 660', {node} is '{owner}'"
        );
        rc.sh(&format!("vdpa dev del {device}"))?;
        rc.wait_until(APPEARANCE_BOUND, &format!("[ ! -L {node} ]"))
    })?;
    stop_udev(&mut link.rc)?;
    modules::unload(&mut link.rc, &["vhost_vdpa"])
}

fn udev_revives_devices(link: &mut Link, record: &mut Record) -> Result<()> {
    start_udev(&mut link.rc)?;
    with_function(link, |link, device| {
        disk_is_there(&mut link.rc)?;
        let frozen = is_revived(link, |link| {
            link.ep.freeze()?;
            is_lost(&mut link.rc, "Silent")?;
            link.ep.thaw()
        })?;
        let reset = is_revived(link, |link| {
            link.rc.sh(&reset(device))?;
            is_lost(&mut link.rc, "FunctionReset")
        })?;
        let failed = is_revived(link, |link| {
            link.report(BusError::Fatal)?;
            is_lost(&mut link.rc, "BusError")
        })?;
        record.note(format!(
            "back after {frozen:.1?} when the EP goes on, {reset:.1?} after a reset, {failed:.1?} after a failure of the bus"
        ));
        link.rc.sh(&format!("vdpa dev del {device}")).map(drop)
    })?;
    stop_udev(&mut link.rc)
}

/// Has an endpoint be lost and come back, and returns after what time the disk was a new one.
fn is_revived(link: &mut Link, happens: impl FnOnce(&mut Link) -> Result<()>) -> Result<Duration> {
    let number = "cat /sys/block/vda/diskseq 2>/dev/null";
    let old = link.rc.sh(number)?;
    let told = link.rc.count_messages(BACK)?;
    happens(link)?;
    let happened = Instant::now();
    let is_new = format!("new=$({number}) && [ $new != {old} ]");
    link.rc.wait_until(APPEARANCE_BOUND, &is_new)?;
    let after = happened.elapsed();
    disk_is_there(&mut link.rc)?;
    let told = link.rc.count_messages(BACK)? - told;
    ensure!(told == 1, "expected to be told once, not {told} times");
    Ok(after)
}

fn udev_leaves_other_devices(link: &mut Link, _: &mut Record) -> Result<()> {
    start_udev(&mut link.rc)?;
    vhost_vdpa::load_driver(&mut link.rc)?;
    with_function(link, |link, device| {
        disk_is_there(&mut link.rc)?;
        vhost_vdpa::take_over(&mut link.rc, device)?;
        stays(link, device, device)?;
        link.rc.sh(&format!("vdpa dev del {device}"))?;
        let management = device.replace("vdpa-", "pci/");
        let other = VdpaDevice::add(&mut link.rc, "other", &management)?;
        other.disk(&mut link.rc)?;
        stays(link, device, other.name())?;
        other.delete(&mut link.rc)
    })?;
    stop_udev(&mut link.rc)?;
    modules::unload(&mut link.rc, &["vhost_vdpa"])
}

/// Resets the function of `device`, and sees that `name` is the same vDPA device when udev is through with it.
fn stays(link: &mut Link, device: &str, name: &str) -> Result<()> {
    let rc = &mut link.rc;
    let identity = format!("stat -L -c %i /sys/bus/vdpa/devices/{name}");
    let before = rc.sh(&identity)?;
    let told = rc.count_messages(BACK)?;
    rc.sh(&reset(device))?;
    wait_for("word of the endpoint", APPEARANCE_BOUND, || {
        Ok((rc.count_messages(BACK)? > told).then_some(()))
    })?;
    let after = rc.sh(&format!("udevadm settle && {identity}"))?;
    ensure!(
        after == before,
        "expected that {name} stays, it is another device"
    );
    Ok(())
}

/// Command that resets the function of a device that udev named.
fn reset(device: &str) -> String {
    let address = device.trim_start_matches("vdpa-");
    format!("echo 1 >/sys/bus/pci/devices/{address}/reset")
}

fn is_lost(rc: &mut Guest, why: &str) -> Result<()> {
    rc.wait_for_message(APPEARANCE_BOUND, &format!("Endpoint lost ({why})"))
}

/// Starts a function that offers the disk, does something with what is to be its vDPA device, and takes the
/// function away.
fn with_function(link: &mut Link, run: impl FnOnce(&mut Link, &str) -> Result<()>) -> Result<()> {
    let function = DISK.create(&mut link.ep)?;
    function.bind(&mut link.ep)?;
    let device = format!("vdpa-{}", endpoint::start(link)?);
    run(link, &device)?;
    endpoint::stop(link)?;
    function.unbind(&mut link.ep)?;
    DISK.remove(&mut link.ep, &function)
}

fn disk_is_there(rc: &mut Guest) -> Result<()> {
    rc.wait_until(APPEARANCE_BOUND, "[ -b /dev/vda ]")?;
    disk::verify(rc, "/dev/vda", Pattern::Random, 4).map(drop)
}

/// Starts udev with the rules. It looks for programs where a machine other than this one has them.
fn start_udev(rc: &mut Guest) -> Result<()> {
    rc.sh(&format!(
        "set -e
         for program in chgrp chmod grep mkdir ln rm; do ln -sf busybox /usr/bin/$program; done
         mkdir -p /run/udev/rules.d
         cat >/run/udev/rules.d/70-epf-vdpa.rules <<'RULES'\n{RULES}RULES
         /usr/lib/systemd/systemd-udevd --daemon
         udevadm control --ping"
    ))
    .map(drop)
}

fn stop_udev(rc: &mut Guest) -> Result<()> {
    rc.sh("udevadm control --exit && rm -r /run/udev && rm -rf /dev/vhost-vdpa")
        .map(drop)
}
