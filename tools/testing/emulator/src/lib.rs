// SPDX-License-Identifier: GPL-2.0
//! Userland PCI endpoint emulator: joins two QEMU virtual machines as a PCI Express link.
//!
//! ```text
//! RC virtual machine                 this process                    EP virtual machine
//! vfio-user-pci    <-- vfio-user --> endpoint    controller <-- vfio-user --> vfio-user-pci
//! QMP monitor      <-- device_add -- link        outbound -- vhost-user --> vhost-user-test-device-pci
//! memory file      <----------------- memory ----------------->  memory file
//! ```
//!
//! It knows nothing of the protocol that an endpoint function carries.
#![forbid(unsafe_code)]

pub mod config_space;
pub mod control;
pub mod controller;
pub mod emulator;
pub mod endpoint;
pub mod fabric;
pub mod faults;
pub mod function;
pub mod link;
pub mod memory;
pub mod profile;
pub mod qemu;
pub mod qmp;
pub mod socket;
pub mod sync;
pub mod topology;
pub mod trace;
pub mod traffic;
pub mod vectors;
pub mod vfio_user;
pub mod vhost_user;
pub mod wire;

/// Granularity of everything that is mapped. Host and guests have pages of this size.
pub const PAGE_SIZE: u64 = 4096;
