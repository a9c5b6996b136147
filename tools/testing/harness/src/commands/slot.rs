// SPDX-License-Identifier: GPL-2.0
//! The slot of an RC whose kernel has no hot plug: its user switches the power of the slot, and has the kernel
//! look at the bus.
//!
//! The registers are those of the only root port (PCI Express Base Specification, "Slot Control Register" and
//! "Slot Status Register").

use std::time::Duration;

use anyhow::Result;

use crate::guest::Guest;

/// Slot Control: power controller (bit 10: off) and power indicator (bits 9:8: 1 on, 3 off).
const CONTROL: &str = "setpci -d ::0604 CAP_EXP+18.w";
const ON: &str = "0100:0700";
const OFF: &str = "0700:0700";

/// Slot Status, of which bit 6 says that something is in.
const STATUS: &str = "setpci -d ::0604 CAP_EXP+1a.w";
const PRESENT: &str = "0x40";

/// Waits until something is in the slot, switches the power on, and has the kernel find it.
pub fn insert(rc: &mut Guest, bound: Duration) -> Result<()> {
    rc.wait_until(bound, &format!("[ $((0x$({STATUS}) & {PRESENT})) -ne 0 ]"))?;
    rc.sh(&format!("{CONTROL}={ON} && echo 1 >/sys/bus/pci/rescan"))
        .map(drop)
}

/// Has the kernel let go of the function at this place in sysfs, if there is one, and switches the power off.
/// QEMU takes out what has no power and has been asked for.
pub fn eject(rc: &mut Guest, function: &str) -> Result<()> {
    rc.sh(&format!(
        "set -e; [ ! -e {function} ] || echo 1 >{function}/remove; {CONTROL}={OFF}"
    ))
    .map(drop)
}
