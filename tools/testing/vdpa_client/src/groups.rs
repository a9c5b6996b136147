// SPDX-License-Identifier: GPL-2.0
//! Groups of queues, and the address spaces that they are in: requests of the kernel's
//! include/uapi/linux/vhost.h that rust-vmm does not know.

use anyhow::{ensure, Context, Result};
use rustix::io::Errno;
use rustix::ioctl::{ioctl, opcode, Getter, Ioctl, Opcode, Setter, Updater};
use virtio::status::Status;

use crate::control::ControlQueue;
use crate::node::{refused, Node, IOVA, SIZE};
use vhost::vdpa::VhostVdpa;

const VHOST: u8 = 0xaf;
const GET_SPACES: Opcode = opcode::read::<u32>(VHOST, 0x7a);
const GET_GROUP: Opcode = opcode::read_write::<VringState>(VHOST, 0x7b);
const SET_SPACE: Opcode = opcode::write::<VringState>(VHOST, 0x7c);
const GET_GROUPS: Opcode = opcode::read::<u32>(VHOST, 0x81);

/// The first transmit queue, which a device looks into when it is kicked.
const TRANSMIT: usize = 1;

/// `struct vhost_vring_state`.
#[repr(C)]
struct VringState {
    index: u32,
    number: u32,
}

/// Number of groups of queues.
fn groups(node: &Node) -> Result<u32> {
    // SAFETY: It writes 32 bits.
    let request = unsafe { Getter::<GET_GROUPS, u32>::new() };
    call(node, request).context("GET_GROUP_NUM")
}

/// Number of address spaces.
fn spaces(node: &Node) -> Result<u32> {
    // SAFETY: It writes 32 bits.
    let request = unsafe { Getter::<GET_SPACES, u32>::new() };
    call(node, request).context("GET_AS_NUM")
}

/// The group of a queue.
fn group_of(node: &Node, queue: u32) -> vhost::Result<u32> {
    let mut state = VringState {
        index: queue,
        number: 0,
    };
    // SAFETY: It reads and writes a state.
    call(node, unsafe {
        Updater::<GET_GROUP, VringState>::new(&mut state)
    })?;
    Ok(state.number)
}

/// Puts a group into an address space.
fn set_space(node: &Node, group: u32, space: u32) -> vhost::Result<()> {
    let state = VringState {
        index: group,
        number: space,
    };
    // SAFETY: It reads a state.
    call(node, unsafe { Setter::<SET_SPACE, VringState>::new(state) })
}

fn call<I: Ioctl>(node: &Node, request: I) -> vhost::Result<I::Output> {
    // SAFETY: Each request above is defined by the kernel for this opcode and argument.
    let result = unsafe { ioctl(&**node.file(), request) };
    result.map_err(|error: Errno| vhost::Error::IoctlError(error.into()))
}

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
