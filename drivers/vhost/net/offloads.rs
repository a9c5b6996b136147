// SPDX-License-Identifier: GPL-2.0

//! What the driver side does to packets that this kernel sends it, and that the interface leaves to it
//! therefore.
//!
//! It says so by its features and, while it runs, by its control queue. Packets are checked against it
//! one by one, from that moment on. The features of the interface follow soon, by a worker: they change
//! under the RTNL lock, which a driver on the same kernel has while it waits for this side
//! (`virtnet_probe()`, and each command). What the kernel prepared before and the driver side does not
//! take is dropped.

use crate::link::Interface;
use concurrency::{
    Queue as Workqueue,
    Run,
    Worker, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use virtio::net::offloads;

/// The features by which the driver side takes packets at this moment: none at first.
pub(crate) struct Taken(Atomic<u64>);

impl Taken {
    pub(crate) fn nothing() -> Self {
        Self(Atomic::new(0))
    }

    pub(crate) fn offloads(&self) -> offloads::Offloads {
        offloads::Offloads::of_driver(self.0.load(Relaxed))
    }
}

/// Changes the offloads of a device. Dropping it waits for the worker, which takes the RTNL lock.
pub(crate) struct DriverOffloads {
    taken: Arc<Taken>,
    renewal: Worker,
}

impl DriverOffloads {
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(taken: Arc<Taken>, interface: Arc<Interface>) -> Result<Self> {
        let queue = Arc::new(Workqueue::system()?, GFP_KERNEL)?;
        let renewal = Arc::new(Renewal(interface), GFP_KERNEL)?;
        Ok(Self {
            taken,
            renewal: Worker::new(c"vhost_bus_net::Renewal", &queue, renewal)?,
        })
    }

    /// The driver side takes packets by these features from now on. Context: any.
    pub(crate) fn take(&self, features: u64) {
        self.taken.0.store(features & offloads::GUEST, Relaxed);
        self.renewal.wake();
    }
}

/// Has the interface ask again.
struct Renewal(Arc<Interface>);

impl Run for Renewal {
    fn run(&self) {
        self.0.update_offloads();
    }
}
