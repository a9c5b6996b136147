// SPDX-License-Identifier: GPL-2.0
//! The vDPA device on the driver side, by the `vdpa` tool of iproute2.

use std::time::Duration;

use anyhow::{ensure, Context, Result};
use serde_json::Value;

use super::modules;
use crate::guest::Guest;

/// From the arrival of a function on the RC to its management device, and from the addition of a
/// device to the disk or network device of its virtio driver.
pub(super) const PROBE_BOUND: Duration = Duration::from_secs(20);

/// Drivers that make disks and network devices of vDPA devices.
const DRIVERS: [&str; 3] = ["virtio_vdpa", "virtio_blk", "virtio_net"];

/// Loads the drivers of vDPA devices, which udev does on a machine that has it.
pub fn load_drivers(guest: &mut Guest) -> Result<()> {
    modules::load(guest, &DRIVERS)
}

/// What `vdpa mgmtdev show` says about a management device.
pub fn management(guest: &mut Guest, mgmtdev: &str) -> Result<Value> {
    let mut value = json(guest, &format!("mgmtdev show {mgmtdev}"))?;
    Ok(value["mgmtdev"][mgmtdev].take())
}

/// A vDPA device, whoever drives it.
pub trait RcDevice: Sized {
    /// Adds a device to a management device, e.g. "pci/0000:01:00.0", with attributes, e.g. "mtu 1400".
    fn add_with(guest: &mut Guest, name: &str, mgmtdev: &str, attributes: &str) -> Result<Self>;

    /// Adds a device as it is.
    fn add(guest: &mut Guest, name: &str, mgmtdev: &str) -> Result<Self> {
        Self::add_with(guest, name, mgmtdev, "")
    }

    /// Its name.
    fn name(&self) -> &str;

    /// Deletes it.
    fn delete(self, guest: &mut Guest) -> Result<()> {
        guest.sh(&format!("vdpa dev del {}", self.name())).map(drop)
    }
}

/// A vDPA device that virtio_vdpa drives.
pub struct VdpaDevice {
    name: String,
    /// Name of the virtio device made of it. Where that is in sysfs depends on whether the vDPA
    /// device has a memory map of its own, so it is known by being new.
    virtio: String,
}

const VIRTIO_DEVICES: &str = "/sys/bus/virtio/devices";

impl RcDevice for VdpaDevice {
    fn add_with(guest: &mut Guest, name: &str, mgmtdev: &str, attributes: &str) -> Result<Self> {
        let listings = guest.sh_within(
            PROBE_BOUND,
            &format!(
                "until vdpa mgmtdev show {mgmtdev} >/dev/null 2>&1; do sleep 0.05; done
                 ls {VIRTIO_DEVICES}; echo --
                 vdpa dev add name {name} mgmtdev {mgmtdev} {attributes} && ls {VIRTIO_DEVICES}"
            ),
        )?;
        let (before, after) = listings.split_once("--").unwrap_or_default();
        let is_new = |found: &&str| !before.lines().any(|old| old == *found);
        let virtio = after.trim().lines().find(is_new);
        Ok(Self {
            name: name.to_owned(),
            virtio: virtio
                .with_context(|| format!("no virtio device was made of {name}"))?
                .to_owned(),
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl VdpaDevice {
    /// Waits for its disk, and returns the path.
    pub fn disk(&self, guest: &mut Guest) -> Result<String> {
        Ok(format!("/dev/{}", self.child(guest, "block")?))
    }

    /// Waits for its network device, and returns the name.
    pub fn network_device(&self, guest: &mut Guest) -> Result<String> {
        self.child(guest, "net")
    }

    /// What `vdpa dev show` says about it.
    pub fn shown(&self, guest: &mut Guest) -> Result<Value> {
        let mut value = json(guest, &format!("dev show {}", self.name))?;
        Ok(value["dev"][&self.name].take())
    }

    /// What `vdpa dev config show` says about it.
    pub fn config(&self, guest: &mut Guest) -> Result<Value> {
        let mut value = json(guest, &format!("dev config show {}", self.name))?;
        Ok(value["config"][&self.name].take())
    }

    /// The features that its driver negotiated.
    pub fn features(&self, guest: &mut Guest) -> Result<u64> {
        let bits = guest.sh(&format!("cat {VIRTIO_DEVICES}/{}/features", self.virtio))?;
        // The lowest one comes first.
        let bits: String = bits.chars().rev().collect();
        u64::from_str_radix(&bits, 2).with_context(|| format!("features are {bits}"))
    }

    /// Gives a network device another address.
    pub fn set_mac(&self, guest: &mut Guest, mac: &str) -> Result<()> {
        guest
            .sh(&format!("vdpa-client set-mac {} {mac}", self.name))
            .map(drop)
    }

    /// Takes the virtio driver away, does something, and brings the driver back.
    pub fn without_driver(
        &self,
        guest: &mut Guest,
        run: impl FnOnce(&mut Guest) -> Result<()>,
    ) -> Result<()> {
        let virtio = &self.virtio;
        let driver = guest.sh(&format!("readlink -f {VIRTIO_DEVICES}/{virtio}/driver"))?;
        guest.sh(&format!("echo {virtio} >{driver}/unbind"))?;
        run(guest)?;
        guest
            .sh_within(PROBE_BOUND, &format!("echo {virtio} >{driver}/bind"))
            .map(drop)
    }

    /// What was counted on the two queues of a network device of one pair that has carried data, in
    /// words.
    pub fn traffic(&self, guest: &mut Guest) -> Result<String> {
        let mut told = Vec::new();
        for queue in [0, 1] {
            let [kicks, callbacks] = self.counts(guest, queue)?;
            ensure!(
                kicks > 0 && callbacks > 0,
                "queue {queue}: expected that both are counted, got {kicks} kicks and {callbacks} callbacks"
            );
            told.push(format!(
                "queue {queue}: {kicks} kicks, {callbacks} callbacks"
            ));
        }
        guest.sh_fails(&format!("vdpa dev vstats show {} qidx 3", self.name))?;
        Ok(told.join("; "))
    }

    /// Kicks and callbacks of a queue of a network device.
    pub fn counts(&self, guest: &mut Guest, queue: u16) -> Result<[u64; 2]> {
        let name = &self.name;
        let value = json(guest, &format!("dev vstats show {name} qidx {queue}"))?;
        let count = |what: &str| {
            let count = value["vstats"][name][what].as_u64();
            count.with_context(|| format!("no number of {what} in {value}"))
        };
        Ok([count("kicks")?, count("callbacks")?])
    }

    fn child(&self, guest: &mut Guest, class: &str) -> Result<String> {
        let directory = format!("{VIRTIO_DEVICES}/{}/{class}", self.virtio);
        let script = format!("until [ -d {directory} ]; do sleep 0.05; done; ls {directory}");
        let found = guest.sh_within(PROBE_BOUND, &script)?;
        ensure!(
            found.lines().count() == 1,
            "expected one {class} device, found '{found}'"
        );
        Ok(found)
    }
}

/// What the `vdpa` tool answers to a command.
fn json(guest: &mut Guest, command: &str) -> Result<Value> {
    let text = guest.sh(&format!("vdpa -j {command}"))?;
    serde_json::from_str(&text).context("vdpa printed no JSON")
}
