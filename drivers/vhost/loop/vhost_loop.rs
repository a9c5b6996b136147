// SPDX-License-Identifier: GPL-2.0

//! A transport of the vhost bus without any hardware: the driver side is in this kernel too.
//!
//! Each device is a vhost device on one side, for a backend, and a vDPA device on the other, for
//! `virtio_vdpa` or `vhost_vdpa`. The user makes it, named as the backend's instance:
//!
//! ```text
//! vdpa dev add name disk0 mgmtdev faux/vhost_loop_blk
//! ```

mod device;
mod mgmt;
mod queue;
mod vdpa_ops;

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

kernel::prelude::module! {
    type: mgmt::LoopModule,
    name: "vhost_loop",
    authors: ["the vhost bus developers"],
    description: "vhost devices for virtio drivers of the same kernel",
    license: "GPL",
}
