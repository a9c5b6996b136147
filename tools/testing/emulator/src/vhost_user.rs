// SPDX-License-Identifier: GPL-2.0
//! The outbound window as a vhost-user device: a virtio device of the EP's monitor with one shared memory
//! region, into which ranges of RC memory are mapped at run time (SHMEM_MAP and SHMEM_UNMAP).
//!
//! What it is not: the device has no function as a virtio device; its queue is never looked at.
//!
//! Two threads: one answers the monitor on the main socket, the other, the worker of `outbound`, asks for
//! mappings on the backend channel. They must not be one, since QEMU talks on the main socket, and waits
//! for the answer, while it executes a mapping.

pub mod frontend;
pub mod message;
mod window_channel;

pub use frontend::Frontend;
pub use window_channel::{ChannelError, WindowChannel};
