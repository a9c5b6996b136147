// SPDX-License-Identifier: GPL-2.0
//! A disk of the kernel's own NVMe function: `nvmet_pci_epf` on the EP, `nvme` on the RC
//! (Documentation/nvme/nvme-pci-endpoint-target.rst of the kernel).

use std::time::Duration;

use anyhow::{ensure, Result};

use super::endpoint::{self, Function};
use super::modules;
use crate::guest::Guest;
use crate::link::Link;

/// Model that the subsystem tells of itself.
pub const MODEL: &str = "Linux-pci-epf";

const FUNCTION: Function = Function {
    driver: "nvmet_pci_epf",
    name: "nvme",
};

/// The function as the kernel's document has it.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("deviceid", "0xbeef"),
    ("msix_interrupts", "32"),
    ("nvme/portid", "1"),
    ("nvme/subsysnqn", "nvmepf.0.nqn"),
];

const SUBSYSTEM: &str = "/sys/kernel/config/nvmet/subsystems/nvmepf.0.nqn";
const PORT: &str = "/sys/kernel/config/nvmet/ports/1";

/// The file behind the namespace.
const FILE: &str = "/tmp/nvme.img";

/// From the arrival of the function to its namespace: the controller is enabled, queues are made.
const PROBE_BOUND: Duration = Duration::from_secs(60);

/// A disk that the RC uses.
pub struct NvmeDisk {
    /// Where the function is on the RC.
    pub address: String,
    /// Its device node.
    pub path: String,
}

impl NvmeDisk {
    /// Makes target and function, starts the link, and waits for the disk.
    pub fn start(link: &mut Link, mib: u32) -> Result<Self> {
        modules::load(&mut link.ep, &[FUNCTION.driver])?;
        create_target(&mut link.ep, mib)?;
        FUNCTION.create(&mut link.ep, ATTRIBUTES)?;
        FUNCTION.bind(&mut link.ep)?;
        Self::attach(link)
    }

    /// Starts the link, and waits for the disk.
    pub fn attach(link: &mut Link) -> Result<Self> {
        let address = endpoint::start(link)?;
        let found = link.rc.sh_within(
            PROBE_BOUND,
            "until ls /sys/block | grep '^nvme[0-9]*n[0-9]*$'; do sleep 0.05; done",
        )?;
        ensure!(
            found.lines().count() == 1,
            "expected one namespace, found '{found}'"
        );
        Ok(Self {
            address,
            path: format!("/dev/{found}"),
        })
    }

    /// Takes the disk from its driver, which shuts the controller down, then all else away.
    pub fn stop(self, link: &mut Link) -> Result<()> {
        link.rc.sh_within(
            PROBE_BOUND,
            &format!("echo {} >/sys/bus/pci/drivers/nvme/unbind", self.address),
        )?;
        endpoint::stop(link)?;
        FUNCTION.unbind(&mut link.ep)?;
        FUNCTION.remove(&mut link.ep)?;
        remove_target(&mut link.ep)
    }
}

fn create_target(ep: &mut Guest, mib: u32) -> Result<()> {
    ep.sh(&format!(
        "set -e
         truncate -s {mib}M {FILE}
         mkdir {SUBSYSTEM}
         cd {SUBSYSTEM}
         echo -n {MODEL} >attr_model
         echo 0x1b96 >attr_vendor_id
         echo 0x1b96 >attr_subsys_vendor_id
         echo 1 >attr_allow_any_host
         echo 4 >attr_qid_max
         mkdir namespaces/1
         echo -n {FILE} >namespaces/1/device_path
         echo 1 >namespaces/1/enable
         mkdir {PORT}
         echo -n pci >{PORT}/addr_trtype
         ln -s {SUBSYSTEM} {PORT}/subsystems/"
    ))
    .map(drop)
}

fn remove_target(ep: &mut Guest) -> Result<()> {
    ep.sh(&format!(
        "set -e
         rm {PORT}/subsystems/*
         rmdir {PORT} {SUBSYSTEM}/namespaces/1 {SUBSYSTEM}
         rm {FILE}"
    ))
    .map(drop)
}
