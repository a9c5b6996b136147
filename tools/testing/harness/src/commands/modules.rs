// SPDX-License-Identifier: GPL-2.0
//! Loading and unloading modules.

use anyhow::Result;
use transport::time::EP_SILENT_MS;

use crate::guest::Guest;

/// Loads modules with what they depend on. The guests have no udev, which does it elsewhere.
pub fn load(guest: &mut Guest, modules: &[&str]) -> Result<()> {
    guest
        .sh(&format!("modprobe -a {}", modules.join(" ")))
        .map(drop)
}

/// How long an endpoint may show no heartbeat, where that is not what is tested: a machine that is emulated on a busy
/// host may stand still for seconds.
const SILENT_MS: u64 = 10_000;

/// Loads the driver of the RC, for machines that may be busy.
pub fn load_epf_vdpa(guest: &mut Guest) -> Result<()> {
    load_epf_vdpa_with(guest, "")
}

/// The same, with more parameters of the module.
pub fn load_epf_vdpa_with(guest: &mut Guest, parameters: &str) -> Result<()> {
    load_epf_vdpa_patient(guest, SILENT_MS, parameters)
}

/// The same with the driver's own patience, as far as the kernel is fast enough for it.
pub fn load_epf_vdpa_as_shipped(guest: &mut Guest) -> Result<()> {
    load_epf_vdpa_patient(guest, EP_SILENT_MS, "")
}

fn load_epf_vdpa_patient(guest: &mut Guest, silent_ms: u64, parameters: &str) -> Result<()> {
    let silent_ms = silent_ms * u64::from(guest.kernels().patience());
    guest
        .sh(&format!(
            "modprobe epf_vdpa silent_ms={silent_ms} {parameters}"
        ))
        .map(drop)
}

/// The orders in which three modules can come or go.
pub fn orders([a, b, c]: [&str; 3]) -> [[&str; 3]; 6] {
    [
        [a, b, c],
        [a, c, b],
        [b, a, c],
        [b, c, a],
        [c, a, b],
        [c, b, a],
    ]
}

/// Unloads modules in the given order, and nothing else.
pub fn unload(guest: &mut Guest, modules: &[&str]) -> Result<()> {
    guest.sh(&format!("rmmod {}", modules.join(" "))).map(drop)
}
