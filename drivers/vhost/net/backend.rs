// SPDX-License-Identifier: GPL-2.0

//! The backend of one device.

use crate::{
    config::{
        Offer,
        MAX_QUEUE_SIZE, //
    },
    configfs::{
        InUse,
        Settings, //
    },
    control::ControlQueue,
    filter::Filter,
    link::{
        Interface,
        Link, //
    },
    offloads::{
        DriverOffloads,
        Taken, //
    },
    orders::{
        publish_address,
        Orders, //
    },
    pairs::{
        receivers,
        Pairs,
        QueuePair, //
    },
};
use concurrency::{
    Queue as Workqueue,
    Worker, //
};
use kernel::{
    prelude::*,
    static_lock_class,
    sync::Arc, //
};
use netdev::{
    Config as InterfaceConfig,
    Offloads, //
};
use vhost_backend::{
    Claim,
    InstanceBackend,
    QueueWorker, //
};
use vhost_bus::{
    Backend,
    Device,
    Kicked,
    Virtqueue,
    VqSpec, //
};
use virtio::{
    ids::DeviceId,
    net::{
        control::control_queue,
        features, //
    },
};

/// The group of the queues that carry frames.
const DATA_GROUP: u16 = 0;

/// The group of the control queue: a hypervisor serves it itself, in memory that its guest does not have. Without
/// `MQ` a device of several pairs has it at the index of a receive queue, and in that one's group.
const CONTROL_GROUP: u16 = 1;

/// The device side of one network device.
///
/// The fields are dropped in this order: the control queue uses the pairs and the offloads, and these the
/// interface.
pub(crate) struct NetBackend {
    control: QueueWorker<ControlQueue<Orders>>,
    pairs: Arc<Pairs>,
    filter: Arc<Filter>,
    offloads: Arc<DriverOffloads>,
    interface: Arc<Interface>,
    device: Arc<Device>,
    offer: Offer,
    claim: Claim<Settings>,
}

impl InstanceBackend for NetBackend {
    type Settings = Settings;

    const DRIVER: &'static CStr = c"vhost_bus_net";
    const ID: DeviceId = DeviceId::NET;

    fn new(device: &Arc<Device>, claim: Claim<Settings>) -> Result<Self> {
        let offer = claim.with(Settings::offer);
        let workers = Workers::new(offer.queue_pairs)?;
        let queues = create_queues(device, &workers)?;
        device.set_features(offer.features())?;
        device.set_config(0, &offer.config().to_bytes())?;
        let backend = Self::join(device, claim, offer, workers, queues)?;
        dev_info!(
            device.dev(),
            "Interface {} with MTU {}, driver side has MAC {}, {} pairs of queues\n",
            backend.interface.name(),
            offer.mtu,
            offer.mac,
            offer.queue_pairs
        );
        Ok(backend)
    }
}

impl NetBackend {
    /// Joins the workers with the queues that the transport made, and with the interface.
    fn join(
        device: &Arc<Device>,
        claim: Claim<Settings>,
        offer: Offer,
        workers: Workers,
        queues: KVec<Arc<dyn Virtqueue>>,
    ) -> Result<Self> {
        let Workers { pairs, control } = workers;
        let filter = Arc::pin_init(Filter::new(offer.mac.to_bytes()), GFP_KERNEL)?;
        let taken = Arc::new(Taken::nothing(), GFP_KERNEL)?;
        // The interface publishes its status in the configuration from now on.
        let interface = Arc::new(register(device, &pairs, &taken, &offer)?, GFP_KERNEL)?;
        let pairs = Pairs::new(pairs, &queues, interface.clone(), &filter, &taken, &offer)?;
        let pairs = Arc::new(pairs, GFP_KERNEL)?;
        let offloads = Arc::new(DriverOffloads::new(taken, interface.clone())?, GFP_KERNEL)?;
        let orders = Orders {
            device: device.clone(),
            pairs: pairs.clone(),
            filter: filter.clone(),
            offloads: offloads.clone(),
        };
        control.attach(ControlQueue::new(queues, orders)?);
        let in_use = InUse {
            interface: interface.clone(),
            filter: filter.clone(),
        };
        claim.update(|settings| settings.in_use = Some(in_use));
        Ok(Self {
            control,
            pairs,
            filter,
            offloads,
            interface,
            device: device.clone(),
            offer,
            claim,
        })
    }

    /// Forgets what the driver side said of the packets that it wants, and of its address.
    fn forget_orders(&self) {
        let address = self.offer.mac.to_bytes();
        if self.filter.reset(address) {
            // There is room: it was published before.
            let _ = publish_address(&self.device, &address);
        }
    }
}

impl Drop for NetBackend {
    fn drop(&mut self) {
        let shown = self.claim.update(|settings| settings.in_use.take());
        drop(shown);
    }
}

impl Backend for NetBackend {
    fn check_features(&self, _negotiated: u64) -> Result {
        // Every choice among the offered bits works: what needs a control queue is of no use without.
        Ok(())
    }

    fn start(&self, negotiated: u64) -> Result {
        self.offloads.take(negotiated);
        self.pairs.start(negotiated);
        self.control.start(|queue| queue.prepare(negotiated));
        self.interface.set_carrier(true);
        Ok(())
    }

    fn stop(&self) {
        self.interface.set_carrier(false);
        self.suspend();
        self.offloads.take(0);
        self.forget_orders();
    }

    /// The interface keeps its carrier: what it is given meanwhile waits in its queues.
    fn suspend(&self) {
        // First: it starts and stops receive queues.
        self.control.stop();
        self.pairs.stop();
    }

    fn resume(&self) {
        self.pairs.resume();
        self.control.resume();
    }

    fn write_config(&self, _offset: usize, _from: &[u8]) -> Result {
        // Only the MAC address of a device without `VERSION_1` is writable.
        Err(EINVAL)
    }
}

/// The workers of all queues, before there are queues.
struct Workers {
    pairs: KVec<QueuePair>,
    control: QueueWorker<ControlQueue<Orders>>,
}

impl Workers {
    fn new(count: u16) -> Result<Self> {
        let workqueue = Arc::new(Workqueue::new(c"vhost_bus_net")?, GFP_KERNEL)?;
        let mut pairs = KVec::with_capacity(usize::from(count), GFP_KERNEL)?;
        for _ in 0..count {
            pairs.push(QueuePair::new(&workqueue)?, GFP_KERNEL)?;
        }
        Ok(Self {
            pairs,
            control: QueueWorker::new(
                (c"vhost_bus_net::ControlQueue", static_lock_class!()),
                &workqueue,
            )?,
        })
    }

    /// The queues in the order of their indices (section 5.1.2).
    fn specs(&self) -> Result<KVec<VqSpec>> {
        let mut specs = KVec::with_capacity(2 * self.pairs.len() + 1, GFP_KERNEL)?;
        for (index, pair) in (0..).zip(&self.pairs) {
            let receive = VqSpec {
                name: c"receive",
                max_size: MAX_QUEUE_SIZE,
                group: DATA_GROUP,
                kicked: self.receive_kicked(2 * index, pair)?,
            };
            let transmit = VqSpec {
                name: c"transmit",
                max_size: MAX_QUEUE_SIZE,
                group: DATA_GROUP,
                kicked: pair.transmit.kicked()?,
            };
            specs.push(receive, GFP_KERNEL)?;
            specs.push(transmit, GFP_KERNEL)?;
        }
        let control = VqSpec {
            name: c"control",
            max_size: MAX_QUEUE_SIZE,
            group: CONTROL_GROUP,
            kicked: self.control.kicked()?,
        };
        specs.push(control, GFP_KERNEL)?;
        Ok(specs)
    }

    /// Whom kicks of the receive queue `index` go to: to the control queue as well, where a driver
    /// without `MQ` has that.
    fn receive_kicked(&self, index: u16, pair: &QueuePair) -> Result<Arc<dyn Kicked>> {
        if control_queue(features::CTRL_VQ, 1) != Some(index) {
            return pair.receive.kicked();
        }
        let both = Both(pair.receive.worker().clone(), self.control.worker().clone());
        Ok(Arc::new(both, GFP_KERNEL)?)
    }
}

/// Wakes the workers of a queue that is either one's; the other has nothing to do, or is stopped.
struct Both(Arc<Worker>, Arc<Worker>);

impl Kicked for Both {
    fn kicked(&self, _index: u16) {
        self.0.wake();
        self.1.wake();
    }
}

/// Has the transport make the queues.
fn create_queues(device: &Arc<Device>, workers: &Workers) -> Result<KVec<Arc<dyn Virtqueue>>> {
    let specs = workers.specs()?;
    device.create_vqs(&specs).inspect_err(|error| {
        dev_err!(
            device.dev(),
            "{} pairs of queues and a control queue are not to be had from the transport: {:?}\n",
            workers.pairs.len(),
            error
        );
    })
}

/// Registers the interface of this kernel. It appears at once, without carrier.
fn register(
    device: &Arc<Device>,
    pairs: &[QueuePair],
    taken: &Arc<Taken>,
    offer: &Offer,
) -> Result<Interface> {
    let link = Link::new(device.clone(), receivers(pairs)?, taken.clone());
    let config = InterfaceConfig {
        name: c"vhost%d",
        queues: offer.queue_pairs,
        mtu: offer.mtu,
        offloads: match offer.offloads {
            true => Offloads::ALL,
            false => Offloads::default(),
        },
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
