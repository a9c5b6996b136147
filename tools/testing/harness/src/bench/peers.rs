// SPDX-License-Identifier: GPL-2.0
//! What is compared: ours, and what mainline has for the same purpose, unmodified. A new one is one more entry.

use anyhow::Result;

use super::machines::{Machines, Place};
use crate::commands::backend::{Disk, Nic};
use crate::commands::modules;
use crate::commands::ntb;
use crate::commands::nvme::NvmeDisk;
use crate::commands::served::{Instance, Served};
use crate::commands::vdpa::{self, RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::link::{Dma, Link};
use crate::workload::network::Node;
use crate::workload::Ends;

/// Something that serves the RC.
pub struct Peer {
    /// Short name, as the tables have it.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Where it runs.
    pub place: Place,
    /// Brings its device up.
    pub serve: Serve,
}

/// How a device is brought up, and what it is. It stays until its machines end.
#[derive(Clone, Copy)]
pub enum Serve {
    /// A disk; returns its path on the RC.
    Disk(fn(&mut Machines) -> Result<String>),
    /// A network link; returns its node on the RC, then that on the EP. They have no addresses yet.
    Network(fn(&mut Machines) -> Result<[Node; 2]>),
}

/// MiB of each disk.
pub const DISK_MIB: u32 = 64;

/// Bytes of the largest packet of IP.
const MTU: u32 = 1500;

/// Queues of a disk: one for each processor, as the NVMe function has.
const QUEUES: &str = "2";

/// Attributes of a function, and their values.
pub type Attributes = &'static [(&'static str, &'static str)];

/// With room for 32 blocks and their requests.
pub const PUSHED: Attributes = &[("data_path", "push"), ("push_room", "262144")];

/// All blocks and frames, and what is around them as soon as it is some; a channel for each queue.
pub const BY_DMA: Attributes = &[
    ("dma", "2"),
    ("dma_read_threshold", "256"),
    ("dma_write_threshold", "1024"),
];

/// What is short is pushed by the RC's processor, and what is long moved by the EP's engine: no side loads anything.
pub const PUSHED_AND_DMA: Attributes = &[
    ("data_path", "push"),
    ("push_room", "262144"),
    ("dma", "2"),
    ("dma_read_threshold", "256"),
    ("dma_write_threshold", "1024"),
];

/// Our disk.
pub const DISK: Disk = Disk {
    name: "disk0",
    mib: DISK_MIB,
};
/// Our network.
pub const NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 1,
};

/// All of them; those of ours first, then those with a link, then the bounds.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "blk",
        about: "our disk: pci_epf_vhost, vhost_bus_blk, epf_vdpa; the EP's processor copies",
        place: Place::Link(Dma::Engine),
        serve: Serve::Disk(our_disk),
    },
    Peer {
        name: "blk, pushed",
        about: "the same, with queues that the RC's processor writes to memory of the EP",
        place: Place::Link(Dma::Engine),
        serve: Serve::Disk(pushed_disk),
    },
    Peer {
        name: "blk, DMA",
        about: "our disk, for which the EP's DMA engine reads and writes, but for the used ring",
        place: Place::Link(Dma::Engine),
        serve: Serve::Disk(dma_disk),
    },
    Peer {
        name: "blk, both",
        about: "both: what is short is pushed, what is long moved by the EP's DMA engine",
        place: Place::Link(Dma::Engine),
        serve: Serve::Disk(disk_by_both),
    },
    Peer {
        name: "nvmet, DMA",
        about: "mainline's nvmet-pci-epf, on an EP with a DMA engine",
        place: Place::Link(Dma::Engine),
        serve: Serve::Disk(nvme_disk),
    },
    Peer {
        name: "nvmet, CPU",
        about: "the same, on an EP without one",
        place: Place::Link(Dma::None),
        serve: Serve::Disk(nvme_disk),
    },
    Peer {
        name: "blk, no link",
        about: "our disk by vhost_loop, within the RC",
        place: Place::Alone,
        serve: Serve::Disk(loop_disk),
    },
    Peer {
        name: "net",
        about: "our network: pci_epf_vhost, vhost_bus_net, epf_vdpa; the EP's processor copies",
        place: Place::Link(Dma::Engine),
        serve: Serve::Network(our_network),
    },
    Peer {
        name: "net, pushed",
        about: "the same, with queues that the RC's processor writes to memory of the EP",
        place: Place::Link(Dma::Engine),
        serve: Serve::Network(pushed_network),
    },
    Peer {
        name: "net, DMA",
        about: "our network by the EP's DMA engine, with all offloads",
        place: Place::Link(Dma::Engine),
        serve: Serve::Network(dma_network),
    },
    Peer {
        name: "net, both",
        about: "our network, pushed and by DMA, with all offloads",
        place: Place::Link(Dma::Engine),
        serve: Serve::Network(network_by_both),
    },
    Peer {
        name: "ntb_netdev",
        about: "mainline's ntb_netdev over pci-epf-vntb and ntb_hw_epf",
        place: Place::Link(Dma::Engine),
        serve: Serve::Network(bridge),
    },
    Peer {
        name: "net, no link",
        about: "our network by vhost_loop, within the RC",
        place: Place::Alone,
        serve: Serve::Network(loop_network),
    },
];

fn our_disk(machines: &mut Machines) -> Result<String> {
    let link = machines.link()?;
    load_ours(link)?;
    let instance = Instance::Disk(&DISK);
    let function = instance.create(&mut link.ep)?;
    DISK.set(&mut link.ep, "num_queues", QUEUES)?;
    let served = Served::bind(link, instance, function)?;
    served.vdpa.disk(&mut link.rc)
}

fn our_network(machines: &mut Machines) -> Result<[Node; 2]> {
    let link = machines.link()?;
    load_ours(link)?;
    let instance = Instance::Nic(&NIC);
    let function = instance.create(&mut link.ep)?;
    leave_offloads_out(&mut link.ep)?;
    Served::bind(link, instance, function)?.nodes(link)
}

/// Has all frames be of the MTU, as those of the other networks are: they are what is counted.
fn leave_offloads_out(ep: &mut Guest) -> Result<()> {
    NIC.set(ep, "offloads", "0")
}

fn pushed_disk(machines: &mut Machines) -> Result<String> {
    machines.link()?.attributes = PUSHED;
    our_disk(machines)
}

fn dma_disk(machines: &mut Machines) -> Result<String> {
    machines.link()?.attributes = BY_DMA;
    our_disk(machines)
}

fn disk_by_both(machines: &mut Machines) -> Result<String> {
    machines.link()?.attributes = PUSHED_AND_DMA;
    our_disk(machines)
}

fn pushed_network(machines: &mut Machines) -> Result<[Node; 2]> {
    machines.link()?.attributes = PUSHED;
    our_network(machines)
}

fn dma_network(machines: &mut Machines) -> Result<[Node; 2]> {
    network_with_offloads(machines, BY_DMA)
}

fn network_by_both(machines: &mut Machines) -> Result<[Node; 2]> {
    network_with_offloads(machines, PUSHED_AND_DMA)
}

fn network_with_offloads(machines: &mut Machines, attributes: Attributes) -> Result<[Node; 2]> {
    let link = machines.link()?;
    link.attributes = attributes;
    load_ours(link)?;
    Served::start(link, Instance::Nic(&NIC))?.nodes(link)
}

/// Loads the RC's drivers of ours.
pub fn load_ours(link: &mut Link) -> Result<()> {
    modules::load_epf_vdpa(&mut link.rc)?;
    vdpa::load_drivers(&mut link.rc)
}

fn nvme_disk(machines: &mut Machines) -> Result<String> {
    let link = machines.link()?;
    modules::load(&mut link.rc, &["nvme"])?;
    Ok(NvmeDisk::start(link, DISK_MIB)?.path)
}

fn bridge(machines: &mut Machines) -> Result<[Node; 2]> {
    let link = machines.link()?;
    ntb::start(link)?;
    ntb::TRANSPORT.load(link, |_| String::new())?;
    ntb::network_nodes(link, MTU)
}

fn loop_disk(machines: &mut Machines) -> Result<String> {
    let guest = machines.driver();
    modules::load(guest, &["vhost_loop"])?;
    vdpa::load_drivers(guest)?;
    DISK.create(guest)?;
    DISK.set(guest, "num_queues", QUEUES)?;
    VdpaDevice::add(guest, DISK.name, "faux/vhost_loop_blk")?.disk(guest)
}

fn loop_network(machines: &mut Machines) -> Result<[Node; 2]> {
    let guest = machines.driver();
    modules::load(guest, &["vhost_loop"])?;
    vdpa::load_drivers(guest)?;
    NIC.create(guest)?;
    leave_offloads_out(guest)?;
    let device = VdpaDevice::add(guest, NIC.name, "faux/vhost_loop_net")?;
    Ok([
        Node {
            namespace: "",
            device: device.network_device(guest)?,
            address: "10.7.0.1",
        },
        Node {
            namespace: "backend",
            device: NIC.network_device(guest)?,
            address: "10.7.0.2",
        },
    ])
}
