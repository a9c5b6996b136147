// SPDX-License-Identifier: GPL-2.0
//! Queues whose memory the device does not have, for a device that translates addresses itself. What another
//! one does is up to the IOMMU.

use anyhow::Result;
use vhost::vdpa::VhostVdpa;
use virtio::status::Status;

use super::Misuse;
use crate::node::{Node, IOVA, SIZE};

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
