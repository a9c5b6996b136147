// SPDX-License-Identifier: GPL-2.0

//! Drivers of virtio devices, the driver side: just enough for a device that consists of shared
//! memory.
//!
//! It is not a way to use virtqueues, configuration space or device features; a driver that needs
//! them is not for this crate.
//!
//! Context: all callbacks are in process context, one at a time per device.
//!
//! C headers: `include/linux/virtio.h`, `include/linux/virtio_config.h`.

#[path = "../bindings.rs"]
mod bindings;
mod device;
mod driver;

pub use self::{
    device::{
        Device,
        SharedMemory, //
    },
    driver::{
        Adapter,
        DeviceId,
        Driver, //
    },
};
