// SPDX-License-Identifier: GPL-2.0
//! What the endpoint offers to an attacker.

use anyhow::Result;
use attacker::Device;

use crate::commands::backend::{Disk, Nic};
use crate::commands::endpoint::{self, VhostFunction};
use crate::commands::served::Instance;
use crate::guest::Guest;
use crate::link::Link;
use crate::workload::network::Node;

static DISK: Disk = Disk {
    name: "disk0",
    mib: 16,
};
static NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 2,
};
/// The address that the attacker asks for.
const NIC_ADDRESS: &str = "10.7.0.2";

/// A device that the endpoint offers, with the link up.
pub struct Offered {
    /// What it is.
    pub device: Device,
    /// The address of the function on the RC.
    pub address: String,
    instance: Instance,
    function: VhostFunction,
}

impl Offered {
    /// Makes a device and brings the link up.
    pub fn new(link: &mut Link, device: Device) -> Result<Self> {
        let instance = match device {
            Device::Network => Instance::Nic(&NIC),
            _ => Instance::Disk(&DISK),
        };
        let ep = &mut link.ep;
        let function = instance.create(ep)?;
        if let Instance::Disk(disk) = instance {
            disk.set(ep, "num_queues", "2")?;
            disk.set(ep, "read_only", read_only(device))?;
        }
        function.set(ep, "doorbell", doorbell(device))?;
        function.bind(ep)?;
        if let Instance::Nic(nic) = instance {
            set_up(ep, nic)?;
        }
        let address = endpoint::start(link)?;
        Ok(Self {
            device,
            address,
            instance,
            function,
        })
    }

    /// Takes all of it away.
    pub fn withdraw(self, link: &mut Link) -> Result<()> {
        endpoint::stop(link)?;
        self.function.unbind(&mut link.ep)?;
        self.instance.remove(&mut link.ep, &self.function)
    }
}

fn read_only(device: Device) -> &'static str {
    match device {
        Device::ReadOnlyDisk => "1",
        _ => "0",
    }
}

fn doorbell(device: Device) -> &'static str {
    match device {
        Device::InterruptedDisk => "embedded",
        _ => "polled",
    }
}

/// Gives the endpoint's end of the link its address.
fn set_up(ep: &mut Guest, nic: &Nic) -> Result<()> {
    let node = Node {
        namespace: "",
        device: nic.network_device(ep)?,
        address: NIC_ADDRESS,
    };
    node.set_up(ep)
}
