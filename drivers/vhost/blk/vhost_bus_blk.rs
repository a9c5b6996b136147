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

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use backend::BlkDriver;
use configfs::Subsystem;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use vhost_backend::Registry;
use vhost_bus::DriverRegistration;

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
    _driver: DriverRegistration,
    #[pin]
    _configfs: Subsystem,
}

impl kernel::InPlaceModule for BlkModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let instances = Registry::new()?;
            let driver = Arc::new(BlkDriver::new(instances.clone()), GFP_KERNEL)?;
            Ok(try_pin_init!(Self {
                _configfs <- configfs::subsystem(instances),
                _driver: DriverRegistration::new(driver, module)?,
            }? Error))
        })
    }
}
