// SPDX-License-Identifier: GPL-2.0

//! virtio block backend: serves a file or a block device to the driver side (VIRTIO 1.2, section 5.2).
//!
//! What it does not do: zoned devices, secure erase, geometry, topology, a switchable write cache.

mod backend;
mod config;
mod configfs;
mod disk;
mod execute;
mod queue;
mod request;
mod round;

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use backend::BlkBackend;
use kernel::prelude::*;
use vhost_backend::BackendModule;

module! {
    type: BlkModule,
    name: "vhost_bus_blk",
    authors: ["the vhost bus developers"],
    description: "virtio block backend on the vhost bus",
    license: "GPL",
    alias: ["vhost:d00000002v*"],
}

#[pin_data]
struct BlkModule {
    #[pin]
    _backend: BackendModule<BlkBackend>,
}

impl kernel::InPlaceModule for BlkModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _backend <- BackendModule::new(module),
        }? Error)
    }
}
