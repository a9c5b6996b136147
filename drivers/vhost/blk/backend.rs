// SPDX-License-Identifier: GPL-2.0

//! The backend of one device.

use crate::{
    config::{
        Offer,
        MAX_QUEUE_SIZE, //
    },
    configfs::Settings,
    disk::{
        Disk,
        OpenError, //
    },
    queue::RequestQueue,
    request::Limits, //
};
use concurrency::Queue as Workqueue;
use kernel::{
    prelude::*,
    static_lock_class,
    sync::Arc, //
};
use vhost_backend::{
    Claim,
    InstanceBackend,
    QueueWorker, //
};
use vhost_bus::{
    Backend,
    Device,
    VqSpec, //
};
use virtio::{
    blk::SECTOR_SIZE,
    ids::DeviceId, //
};

/// The device side of one disk.
pub(crate) struct BlkBackend {
    workers: KVec<QueueWorker<RequestQueue>>,
    _claim: Claim<Settings>,
}

impl InstanceBackend for BlkBackend {
    type Settings = Settings;

    const DRIVER: &'static CStr = c"vhost_bus_blk";
    const ID: DeviceId = DeviceId::BLOCK;

    fn new(device: &Arc<Device>, claim: Claim<Settings>) -> Result<Self> {
        let disk = Arc::new(open_disk(device, &claim)?, GFP_KERNEL)?;
        let num_queues = claim.with(|settings| settings.num_queues);
        let backend = Self {
            workers: make_workers(num_queues)?,
            _claim: claim,
        };
        backend.publish(device, disk)?;
        Ok(backend)
    }
}

impl BlkBackend {
    /// Creates the queues and shows what the disk is.
    fn publish(&self, device: &Arc<Device>, disk: Arc<Disk>) -> Result {
        let mut specs = KVec::with_capacity(self.workers.len(), GFP_KERNEL)?;
        for worker in &self.workers {
            let spec = VqSpec {
                name: c"requests",
                max_size: MAX_QUEUE_SIZE,
                group: 0,
                kicked: worker.kicked()?,
            };
            specs.push(spec, GFP_KERNEL)?;
        }
        let virtqueues = device.create_vqs(&specs)?;
        let queue_size = virtqueues.iter().map(|queue| queue.size()).min();
        // CAST: At most `MAX_QUEUES`.
        let num_queues = self.workers.len() as u16;
        let offer = Offer::new(
            &disk.store,
            num_queues,
            queue_size.unwrap_or(MAX_QUEUE_SIZE),
        );
        let limits = Limits { offer, features: 0 };
        for (worker, virtqueue) in self.workers.iter().zip(virtqueues) {
            let queue = RequestQueue::new(virtqueue, disk.clone(), limits, worker.worker())?;
            worker.attach(queue);
        }
        device.set_features(offer.features())?;
        device.set_config(0, &offer.config().to_bytes())?;
        report(device, &offer, disk.store.is_direct());
        Ok(())
    }
}

impl Backend for BlkBackend {
    fn check_features(&self, _negotiated: u64) -> Result {
        // Every choice among the offered bits works: without `FLUSH` writes go through, without
        // `MQ` the other queues stay idle.
        Ok(())
    }

    fn start(&self, negotiated: u64) -> Result {
        for worker in &self.workers {
            worker.start(|queue| queue.start(negotiated));
        }
        Ok(())
    }

    fn stop(&self) {
        for worker in &self.workers {
            worker.stop();
        }
    }

    fn suspend(&self) {
        self.stop();
    }

    fn resume(&self) {
        for worker in &self.workers {
            worker.resume();
        }
    }

    fn write_config(&self, _offset: usize, _from: &[u8]) -> Result {
        // Only `writeback` could be written, and `CONFIG_WCE` is not offered.
        Err(EINVAL)
    }
}

fn open_disk(device: &Device, claim: &Claim<Settings>) -> Result<Disk> {
    claim.with(|settings| {
        Disk::open(settings, device.instance()).map_err(|error: OpenError<'_>| {
            dev_err!(device.dev(), "Instance {}: {}\n", device.instance(), error);
            error.errno()
        })
    })
}

fn make_workers(count: u16) -> Result<KVec<QueueWorker<RequestQueue>>> {
    let workqueue = Arc::new(Workqueue::new(c"vhost_bus_blk")?, GFP_KERNEL)?;
    let mut workers = KVec::with_capacity(usize::from(count), GFP_KERNEL)?;
    for _ in 0..count {
        let worker = QueueWorker::new(
            (c"vhost_bus_blk::RequestQueue", static_lock_class!()),
            &workqueue,
        )?;
        workers.push(worker, GFP_KERNEL)?;
    }
    Ok(workers)
}

fn report(device: &Device, offer: &Offer, is_direct: bool) {
    dev_info!(
        device.dev(),
        "Disk of {} sectors of {} bytes, {}, {}, discard {}\n",
        offer.capacity,
        SECTOR_SIZE,
        if offer.read_only {
            "read-only"
        } else {
            "writable"
        },
        if is_direct { "direct" } else { "cached" },
        if offer.can_discard {
            "supported"
        } else {
            "not supported"
        }
    );
}
