// SPDX-License-Identifier: GPL-2.0

//! virtio network backend: a point-to-point link between the driver side and a network interface of
//! this kernel, `vhost0`, `vhost1`, ... (VIRTIO 1.2, section 5.1).
//!
//! ```text
//!   driver side                                             this kernel
//!   transmitq --> transmit::TransmitQueue --> NetDevice::receive --> vhost%d
//!   receiveq  <-- receive::ReceiveQueue <-- NetDevice::next_transmit <-- vhost%d
//!                   ^ filter::Filter, pairs::Pairs
//!   controlq  --> control::ControlQueue --> orders::Orders
//! ```
//!
//! `receive`, `transmit` and `spread` carry packets, of which `filter` says who gets them, `pairs` on
//! which queues, and `offloads` what is left undone of them; `control` has the driver side change these.
//!
//! What it does not do: offloads of UDP and of VLANs, filters of VLANs.

mod backend;
mod buffers;
mod config;
mod configfs;
mod control;
mod filter;
mod link;
mod offloads;
mod orders;
mod pairs;
mod receive;
mod spread;
mod terms;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
mod transmit;

use backend::NetBackend;
use kernel::prelude::*;
use vhost_backend::BackendModule;

module! {
    type: NetModule,
    name: "vhost_bus_net",
    authors: ["the vhost bus developers"],
    description: "virtio network backend on the vhost bus",
    license: "GPL",
    alias: ["vhost:d00000001v*"],
}

#[pin_data]
struct NetModule {
    #[pin]
    _backend: BackendModule<NetBackend>,
}

impl kernel::InPlaceModule for NetModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _backend <- BackendModule::new(module),
        }? Error)
    }
}
