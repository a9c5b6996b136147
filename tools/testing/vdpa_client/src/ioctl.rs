// SPDX-License-Identifier: GPL-2.0
//! Requests of the kernel's include/uapi/linux/vhost.h that rust-vmm does not know, or not whole.

use rustix::io::Errno;
use rustix::ioctl::{ioctl, opcode, Getter, Ioctl, NoArg, Opcode, Setter, Updater};

use crate::node::Node;

const VHOST: u8 = 0xaf;
/// `VHOST_FILE_UNBIND`.
const NO_FILE: i32 = -1;
const SET_BASE: Opcode = opcode::write::<VringState>(VHOST, 0x12);
const SET_CALL: Opcode = opcode::write::<VringFile>(VHOST, 0x21);
const GET_SPACES: Opcode = opcode::read::<u32>(VHOST, 0x7a);
const GET_GROUP: Opcode = opcode::read_write::<VringState>(VHOST, 0x7b);
const SET_SPACE: Opcode = opcode::write::<VringState>(VHOST, 0x7c);
const RESUME: Opcode = opcode::none(VHOST, 0x7e);
const GET_GROUPS: Opcode = opcode::read::<u32>(VHOST, 0x81);
const GET_SIZE: Opcode = opcode::read_write::<VringState>(VHOST, 0x82);

/// `struct vhost_vring_state`.
#[repr(C)]
struct VringState {
    index: u32,
    number: u32,
}

/// `struct vhost_vring_file`.
#[repr(C)]
struct VringFile {
    index: u32,
    file: i32,
}

/// Number of groups of queues.
pub fn groups(node: &Node) -> vhost::Result<u32> {
    // SAFETY: It writes 32 bits.
    call(node, unsafe { Getter::<GET_GROUPS, u32>::new() })
}

/// Number of address spaces.
pub fn spaces(node: &Node) -> vhost::Result<u32> {
    // SAFETY: It writes 32 bits.
    call(node, unsafe { Getter::<GET_SPACES, u32>::new() })
}

/// The group of a queue.
pub fn group_of(node: &Node, queue: u32) -> vhost::Result<u32> {
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

/// The largest size of a queue, in descriptors.
pub fn size_of_queue(node: &Node, queue: u32) -> vhost::Result<u32> {
    let mut state = VringState {
        index: queue,
        number: 0,
    };
    // SAFETY: It reads and writes a state.
    call(node, unsafe {
        Updater::<GET_SIZE, VringState>::new(&mut state)
    })?;
    Ok(state.number)
}

/// Has nobody be signalled by a queue.
pub fn signal_nobody(node: &Node, queue: u32) -> vhost::Result<()> {
    let file = VringFile {
        index: queue,
        file: NO_FILE,
    };
    // SAFETY: It reads a file.
    call(node, unsafe { Setter::<SET_CALL, VringFile>::new(file) })
}

/// Puts a group into an address space.
pub fn set_space(node: &Node, group: u32, space: u32) -> vhost::Result<()> {
    let state = VringState {
        index: group,
        number: space,
    };
    // SAFETY: It reads a state.
    call(node, unsafe { Setter::<SET_SPACE, VringState>::new(state) })
}

/// Sets where a queue goes on; of a packed one in both halves of the number.
pub fn set_base(node: &Node, queue: u32, base: u32) -> vhost::Result<()> {
    let state = VringState {
        index: queue,
        number: base,
    };
    // SAFETY: It reads a state.
    call(node, unsafe { Setter::<SET_BASE, VringState>::new(state) })
}

/// Resumes a device that is suspended.
pub fn resume(node: &Node) -> vhost::Result<()> {
    // SAFETY: It takes no argument.
    call(node, unsafe { NoArg::<RESUME>::new() })
}

fn call<I: Ioctl>(node: &Node, request: I) -> vhost::Result<I::Output> {
    // SAFETY: Each request above is defined by the kernel for this opcode and argument.
    let result = unsafe { ioctl(&**node.file(), request) };
    result.map_err(|error: Errno| vhost::Error::IoctlError(error.into()))
}
