// SPDX-License-Identifier: GPL-2.0
//! A vDPA device that a process drives itself, through vhost_vdpa.

use anyhow::{ensure, Result};

use super::vdpa::{RcDevice, PROBE_BOUND};
use crate::guest::Guest;

/// Pieces of physical memory that a process may map: 64 MiB of single pages are more than the
/// 2048 that vhost_vdpa allows unless told otherwise.
const MAX_PIECES: u32 = 1 << 16;

const DEVICES: &str = "/sys/bus/vdpa/devices";

/// Loads the driver.
pub fn load_driver(guest: &mut Guest) -> Result<()> {
    guest
        .sh(&format!(
            "modprobe vhost_vdpa max_iotlb_entries={MAX_PIECES}"
        ))
        .map(drop)
}

/// Gives shared memory of processes, of which libblkio makes its buffers, in huge pages: 64 MiB are otherwise more
/// mappings than an endpoint holds, and more pieces than the window of the emulator.
pub fn use_huge_pages(guest: &mut Guest) -> Result<()> {
    guest
        .sh("echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled")
        .map(drop)
}

/// Takes a device from virtio_vdpa, and gives it to vhost_vdpa.
pub fn take_over(guest: &mut Guest, name: &str) -> Result<()> {
    guest
        .sh(&format!(
            "set -e
             echo {name} >/sys/bus/vdpa/drivers/virtio_vdpa/unbind
             echo vhost_vdpa >{DEVICES}/{name}/driver_override
             echo {name} >/sys/bus/vdpa/drivers/vhost_vdpa/bind"
        ))
        .map(drop)
}

/// A vDPA device that vhost_vdpa drives.
pub struct VhostVdpa {
    name: String,
    /// Its device node.
    pub node: String,
}

impl RcDevice for VhostVdpa {
    /// Adds the device, and gives it to vhost_vdpa instead of virtio_vdpa.
    fn add_with(guest: &mut Guest, name: &str, mgmtdev: &str, attributes: &str) -> Result<Self> {
        guest.sh_within(
            PROBE_BOUND,
            &format!(
                "set -e
                 until vdpa mgmtdev show {mgmtdev} >/dev/null 2>&1; do sleep 0.05; done
                 echo 0 >/sys/bus/vdpa/drivers_autoprobe
                 vdpa dev add name {name} mgmtdev {mgmtdev} {attributes}
                 echo 1 >/sys/bus/vdpa/drivers_autoprobe
                 echo vhost_vdpa >{DEVICES}/{name}/driver_override
                 echo {name} >/sys/bus/vdpa/drivers/vhost_vdpa/bind"
            ),
        )?;
        Ok(Self {
            name: name.to_owned(),
            node: node(guest, name)?,
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl VhostVdpa {
    /// Gives the device, which is a disk, to virtio_vdpa, does something with the disk, and takes it back.
    pub fn lend_to_kernel(
        &mut self,
        guest: &mut Guest,
        run: impl FnOnce(&mut Guest, &str) -> Result<()>,
    ) -> Result<()> {
        self.move_to(guest, "virtio_vdpa")?;
        let disk = guest.sh_within(
            PROBE_BOUND,
            "until ls /sys/block | grep '^vd'; do sleep 0.05; done",
        )?;
        run(guest, &format!("/dev/{disk}"))?;
        self.move_to(guest, "vhost_vdpa")?;
        self.node = node(guest, &self.name)?;
        Ok(())
    }

    fn move_to(&self, guest: &mut Guest, driver: &str) -> Result<()> {
        let name = &self.name;
        let script = format!(
            "set -e
             echo {name} >{DEVICES}/{name}/driver/unbind
             echo {driver} >{DEVICES}/{name}/driver_override
             echo {name} >/sys/bus/vdpa/drivers/{driver}/bind"
        );
        guest.sh_within(PROBE_BOUND, &script).map(drop)
    }
}

/// Returns the device node of a device that vhost_vdpa has.
fn node(guest: &mut Guest, name: &str) -> Result<String> {
    let found = guest.sh(&format!("ls {DEVICES}/{name} | grep vhost-vdpa-"))?;
    ensure!(
        found.lines().count() == 1,
        "expected one device node, found '{found}'"
    );
    Ok(format!("/dev/{found}"))
}
