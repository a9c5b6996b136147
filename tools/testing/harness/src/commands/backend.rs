// SPDX-License-Identifier: GPL-2.0
//! Instances of the backends, in configfs of the device side (Documentation/ABI/testing).

use std::time::Duration;

use anyhow::Result;

use super::modules;
use crate::guest::Guest;

/// The directory of disks.
pub(super) const BLK: &str = "/sys/kernel/config/vhost_blk";
const NET: &str = "/sys/kernel/config/vhost_net";

/// Makes an instance that is served from a file or a block device.
pub(super) fn create_instance(guest: &mut Guest, directory: &str, path: &str) -> Result<()> {
    guest
        .sh(&format!(
            "mkdir {directory} && echo {path} >{directory}/backing_file"
        ))
        .map(drop)
}

/// Sets an attribute of an instance.
pub(super) fn set_attribute(
    guest: &mut Guest,
    directory: &str,
    attribute: &str,
    value: &str,
) -> Result<()> {
    guest
        .sh(&format!("echo {value} >{directory}/{attribute}"))
        .map(drop)
}

/// Where files behind disks are.
const USUAL: &str = "/tmp";

/// A disk that the device side serves from a file.
pub struct Disk {
    /// Name of the instance.
    pub name: &'static str,
    /// Size of the file.
    pub mib: u32,
}

impl Disk {
    /// The file behind the disk.
    pub fn file(&self) -> String {
        self.file_in(USUAL)
    }

    fn file_in(&self, place: &str) -> String {
        format!("{place}/{}.img", self.name)
    }

    /// The directory of the instance.
    pub fn directory(&self) -> String {
        format!("{BLK}/{}", self.name)
    }

    /// Makes the file and the instance.
    pub fn create(&self, guest: &mut Guest) -> Result<()> {
        self.create_in(guest, USUAL)
    }

    /// The same with a file elsewhere.
    pub fn create_in(&self, guest: &mut Guest, place: &str) -> Result<()> {
        modules::load(guest, &["vhost_bus_blk"])?;
        let (file, directory) = (self.file_in(place), self.directory());
        guest.sh(&format!("truncate -s {}M {file}", self.mib))?;
        create_instance(guest, &directory, &file)
    }

    /// Sets an attribute of the instance.
    pub fn set(&self, guest: &mut Guest, attribute: &str, value: &str) -> Result<()> {
        set_attribute(guest, &self.directory(), attribute, value)
    }

    /// Takes both away.
    pub fn remove(&self, guest: &mut Guest) -> Result<()> {
        self.remove_from(guest, USUAL)
    }

    /// The same with a file elsewhere.
    pub fn remove_from(&self, guest: &mut Guest, place: &str) -> Result<()> {
        let (file, directory) = (self.file_in(place), self.directory());
        guest
            .sh(&format!("rmdir {directory} && rm {file}"))
            .map(drop)
    }
}

/// A disk that the device side serves from one of its own, which keeps what was flushed also without power.
pub struct KeptDisk {
    /// Name of the instance.
    pub name: &'static str,
}

/// The only disk of a machine of `Model::EP_WITH_DISK`.
const OWN_DISK: &str = "/dev/vda";

/// For its driver to find it.
const OWN_DISK_BOUND: Duration = Duration::from_secs(20);

impl KeptDisk {
    /// Makes the instance.
    pub fn create(&self, guest: &mut Guest) -> Result<()> {
        modules::load(guest, &["virtio_blk", "vhost_bus_blk"])?;
        let directory = format!("{BLK}/{}", self.name);
        guest.wait_until(OWN_DISK_BOUND, &format!("[ -b {OWN_DISK} ]"))?;
        create_instance(guest, &directory, OWN_DISK)
    }

    /// Takes the instance away.
    pub fn remove(&self, guest: &mut Guest) -> Result<()> {
        guest.sh(&format!("rmdir {BLK}/{}", self.name)).map(drop)
    }
}

/// A network device of the device side that is joined to one of the driver side.
pub struct Nic {
    /// Name of the instance.
    pub name: &'static str,
    /// Hardware address that the driver side gets.
    pub mac: &'static str,
    /// Number of pairs of queues.
    pub queue_pairs: u16,
}

impl Nic {
    /// The directory of the instance.
    pub fn directory(&self) -> String {
        format!("{NET}/{}", self.name)
    }

    /// Makes the instance.
    pub fn create(&self, guest: &mut Guest) -> Result<()> {
        modules::load(guest, &["vhost_bus_net"])?;
        let directory = self.directory();
        guest.sh(&format!(
            "set -e; mkdir {directory}; echo {} >{directory}/mac
             echo {} >{directory}/queue_pairs",
            self.mac, self.queue_pairs
        ))?;
        Ok(())
    }

    /// Sets an attribute of the instance.
    pub fn set(&self, guest: &mut Guest, attribute: &str, value: &str) -> Result<()> {
        set_attribute(guest, &self.directory(), attribute, value)
    }

    /// The hardware address that the driver side has now.
    pub fn driver_mac(&self, guest: &mut Guest) -> Result<String> {
        guest.sh(&format!("cat {}/mac", self.directory()))
    }

    /// The network device of the device side.
    pub fn network_device(&self, guest: &mut Guest) -> Result<String> {
        guest.sh(&format!("cat {}/ifname", self.directory()))
    }

    /// Takes it away.
    pub fn remove(&self, guest: &mut Guest) -> Result<()> {
        guest.sh(&format!("rmdir {}", self.directory())).map(drop)
    }
}
