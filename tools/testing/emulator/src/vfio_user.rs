// SPDX-License-Identifier: GPL-2.0
//! The server side of vfio-user, as QEMU's `vfio-user-pci` speaks it (protocol version 0.0).
//!
//! What it is: messages, one server thread per device, and the trait which a device implements.
//! What it is not: migration, dirty page tracking and I/O file descriptors, which QEMU never asks for.

pub mod device;
pub mod message;
mod reply;
pub mod server;

pub use device::{Device, Refusal};
pub use server::{Client, Connection, Server};
