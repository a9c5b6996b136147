// SPDX-License-Identifier: GPL-2.0

//! What joins a vhost device to a vDPA device: the transport that the backend talks to.
//!
//! The vhost side calls in through [`ConfigOps`], the vDPA side through `vdpa_ops`. Status and
//! features are decided by the bus; here they are only kept for the driver side to read.
//!
//! Locks: `config`, a mutex, taken last. Those of the queues are in `queue`.

use crate::queue::{
    Queue,
    Ring, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
};
use vdpa::{
    CallbackSlot,
    KernelMap, //
};
use vhost_bus::{
    ConfigOps,
    Device,
    Virtqueue,
    VqSpec,
    SPLIT_RING_FEATURES, //
};
use virtio::{
    features::RING_PACKED,
    status::Status, //
};

/// The largest number of descriptors of a queue; more do not help without latency to hide.
const MAX_QUEUE_SIZE: u16 = 256;

/// Room for the device configuration in bytes: what a virtio-pci device has room for by custom.
const CONFIG_SIZE: usize = 256;

/// A device of this transport.
#[pin_data]
pub(crate) struct Loop {
    /// The memory that the driver side has mapped.
    map: Arc<KernelMap>,
    /// Made for the first backend; later ones have to do with as many.
    queues: SetOnce<KVec<Arc<Queue>>>,
    #[pin]
    config: Mutex<Config>,
    /// Counts the changes of the configuration.
    generation: Atomic<u32>,
    #[pin]
    config_callback: CallbackSlot,
    /// The device status.
    status: Atomic<u32>,
    /// The features that the driver side last accepted.
    features: Atomic<u64>,
}

/// The device configuration.
struct Config {
    bytes: [u8; CONFIG_SIZE],
    len: usize,
}

impl Loop {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let map = Arc::pin_init(KernelMap::new(), GFP_KERNEL)?;
        let config = Config {
            bytes: [0; CONFIG_SIZE],
            len: 0,
        };
        let transport = pin_init!(Self {
            map,
            queues: SetOnce::new(),
            config <- new_mutex!(config, "vhost_loop::Loop::config"),
            generation: Atomic::new(0),
            config_callback <- CallbackSlot::new(),
            status: Atomic::new(0),
            features: Atomic::new(0),
        });
        Arc::pin_init(transport, GFP_KERNEL)
    }

    /// Returns the queues, or none if there has never been a backend. Context: any.
    pub(crate) fn queues(&self) -> &[Arc<Queue>] {
        self.queues.as_ref().map_or(&[], |queues| queues)
    }

    /// Returns a queue. Context: any.
    pub(crate) fn queue(&self, index: u16) -> Option<&Arc<Queue>> {
        self.queues().get(usize::from(index))
    }

    /// Returns the rings that the backend uses. Context: process.
    fn rings(&self) -> impl Iterator<Item = Arc<Ring>> + '_ {
        self.queues().iter().filter_map(|queue| queue.ring())
    }

    /// Returns how many groups the queues are in, at least one. Context: process.
    pub(crate) fn groups(&self) -> u32 {
        let last = self.queues().iter().map(|queue| queue.group()).max();
        last.unwrap_or(0).saturating_add(1)
    }

    /// Puts the queues of a group into an address space, from their next start on. Context: process.
    pub(crate) fn set_group_space(&self, group: u32, space: u32) {
        let queues = self.queues().iter();
        for queue in queues.filter(|queue| queue.group() == group) {
            queue.set_up(|setup| setup.space = space);
        }
    }

    pub(crate) fn map(&self) -> &Arc<KernelMap> {
        &self.map
    }

    pub(crate) fn config_callback(&self) -> &CallbackSlot {
        &self.config_callback
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Relaxed)
    }

    /// Keeps the features that the driver side accepted, when they are accepted by the backend too.
    pub(crate) fn keep_features(&self, features: u64) {
        self.features.store(features, Relaxed);
    }

    pub(crate) fn config_size(&self) -> usize {
        self.config.lock().len
    }

    /// Copies the configuration from `offset`, as far as there is any.
    pub(crate) fn read_config(&self, offset: usize, to: &mut [u8]) {
        let config = self.config.lock();
        let from = config.bytes.get(offset..).unwrap_or_default();
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
    }

    /// Makes the queues of the first backend, or checks that they are enough for a later one.
    fn make_queues(&self, count: usize) -> Result<&[Arc<Queue>]> {
        if self.queues.as_ref().is_none() {
            let mut queues = KVec::with_capacity(count, GFP_KERNEL)?;
            for _ in 0..count {
                queues.push(Queue::new()?, GFP_KERNEL)?;
            }
            // Cannot fail: backends are bound one at a time.
            self.queues.populate(queues);
        }
        self.queues().get(..count).ok_or(ENOSPC)
    }
}

impl ConfigOps for Loop {
    fn create_vqs(
        &self,
        device: &Arc<Device>,
        specs: &[VqSpec],
    ) -> Result<KVec<Arc<dyn Virtqueue>>> {
        let mut rings = KVec::<Arc<Ring>>::with_capacity(specs.len(), GFP_KERNEL)?;
        let mut virtqueues = KVec::<Arc<dyn Virtqueue>>::with_capacity(specs.len(), GFP_KERNEL)?;
        let queues = self.make_queues(specs.len())?;
        for ((index, spec), queue) in (0..).zip(specs).zip(queues) {
            let ring = Ring::new(device, index, spec, MAX_QUEUE_SIZE, queue.signal())?;
            virtqueues.push(ring.clone(), GFP_KERNEL)?;
            rings.push(ring, GFP_KERNEL)?;
        }
        for (queue, ring) in queues.iter().zip(rings) {
            queue.replace_ring(Some(ring));
        }
        Ok(virtqueues)
    }

    fn del_vqs(&self) {
        for ring in self.queues().iter().filter_map(|q| q.replace_ring(None)) {
            ring.retire();
        }
    }

    fn read(&self, src: u64, to: &mut [u8]) -> Result {
        self.map.read(0, src, to)
    }

    fn write(&self, dst: u64, from: &[u8]) -> Result {
        self.map.write(0, dst, from)
    }

    fn suspend(&self) {
        self.rings().for_each(|ring| ring.suspend());
        self.config_callback.hold();
    }

    fn resume(&self) {
        self.rings().for_each(|ring| ring.resume());
        self.config_callback.release();
    }

    /// The driver side asks the bus for the features: nothing to publish.
    fn set_features(&self, _device_features: u64) -> Result {
        Ok(())
    }

    fn transport_features(&self) -> u64 {
        SPLIT_RING_FEATURES | RING_PACKED
    }

    fn get_features(&self) -> u64 {
        self.features.load(Relaxed)
    }

    fn set_status(&self, status: Status) -> Result {
        if status.is_reset() {
            self.queues().iter().for_each(|queue| queue.reset());
            self.config_callback.clear();
            self.config_callback.release();
            self.keep_features(0);
        }
        let before = self.get_status();
        self.status.store(status.bits().into(), Relaxed);
        let needs_reset = Status::DEVICE_NEEDS_RESET;
        if status.contains(needs_reset) && !before.contains(needs_reset) {
            self.config_changed();
        }
        Ok(())
    }

    fn get_status(&self) -> Status {
        // CAST: `set_status` stores 8 bits.
        Status::from_bits(self.status.load(Relaxed) as u8)
    }

    fn set_config(&self, offset: usize, from: &[u8]) -> Result {
        let mut config = self.config.lock();
        let end = offset.checked_add(from.len()).ok_or(EINVAL)?;
        config
            .bytes
            .get_mut(offset..end)
            .ok_or(EINVAL)?
            .copy_from_slice(from);
        config.len = config.len.max(end);
        self.generation.fetch_add(1, Relaxed);
        Ok(())
    }

    fn config_changed(&self) {
        self.config_callback.call_from_process();
    }
}
