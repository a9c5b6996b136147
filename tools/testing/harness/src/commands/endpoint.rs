// SPDX-License-Identifier: GPL-2.0
//! Endpoint functions, in configfs of the EP (Documentation/PCI/endpoint/pci-endpoint-cfs.rst of
//! the kernel), and where they show up on the RC.

use std::ops::Deref;
use std::time::Duration;

use anyhow::{ensure, Result};

use super::{modules, slot};
use crate::guest::{Guest, Slot};
use crate::link::Link;

const CONFIGFS: &str = "/sys/kernel/config/pci_ep";

/// Module of the emulated controller's driver.
const CONTROLLER_MODULE: &str = "pcie_emulated_ep";

/// For the RC to find a function after the start of the link, or to let go of it after the stop.
/// Native hot plug takes 6 s by the specification.
const HOT_PLUG_BOUND: Duration = Duration::from_secs(30);

/// An endpoint function.
pub struct Function {
    /// Name of its driver.
    pub driver: &'static str,
    /// Its own name.
    pub name: &'static str,
}

impl Function {
    /// Makes a function and sets attributes, by paths relative to its directory.
    pub fn create(&self, ep: &mut Guest, attributes: &[(&str, &str)]) -> Result<()> {
        load_controller(ep)?;
        modules::load(ep, &[self.driver])?;
        let mut script = format!("set -e; mkdir {0}; cd {0}", self.directory());
        for (name, value) in attributes {
            script += &format!("; echo {value} >{name}");
        }
        ep.sh(&script).map(drop)
    }

    /// Binds it to the controller.
    pub fn bind(&self, ep: &mut Guest) -> Result<()> {
        let controller = controller(ep)?;
        ep.sh(&format!(
            "ln -s {} {controller}/{}",
            self.directory(),
            self.name
        ))
        .map(drop)
    }

    /// Undoes `bind`.
    pub fn unbind(&self, ep: &mut Guest) -> Result<()> {
        let controller = controller(ep)?;
        ep.sh(&format!("rm {controller}/{}", self.name)).map(drop)
    }

    /// Undoes `create`; the modules stay.
    pub fn remove(&self, ep: &mut Guest) -> Result<()> {
        ep.sh(&format!("rmdir {}", self.directory())).map(drop)
    }

    /// The directory of the function.
    pub fn directory(&self) -> String {
        format!("{CONFIGFS}/functions/{}/{}", self.driver, self.name)
    }
}

/// Types of virtio devices that a function can be.
#[derive(Clone, Copy, Debug)]
pub enum VirtioType {
    /// Network device.
    Net,
    /// Block device.
    Block,
}

impl VirtioType {
    /// As attribute `device` names it.
    fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Block => "blk",
        }
    }
}

/// A function that carries the vhost device of an instance.
pub struct VhostFunction {
    function: Function,
    virtio_type: VirtioType,
}

impl VhostFunction {
    /// A function for the backend's instance of the same name.
    pub fn new(virtio_type: VirtioType, instance: &'static str) -> Self {
        let function = Function {
            driver: "pci_epf_vhost",
            name: instance,
        };
        Self {
            function,
            virtio_type,
        }
    }

    /// Makes it, and says what it is and which instance serves it.
    pub fn create(&self, ep: &mut Guest) -> Result<()> {
        self.function.create(ep, &[])?;
        self.set(ep, "device", self.virtio_type.name())?;
        self.set(ep, "instance", self.function.name)
    }

    /// Sets an attribute of the virtio device.
    pub fn set(&self, ep: &mut Guest, attribute: &str, value: &str) -> Result<()> {
        self.in_group(ep, &format!("echo {value} >{attribute}"))
            .map(drop)
    }

    /// Returns an attribute of the virtio device.
    pub fn get(&self, ep: &mut Guest, attribute: &str) -> Result<String> {
        self.in_group(ep, &format!("cat {attribute}"))
    }

    fn in_group(&self, ep: &mut Guest, script: &str) -> Result<String> {
        let directory = self.function.directory();
        ep.sh(&format!("cd {directory}/pci_epf_vhost.* && {script}"))
    }
}

impl Deref for VhostFunction {
    type Target = Function;

    fn deref(&self) -> &Function {
        &self.function
    }
}

/// Loads the driver of the controller.
pub fn load_controller(ep: &mut Guest) -> Result<()> {
    modules::load(ep, &[CONTROLLER_MODULE])
}

/// Unloads the driver of the controller. The framework holds the module as long as there is a
/// controller, so that is unbound first.
pub fn unload_controller(ep: &mut Guest) -> Result<()> {
    ep.sh(&format!(
        "cd /sys/bus/pci/drivers/{CONTROLLER_MODULE} && echo 0000:* >unbind"
    ))?;
    modules::unload(ep, &[CONTROLLER_MODULE])
}

/// The directory of the only controller.
fn controller(ep: &mut Guest) -> Result<String> {
    let found = ep.sh(&format!("ls -d {CONFIGFS}/controllers/*"))?;
    ensure!(
        found.lines().count() == 1,
        "expected one controller, found '{found}'"
    );
    Ok(found)
}

/// Starts the link, and returns the RC's address of the function once it is there.
pub fn start(link: &mut Link) -> Result<String> {
    begin_start(&mut link.ep)?;
    wait_for_function(link)
}

/// Starts the link, and does not wait for the RC.
pub fn begin_start(ep: &mut Guest) -> Result<()> {
    let controller = controller(ep)?;
    ep.sh(&format!("echo 1 >{controller}/start")).map(drop)
}

/// Waits for a function that is to come, and returns the RC's address of it.
pub fn wait_for_function(link: &mut Link) -> Result<String> {
    if link.rc.slot() == Slot::Manual {
        slot::insert(&mut link.rc, HOT_PLUG_BOUND)?;
    }
    let address = address(PORT, 0);
    wait_for(&mut link.rc, &address)?;
    Ok(address)
}

/// Starts the link with several functions, and returns the RC's addresses of them once they are there.
pub fn start_all(link: &mut Link, functions: u8) -> Result<Vec<String>> {
    start(link)?;
    let expected: Vec<_> = (0..functions)
        .map(|function| address(PORT, function))
        .collect();
    for address in &expected {
        wait_for(&mut link.rc, address)?;
    }
    let behind = behind(PORT);
    let found = link.rc.sh(&format!("cd {DEVICES} && ls -d {behind}"))?;
    ensure!(
        found.lines().eq(expected.iter()),
        "expected {expected:?}, the RC has {found:?}"
    );
    Ok(expected)
}

/// Waits until the RC has a function, by its address.
pub fn wait_for(rc: &mut Guest, address: &str) -> Result<()> {
    rc.wait_until(HOT_PLUG_BOUND, &format!("[ -d {DEVICES}/{address} ]"))
}

/// Stops the link, and waits until the RC let go of all functions.
pub fn stop(link: &mut Link) -> Result<()> {
    begin_stop(&mut link.ep)?;
    finish_stop(link)
}

/// Stops the link, and does not wait for the RC.
pub fn begin_stop(ep: &mut Guest) -> Result<()> {
    let controller = controller(ep)?;
    ep.sh(&format!("echo 0 >{controller}/start")).map(drop)
}

/// Waits until the RC let go of all functions. Where it does not by itself, its user does.
pub fn finish_stop(link: &mut Link) -> Result<()> {
    if link.rc.slot() == Slot::Manual {
        slot::eject(&mut link.rc, &format!("{DEVICES}/{}", address(PORT, 0)))?;
    }
    wait_for_end(&mut link.rc, PORT)
}

/// Waits until the RC has nothing behind a root port.
pub fn wait_for_end(rc: &mut Guest, port: u8) -> Result<()> {
    let behind = behind(port);
    rc.wait_until(
        HOT_PLUG_BOUND,
        &format!("! ls -d {DEVICES}/{behind} >/dev/null 2>&1"),
    )
}

/// The RC's address of a function behind a root port; ports count from 1, in the order of their buses.
pub fn address(port: u8, function: u8) -> String {
    format!("0000:{port:02x}:00.{function}")
}

/// All functions behind a root port.
fn behind(port: u8) -> String {
    format!("0000:{port:02x}:00.*")
}

const DEVICES: &str = "/sys/bus/pci/devices";

/// The root port of an RC that has one.
const PORT: u8 = 1;
