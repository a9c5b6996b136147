// SPDX-License-Identifier: GPL-2.0
//! Queues whose memory the device does not have, for a device that translates addresses itself. What another
//! one does is up to the IOMMU.

use anyhow::{ensure, Result};
use rustix::io::Errno;
use rustix::process::{setrlimit, Resource, Rlimit};
use vhost::vdpa::VhostVdpa;
use virtio::status::Status;

use super::Misuse;
use crate::disk::Disk;
use crate::node::{refused, Node, IOVA, PAGE, SIZE};

/// Mappings that the endpoint holds (Documentation/howto.rst).
const MAPPINGS: u64 = 4096;

/// Where those are that come one by one, with a page between any two.
const ONE_BY_ONE: u64 = 1 << 32;

pub fn catalogue() -> Vec<Misuse> {
    vec![
        Misuse {
            name: "queue_without_memory",
            about: "a queue in memory that is not mapped leaves a device that can be reset",
            run: queue_without_memory,
        },
        Misuse {
            name: "ring_goes_away",
            about: "a ring that is unmapped under the device leaves a device that can be reset",
            run: ring_goes_away,
        },
        Misuse {
            name: "mappings_without_end",
            about: "one mapping more than the device holds is refused, and those before it work",
            run: mappings_without_end,
        },
    ]
}

fn queue_without_memory(node: &Node) -> Result<()> {
    node.negotiate()?;
    node.start_queue(0, &Node::areas())?;
    // It has to be reset by now: a bit that the kernel does not let a process take back.
    let running = node.status()?.with(Status::DRIVER_OK);
    node.device().set_status(running.bits())?;
    node.reset()
}

fn ring_goes_away(node: &Node) -> Result<()> {
    let device = node.device();
    let settled = node.negotiate()?;
    node.map()?;
    node.start_queue(0, &Node::areas())?;
    let running = settled.with(Status::DRIVER_OK);
    device.set_status(running.bits())?;
    node.expect_status(running)?;
    device.dma_unmap(IOVA, SIZE)?;
    node.reset()?;
    node.map()
}

fn mappings_without_end(node: &Node) -> Result<()> {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Memlock, unlimited)?;
    let mut disk = Disk::start(node)?;
    let (device, memory) = (node.device(), node.host_address()?);
    let place = |number: u64| ONE_BY_ONE + number * 2 * PAGE;
    let map = |number| device.dma_map(place(number), PAGE, memory, false);
    // The memory of the disk is in one piece or in as many as it has pages.
    let mut count = MAPPINGS - SIZE / PAGE;
    (0..count).try_for_each(map)?;
    while map(count).is_ok() {
        count += 1;
        ensure!(count < MAPPINGS, "{count} mappings besides the disk's");
    }
    // The kernel has one answer for all that is wrong with a mapping.
    refused("one more mapping", map(count), Errno::FAULT)?;
    disk.write(0, [1; 512], || node.kick(0))?;
    device.dma_unmap(place(0), PAGE)?;
    map(count)?;
    (1..=count).try_for_each(|number| device.dma_unmap(place(number), PAGE))?;
    let found = disk.read(0, || node.kick(0))?;
    ensure!(found == [1; 512], "the disk has other data");
    Ok(())
}
