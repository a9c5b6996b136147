// SPDX-License-Identifier: GPL-2.0
//! A disk that the device side serves from a drive which takes its time: null_blk, by its directory in configfs.

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::backend::{self, BLK};
use super::modules;
use crate::guest::Guest;

const NULL_BLK: &str = "/sys/kernel/config/nullb";

/// A drive in memory.
pub struct Drive {
    /// Name of the drive and of the instance.
    pub name: &'static str,
    /// Size.
    pub mib: u32,
    /// How long each request takes, however many there are.
    pub latency: Duration,
}

impl Drive {
    /// The block device.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name)
    }

    /// The directory of the instance.
    pub fn directory(&self) -> String {
        format!("{BLK}/{}", self.name)
    }

    /// Makes the drive alone.
    pub fn create_alone(&self, guest: &mut Guest) -> Result<()> {
        guest
            .sh(&format!(
                "set -e; modprobe null_blk nr_devices=0; mkdir {NULL_BLK}/{name}; cd {NULL_BLK}/{name}
                 echo {} >size; echo 1 >memory_backed; echo 2 >irqmode; echo {} >completion_nsec; echo 1 >power",
                self.mib,
                self.latency.as_nanos(),
                name = self.name
            ))
            .map(drop)
    }

    /// Makes the drive and the instance.
    pub fn create(&self, guest: &mut Guest) -> Result<()> {
        modules::load(guest, &["vhost_bus_blk"])?;
        self.create_alone(guest)?;
        backend::create_instance(guest, &self.directory(), &self.path())
    }

    /// Sets an attribute of the instance.
    pub fn set(&self, guest: &mut Guest, attribute: &str, value: &str) -> Result<()> {
        backend::set_attribute(guest, &self.directory(), attribute, value)
    }

    /// Makes sectors bad, or good again.
    pub fn set_bad(&self, guest: &mut Guest, first: u64, last: u64, bad: bool) -> Result<()> {
        let sign = if bad { '+' } else { '-' };
        guest
            .sh(&format!(
                "echo {sign}{first}-{last} >{NULL_BLK}/{}/badblocks",
                self.name
            ))
            .map(drop)
    }

    /// How busy the drive has been.
    pub fn busy(&self, guest: &mut Guest) -> Result<Busy> {
        let text = guest.sh(&format!(
            "awk '{{ print $10, $11 }}' /sys/block/{}/stat",
            self.name
        ))?;
        let (busy, waited) = text.split_once(' ').context("no statistics of the drive")?;
        Ok(Busy {
            busy_ms: busy.parse()?,
            waited_ms: waited.parse()?,
        })
    }

    /// Takes the drive alone away.
    pub fn remove_alone(&self, guest: &mut Guest) -> Result<()> {
        guest
            .sh(&format!(
                "echo 0 >{NULL_BLK}/{name}/power && rmdir {NULL_BLK}/{name} && rmmod null_blk",
                name = self.name
            ))
            .map(drop)
    }

    /// Takes both away.
    pub fn remove(&self, guest: &mut Guest) -> Result<()> {
        guest.sh(&format!("rmdir {}", self.directory()))?;
        self.remove_alone(guest)
    }
}

/// What the statistics of a drive say (Documentation/block/stat.rst of the kernel).
pub struct Busy {
    /// For how long it had requests.
    busy_ms: u64,
    /// For how long its requests were there, all together.
    waited_ms: u64,
}

impl Busy {
    /// How many requests it had on the average when it had any.
    pub fn depth_since(&self, before: &Self) -> Result<f64> {
        let busy = self.busy_ms - before.busy_ms;
        ensure!(busy > 0, "the drive had no request");
        Ok((self.waited_ms - before.waited_ms) as f64 / busy as f64)
    }
}
