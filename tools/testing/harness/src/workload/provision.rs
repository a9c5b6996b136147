// SPDX-License-Identifier: GPL-2.0
//! Chooses attributes of a vDPA device, with `vdpa dev add` and `vdpa dev set`.

use anyhow::{ensure, Result};

use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;

/// The address that is chosen first, not that of the instance.
pub const MAC: &str = "02:00:00:00:00:77";

/// The MTU that is chosen, smaller than that of the instance.
pub const MTU: u16 = 1300;

const OTHER_MAC: &str = "02:00:00:00:00:78";

/// What a management device of network devices refuses, and a part of what the kernel log says then.
const REFUSED_FOR_NETWORK: &[(&str, &str)] = &[
    ("mac 01:00:5e:00:00:01", "MAC address 01:00:5e:00:00:01"),
    ("mac 00:00:00:00:00:00", "MAC address 00:00:00:00:00:00"),
    ("mtu 1501", "MTU 1501, expected 68 to 1500"),
    ("mtu 65535", "MTU 65535, expected 68 to 1500"),
    ("max_vqp 2", "2 pairs of virtqueues, expected 1 to 1"),
];

/// What does not even get to the driver: the last one has an attribute without its feature.
const REFUSED_BY_THE_CORE: &[&str] = &[
    "mtu 67",
    "max_vqp 0",
    "mtu 1400 device_features 0x1300000000",
];

/// Adds a network device with all attributes.
pub fn add(guest: &mut Guest, name: &str, mgmtdev: &str) -> Result<VdpaDevice> {
    let attributes = format!("mac {MAC} mtu {MTU} max_vqp 1");
    VdpaDevice::add_with(guest, name, mgmtdev, &attributes)
}

/// Looks for the address and the MTU: what the `vdpa` tool says, and what the network device has.
pub fn expect(guest: &mut Guest, vdpa: &VdpaDevice, mac: &str, mtu: u16) -> Result<()> {
    let config = vdpa.config(guest)?;
    ensure!(
        config["mac"] == mac && config["mtu"] == mtu,
        "expected {mac} and {mtu}, vdpa says {config}"
    );
    let device = vdpa.network_device(guest)?;
    let found = guest.sh(&format!("cd /sys/class/net/{device}; cat address mtu"))?;
    let expected = format!("{mac}\n{mtu}");
    ensure!(found == expected, "expected '{expected}', found '{found}'");
    Ok(())
}

/// Changes the address of a device: not while it is in use, and not to that of a group.
pub fn change_mac(guest: &mut Guest, vdpa: &VdpaDevice) -> Result<()> {
    let set = |mac| format!("vdpa-client set-mac {} {mac}", vdpa.name());
    refused(guest, &set(OTHER_MAC), "MAC address of a device in use")?;
    expect(guest, vdpa, MAC, MTU)?;
    vdpa.without_driver(guest, |guest| {
        guest.sh_fails(&set("01:00:5e:00:00:01"))?;
        vdpa.set_mac(guest, OTHER_MAC)
    })?;
    expect(guest, vdpa, OTHER_MAC, MTU)
}

/// Asks for what a network device cannot have; there is none afterwards.
pub fn expect_refusals_for_network(guest: &mut Guest, name: &str, mgmtdev: &str) -> Result<()> {
    let add = format!("vdpa dev add name {name} mgmtdev {mgmtdev}");
    for (attributes, message) in REFUSED_FOR_NETWORK {
        refused(guest, &format!("{add} {attributes}"), message)?;
    }
    for attributes in REFUSED_BY_THE_CORE {
        guest.sh_fails(&format!("{add} {attributes}"))?;
    }
    expect_none(guest)
}

/// Asks for attributes that only network devices have, for a disk.
pub fn expect_refusals_for_disk(guest: &mut Guest, name: &str, mgmtdev: &str) -> Result<()> {
    for attributes in [&format!("mac {MAC}"), "mtu 1400", "max_vqp 1"] {
        let add = format!("vdpa dev add name {name} mgmtdev {mgmtdev} {attributes}");
        let text = guest.sh_fails(&add)?;
        ensure!(
            text.contains("Operation not supported"),
            "expected that {attributes} is not supported, got '{text}'"
        );
    }
    expect_none(guest)
}

fn expect_none(guest: &mut Guest) -> Result<()> {
    let found = guest.sh("ls /sys/bus/vdpa/devices")?;
    ensure!(found.is_empty(), "expected no vDPA device, found '{found}'");
    Ok(())
}

/// Runs a command that must fail, and looks for the reason in the kernel log.
fn refused(guest: &mut Guest, command: &str, message: &str) -> Result<()> {
    guest.mark("before a refusal")?;
    guest.sh_fails(command)?;
    let log = guest.mark("after a refusal")?;
    ensure!(
        log.iter().any(|line| line.contains(message)),
        "{command}: expected '{message}' in {log:?}"
    );
    Ok(())
}
