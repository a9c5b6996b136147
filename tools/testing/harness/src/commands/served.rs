// SPDX-License-Identifier: GPL-2.0
//! A virtio device all the way: from its instance on the EP to the vDPA device on the RC.

use anyhow::{bail, Result};

use super::backend::{Disk, KeptDisk, Nic};
use super::drive::Drive;
use super::endpoint::{self, VhostFunction, VirtioType};
use super::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::link::Link;
use crate::workload::network::Node;

/// Name of the vDPA device; there is one at a time.
const VDPA_NAME: &str = "vdpa0";

/// What the EP serves.
#[derive(Clone, Copy)]
pub enum Instance {
    /// A disk.
    Disk(&'static Disk),
    /// A disk of a machine that has one itself.
    Kept(&'static KeptDisk),
    /// A disk on a drive that takes its time.
    Drive(&'static Drive),
    /// A network device.
    Nic(&'static Nic),
}

impl Instance {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk(disk) => disk.name,
            Self::Kept(disk) => disk.name,
            Self::Drive(drive) => drive.name,
            Self::Nic(nic) => nic.name,
        }
    }

    /// What it is.
    pub fn virtio_type(self) -> VirtioType {
        match self {
            Self::Disk(_) | Self::Kept(_) | Self::Drive(_) => VirtioType::Block,
            Self::Nic(_) => VirtioType::Net,
        }
    }

    /// Makes the instance alone.
    pub fn create_alone(self, guest: &mut Guest) -> Result<()> {
        match self {
            Self::Disk(disk) => disk.create(guest),
            Self::Kept(disk) => disk.create(guest),
            Self::Drive(drive) => drive.create(guest),
            Self::Nic(nic) => nic.create(guest),
        }
    }

    /// Undoes `create_alone`.
    pub fn remove_alone(self, guest: &mut Guest) -> Result<()> {
        match self {
            Self::Disk(disk) => disk.remove(guest),
            Self::Kept(disk) => disk.remove(guest),
            Self::Drive(drive) => drive.remove(guest),
            Self::Nic(nic) => nic.remove(guest),
        }
    }

    /// Makes the instance, and the function that it is offered by.
    pub fn create(self, ep: &mut Guest) -> Result<VhostFunction> {
        self.create_alone(ep)?;
        let function = VhostFunction::new(self.virtio_type(), self.name());
        function.create(ep)?;
        Ok(function)
    }

    /// Takes both away.
    pub fn remove(self, ep: &mut Guest, function: &VhostFunction) -> Result<()> {
        function.remove(ep)?;
        self.remove_alone(ep)
    }
}

/// A device that a virtio driver of the RC uses.
pub type Served = ServedTo<VdpaDevice>;

/// A device that the RC uses, with what drives it there.
pub struct ServedTo<D> {
    /// The function on the EP.
    pub function: VhostFunction,
    /// The address of the function on the RC.
    pub address: String,
    /// The device on the RC.
    pub vdpa: D,
    instance: Instance,
}

impl<D: RcDevice> ServedTo<D> {
    /// Brings a device up.
    pub fn start(link: &mut Link, instance: Instance) -> Result<Self> {
        Self::start_with(link, instance, &[])
    }

    /// Brings a device up whose function has some attributes other than by default, besides those of the link.
    pub fn start_with(
        link: &mut Link,
        instance: Instance,
        attributes: &[(&str, &str)],
    ) -> Result<Self> {
        let function = instance.create(&mut link.ep)?;
        for (attribute, value) in attributes {
            function.set(&mut link.ep, attribute, value)?;
        }
        Self::bind(link, instance, function)
    }

    /// Brings a device up whose instance and function are made.
    pub fn bind(link: &mut Link, instance: Instance, function: VhostFunction) -> Result<Self> {
        for (attribute, value) in link.attributes {
            function.set(&mut link.ep, attribute, value)?;
        }
        function.bind(&mut link.ep)?;
        let address = endpoint::start(link)?;
        let vdpa = D::add(&mut link.rc, VDPA_NAME, &format!("pci/{address}"))?;
        Ok(Self {
            function,
            address,
            vdpa,
            instance,
        })
    }

    /// Deletes the vDPA device and adds it again.
    pub fn replace_vdpa(self, link: &mut Link) -> Result<Self> {
        self.vdpa.delete(&mut link.rc)?;
        let management = format!("pci/{}", self.address);
        let vdpa = D::add(&mut link.rc, VDPA_NAME, &management)?;
        Ok(Self { vdpa, ..self })
    }

    /// Takes it down in the order in which a careful user does.
    pub fn stop(self, link: &mut Link) -> Result<()> {
        self.vdpa.delete(&mut link.rc)?;
        endpoint::begin_stop(&mut link.ep)?;
        clean_up(link, &self.function, self.instance)
    }

    /// Takes down what is left of it once the link was stopped.
    pub fn clean_up(self, link: &mut Link) -> Result<()> {
        clean_up(link, &self.function, self.instance)
    }
}

fn clean_up(link: &mut Link, function: &VhostFunction, instance: Instance) -> Result<()> {
    endpoint::finish_stop(link)?;
    function.unbind(&mut link.ep)?;
    instance.remove(&mut link.ep, function)
}

impl Served {
    /// The two ends of the link that a network device is: that on the RC, then that on the EP.
    pub fn nodes(&self, link: &mut Link) -> Result<[Node; 2]> {
        let Instance::Nic(nic) = self.instance else {
            bail!("a disk has no network device");
        };
        let node = |device, address| Node {
            namespace: "",
            device,
            address,
        };
        Ok([
            node(self.vdpa.network_device(&mut link.rc)?, "10.7.0.1"),
            node(nic.network_device(&mut link.ep)?, "10.7.0.2"),
        ])
    }
}
