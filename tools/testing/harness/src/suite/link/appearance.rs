// SPDX-License-Identifier: GPL-2.0
//! vDPA devices that appear by themselves when their function does, and device nodes for hypervisors.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::DISK;
use crate::commands::{endpoint, modules, vhost_vdpa};
use crate::guest::Guest;
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::workload::disk::{self, Pattern};

/// From the arrival of a function to its disk or device node.
const APPEARANCE_BOUND: Duration = Duration::from_secs(30);

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
         for program in chgrp chmod mkdir ln rm; do ln -sf busybox /usr/bin/$program; done
         mkdir -p /run/udev/rules.d
         cat >/run/udev/rules.d/70-epf-vdpa.rules <<'RULES'\n{RULES}RULES
         /usr/lib/systemd/systemd-udevd --daemon
         udevadm control --ping"
    ))
    .map(drop)
}

fn stop_udev(rc: &mut Guest) -> Result<()> {
    rc.sh("udevadm control --exit && rm -r /run/udev /dev/vhost-vdpa")
        .map(drop)
}
