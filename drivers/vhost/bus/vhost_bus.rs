// SPDX-License-Identifier: GPL-2.0

//! The vhost bus: joins a transport, which reaches the driver side of a virtio device, to a
//! backend, which is its device side.
//!
//! A *transport* registers a [`Device`] with its [`ConfigOps`]. A *backend* registers a [`Driver`]
//! for virtio device types. The *bus* binds the two, and runs the device status machine once for
//! all of them. Neither knows the other: where the rings are is behind [`Virtqueue`].
//!
//! Lock order: device lock of the driver core, state lock of a device (`control`), ring lock of a
//! queue (`ring_queue`), then what transports and backends have; the kick lock of a queue is a leaf
//! below which only [`Kicked::kicked`] runs. Documentation/vhost-bus.rst has the whole picture.

mod bus;
mod config_ops;
mod control;
mod device;
mod driver;
mod fault;
mod poll;
mod ring_queue;
mod status;
mod sysfs;
mod virtqueue;

#[cfg(CONFIG_KUNIT = "y")]
pub mod testing;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

pub use config_ops::{
    ConfigOps,
    Kicked,
    VqSpec,
    SPLIT_RING_FEATURES, //
};
pub use device::{
    Device,
    Registration, //
};
pub use driver::{
    Backend,
    Driver,
    DriverRegistration, //
};
pub use ring_queue::{
    RingQueue,
    Signal, //
};
pub use virtqueue::{
    QueueState,
    Virtqueue, //
};

kernel::prelude::module! {
    type: bus::VhostBusModule,
    name: "vhost_bus",
    authors: ["the vhost bus developers"],
    description: "Bus of virtio device sides",
    license: "GPL",
}
