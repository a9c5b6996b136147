// SPDX-License-Identifier: GPL-2.0

//! The backend of one device.

use crate::{
    config::{
        Offer,
        QUEUE_SIZE, //
    },
    configfs::Settings,
    link::{
        Interface,
        Link, //
    },
    receive::ReceiveQueue,
    transmit::TransmitQueue, //
};
use concurrency::Queue as Workqueue;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use netdev::Config as InterfaceConfig;
use vhost_backend::{
    Claim,
    InstanceBackend,
    QueueWorker, //
};
use vhost_bus::{
    Backend,
    Device,
    Virtqueue,
    VqSpec, //
};
use virtio::{
    ids::DeviceId,
    net::features, //
};

/// A pair of queues of the driver side.
struct QueuePair {
    receive: QueueWorker<ReceiveQueue>,
    transmit: QueueWorker<TransmitQueue>,
}

/// The device side of one network device.
///
/// The fields are dropped in this order: the queues use the interface.
pub(crate) struct NetBackend {
    pair: QueuePair,
    interface: Arc<Interface>,
    claim: Claim<Settings>,
}

impl InstanceBackend for NetBackend {
    type Settings = Settings;

    const DRIVER: &'static CStr = c"vhost_bus_net";
    const ID: DeviceId = DeviceId::NET;

    fn new(device: &Arc<Device>, claim: Claim<Settings>) -> Result<Self> {
        let offer = claim.with(Settings::offer);
        let pair = QueuePair::new()?;
        let queues = device.create_vqs(&pair.specs()?)?;
        device.set_features(offer.features())?;
        device.set_config(0, &offer.config().to_bytes())?;
        // The interface publishes its status in the configuration from now on.
        let interface = Arc::new(register(device, &pair, &offer)?, GFP_KERNEL)?;
        pair.attach(queues, &interface, &offer)?;
        claim.update(|settings| settings.interface = Some(interface.clone()));
        dev_info!(
            device.dev(),
            "Interface {} with MTU {}, driver side has MAC {}\n",
            interface.name(),
            offer.mtu,
            offer.mac
        );
        Ok(Self {
            pair,
            interface,
            claim,
        })
    }
}

impl Drop for NetBackend {
    fn drop(&mut self) {
        let shown = self.claim.update(|settings| settings.interface.take());
        drop(shown);
    }
}

impl Backend for NetBackend {
    fn check_features(&self, _negotiated: u64) -> Result {
        // Every choice among the offered bits works.
        Ok(())
    }

    fn start(&self, negotiated: u64) -> Result {
        let mergeable = negotiated & features::MRG_RXBUF != 0;
        self.pair.receive.start(|queue| queue.prepare(mergeable));
        self.pair.transmit.start(|_| ());
        self.interface.set_carrier(true);
        Ok(())
    }

    fn stop(&self) {
        self.interface.set_carrier(false);
        self.suspend();
    }

    /// The interface keeps its carrier: what it is given meanwhile waits in its queue.
    fn suspend(&self) {
        self.pair.transmit.stop();
        self.pair.receive.stop();
    }

    fn resume(&self) {
        self.pair.transmit.resume();
        self.pair.receive.resume();
    }

    fn write_config(&self, _offset: usize, _from: &[u8]) -> Result {
        // Only the MAC address of a device without `VERSION_1` is writable.
        Err(EINVAL)
    }
}

impl QueuePair {
    fn new() -> Result<Self> {
        let workqueue = Arc::new(Workqueue::new(c"vhost_bus_net")?, GFP_KERNEL)?;
        Ok(Self {
            receive: QueueWorker::new(c"vhost_bus_net::ReceiveQueue", &workqueue)?,
            transmit: QueueWorker::new(c"vhost_bus_net::TransmitQueue", &workqueue)?,
        })
    }

    /// The queues in the order of their indices (section 5.1.2).
    fn specs(&self) -> Result<[VqSpec; 2]> {
        Ok([
            VqSpec {
                name: c"receive",
                max_size: QUEUE_SIZE,
                group: 0,
                kicked: self.receive.kicked()?,
            },
            VqSpec {
                name: c"transmit",
                max_size: QUEUE_SIZE,
                group: 0,
                kicked: self.transmit.kicked()?,
            },
        ])
    }

    /// Joins it with the queues that the transport made.
    fn attach(
        &self,
        queues: KVec<Arc<dyn Virtqueue>>,
        interface: &Arc<Interface>,
        offer: &Offer,
    ) -> Result {
        let mut queues = queues.into_iter();
        let (Some(receive), Some(transmit)) = (queues.next(), queues.next()) else {
            return Err(ENOSPC);
        };
        let max = offer.max_packet();
        let receive = ReceiveQueue::new(receive, interface.clone(), max)?;
        let transmit = TransmitQueue::new(transmit, interface.clone(), max)?;
        self.receive.attach(receive);
        self.transmit.attach(transmit);
        Ok(())
    }
}

/// Registers the interface of this kernel. It appears at once, without carrier.
fn register(device: &Arc<Device>, pair: &QueuePair, offer: &Offer) -> Result<Interface> {
    let link = Link::new(device.clone(), pair.receive.worker().clone());
    let config = InterfaceConfig {
        name: c"vhost%d",
        queues: 1,
        mtu: offer.mtu,
        parent: Some(device.dev()),
    };
    Interface::register(config, link).inspect_err(|error| {
        dev_err!(
            device.dev(),
            "Interface cannot be registered: {:?}\n",
            error
        );
    })
}
