// SPDX-License-Identifier: GPL-2.0

//! The link between the two sides: the interface here, and what the driver side is told of it.
//!
//! The link is up for the driver side while the interface here is up; the interface here has carrier
//! while the driver side is ready.
//!
//! Context: the link changes in process context under the RTNL lock, which is above the locks that
//! the transport takes to publish the configuration.

use crate::{
    config::STATUS_OFFSET,
    offloads::Taken, //
};
use concurrency::Worker;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use netdev::{
    NetDevice,
    Offloads,
    Operations,
    SkBuff, //
};
use vhost_bus::Device;
use virtio::net::link;

/// The interface of this kernel.
pub(crate) type Interface = NetDevice<Link>;

/// One pair of queues of the interface, which one pair of the driver side goes with.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) interface: Arc<Interface>,
    pub(crate) queue: u16,
}

impl Port {
    /// Takes the first packet that waits for the driver side.
    pub(crate) fn next_transmit(&self) -> Option<SkBuff> {
        self.interface.next_transmit(self.queue)
    }

    /// Says that the packets taken so far are done with.
    pub(crate) fn complete_transmit(&self) {
        self.interface.complete_transmit(self.queue);
    }

    /// Gives the interface a packet of the driver side; [`deliver`](Self::deliver) has it delivered.
    pub(crate) fn receive(&self, packet: SkBuff) {
        self.interface.receive(self.queue, packet);
    }

    /// Delivers to this kernel what the interface was given.
    pub(crate) fn deliver(&self) {
        self.interface.deliver(self.queue);
    }
}

/// What happens to the interface goes here.
pub(crate) struct Link {
    device: Arc<Device>,
    /// What sends packets to the driver side, for each queue of the interface.
    receivers: KVec<Arc<Worker>>,
    taken: Arc<Taken>,
}

impl Link {
    pub(crate) fn new(
        device: Arc<Device>,
        receivers: KVec<Arc<Worker>>,
        taken: Arc<Taken>,
    ) -> Self {
        Self {
            device,
            receivers,
            taken,
        }
    }

    fn publish(&self, status: u16) {
        if let Err(error) = self.device.set_config(STATUS_OFFSET, &status.to_le_bytes()) {
            dev_warn!(
                self.device.dev(),
                "Link status {:#x} cannot be published: {:?}\n",
                status,
                error
            );
            return;
        }
        self.device.config_changed();
    }
}

impl Operations for Link {
    fn opened(&self) {
        self.publish(link::UP);
    }

    fn stopped(&self) {
        self.publish(0);
    }

    fn offloads(&self) -> Offloads {
        let taken = self.taken.offloads();
        Offloads {
            checksum: taken.checksum,
            tcp4: taken.tcp4,
            tcp6: taken.tcp6,
            ecn: taken.ecn,
        }
    }

    fn transmit_ready(&self, queue: u16) {
        if let Some(receiver) = self.receivers.get(usize::from(queue)) {
            receiver.wake();
        }
    }
}
