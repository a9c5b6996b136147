// SPDX-License-Identifier: GPL-2.0
//! Groups of queues, and the address spaces that they are in.

use anyhow::{ensure, Result};
use rustix::io::Errno;
use virtio::status::Status;

use crate::control::ControlQueue;
use crate::ioctl::{group_of, groups, set_space, spaces};
use crate::node::{refused, Node, IOVA, SIZE};
use vhost::vdpa::VhostVdpa;

/// The first transmit queue, which a device looks into when it is kicked.
const TRANSMIT: usize = 1;

/// Sees that all queues of a device are in one group, in one address space, and that there are no others.
pub fn is_one(path: &str) -> Result<()> {
    let node = Node::open(path)?;
    let counts = (groups(&node)?, spaces(&node)?);
    ensure!(
        counts == (1, 1),
        "expected one group and space, found {counts:?}"
    );
    for (group, space) in [(1, 0), (0, 1), (u32::MAX, 0), (0, u32::MAX)] {
        let what = format!("group {group} in space {space}");
        // The kernel takes the number of a group for that of a queue first.
        let is_queue = u64::from(group) < node.queues()? as u64;
        let expected = if is_queue {
            Errno::INVAL
        } else {
            Errno::NOBUFS
        };
        refused(&what, set_space(&node, group, space), expected)?;
    }
    node.negotiate()?;
    node.reset()
}

/// Drives the control queue of a network device in memory that the other queues do not have.
pub fn control_queue_is_apart(path: &str) -> Result<()> {
    let node = Node::open(path)?;
    let mut control = ControlQueue::of(&node)?;
    ensure!(
        (groups(&node)?, spaces(&node)?) == (2, 2),
        "expected two groups and spaces, found {} and {}",
        groups(&node)?,
        spaces(&node)?
    );
    for queue in 0..=control.index() {
        let group = group_of(&node, queue)?;
        let expected = u32::from(queue == control.index());
        ensure!(
            group == expected,
            "queue {queue}: expected group {expected}, found {group}"
        );
    }
    commands_reach_the_device(&node, &mut control)?;
    data_queues_reach_nothing(&node)?;
    a_reset_brings_it_back(&node, &mut control)
}

fn commands_reach_the_device(node: &Node, control: &mut ControlQueue) -> Result<()> {
    let settled = node.negotiate()?;
    set_space(node, 1, 1)?;
    node.map_in(1)?;
    control.start()?;
    let running = settled.with(Status::DRIVER_OK);
    node.device().set_status(running.bits())?;
    node.expect_status(running)?;
    refused(
        "a group of a running device",
        set_space(node, 1, 0),
        Errno::BUSY,
    )?;
    control.promiscuous(true)?;
    control.promiscuous(false)
}

/// The memory is mapped at the same addresses, but in the other space.
fn data_queues_reach_nothing(node: &Node) -> Result<()> {
    let settled = node.negotiate()?;
    set_space(node, 1, 1)?;
    node.start_queue(TRANSMIT, &Node::areas())?;
    let running = node.status()?.with(Status::DRIVER_OK).with(settled);
    node.device().set_status(running.bits())?;
    node.kick(TRANSMIT)?;
    node.wait_for_status(Status::DEVICE_NEEDS_RESET)
}

/// All groups are in space 0 again, where nothing is mapped.
fn a_reset_brings_it_back(node: &Node, control: &mut ControlQueue) -> Result<()> {
    let settled = node.negotiate()?;
    node.unmap_in(1)?;
    node.device()
        .dma_map(IOVA, SIZE, node.host_address()?, false)?;
    control.start()?;
    let running = settled.with(Status::DRIVER_OK);
    node.device().set_status(running.bits())?;
    control.promiscuous(true)?;
    node.reset()
}
