// SPDX-License-Identifier: GPL-2.0

//! What a transport does for a device: how the driver side is reached.
//!
//! These are the operations of the `vhost_config_ops` that the RFC "Enhance VHOST to enable
//! SoC-to-SoC communication" (2020) proposed, with the split of queue addresses and the feature
//! and status fields of modern virtio. Documentation/vhost-bus.rst has the table of both.

use crate::{
    Device,
    Virtqueue, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio::{
    features,
    status::Status, //
};

/// The vendor of a device whose transport has none: the PCI vendor of virtio (VIRTIO 1.2, section
/// 4.1.2).
const VIRTIO_VENDOR: u32 = 0x1af4;

/// What a modern transport offers that makes [`RingQueue`](crate::RingQueue)s of split rings.
///
/// Backends give chains back in the order in which they took them (`IN_ORDER`).
pub const SPLIT_RING_FEATURES: u64 = features::VERSION_1
    | features::ACCESS_PLATFORM
    | features::ORDER_PLATFORM
    | features::INDIRECT_DESC
    | features::EVENT_IDX
    | features::IN_ORDER;

/// The backend's end of an available buffer notification.
pub trait Kicked: Send + Sync {
    /// The driver side made buffers available in the queue `index`, or may have.
    ///
    /// Context: any, hard interrupts included, with the queue's kick lock held: it must neither
    /// sleep nor call the queue. Usually it wakes a `concurrency::Worker`.
    fn kicked(&self, index: u16);
}

/// A queue that a backend asks for.
#[derive(Clone)]
pub struct VqSpec {
    /// What the queue is for, as an operator sees it.
    pub name: &'static CStr,
    /// The largest number of descriptors that the backend can use; the transport may have less.
    pub max_size: u16,
    /// The number of its group. Memory that the driver side gives to the queues of one group is not there for
    /// those of another, where the transport can keep them apart.
    pub group: u16,
    /// Whom to tell of new buffers.
    pub kicked: Arc<dyn Kicked>,
}

/// The operations of a transport on one device.
///
/// Context: process. `create_vqs`, `del_vqs`, `set_features`, `set_status`, `suspend`, `resume` and
/// `backend_bound` come one at a time, with the device's state lock held or while a backend is being
/// bound; the others come at any time and concurrently. A transport must not call a method of [`Device`] from within an
/// operation, nor hold a lock across such a method that an operation takes.
pub trait ConfigOps: Send + Sync {
    /// Makes the queues of the backend that is being bound, with the indices of `specs`.
    ///
    /// They are not ready until the driver side has configured them. Transports with a split ring
    /// make [`RingQueue`](crate::RingQueue)s.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: the transport has fewer queues; `ENOMEM`: no memory. None is left behind.
    fn create_vqs(
        &self,
        device: &Arc<Device>,
        specs: &[VqSpec],
    ) -> Result<KVec<Arc<dyn Virtqueue>>>;

    /// Forgets the queues and what they were made from; there may be none.
    ///
    /// On return no [`Kicked::kicked`] is running, none will be called, and each queue that a
    /// backend might still hold answers `EPIPE`.
    fn del_vqs(&self);

    /// Copies from memory of the driver side at its address `src`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: not memory of the driver side; `EIO`: it cannot be reached.
    fn read(&self, src: u64, to: &mut [u8]) -> Result;

    /// Copies to memory of the driver side at its address `dst`.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    fn write(&self, dst: u64, from: &[u8]) -> Result;

    /// Keeps the queues from the backend, which stands still, by
    /// [`RingQueue::suspend`](crate::RingQueue::suspend); then sends no notification.
    ///
    /// It ends with [`resume`](Self::resume), or with a reset.
    fn suspend(&self);

    /// Undoes [`suspend`](Self::suspend) and sends what was held back; the backend goes on after this.
    fn resume(&self);

    /// Publishes the features that the device offers; zero when there is no backend.
    ///
    /// The transport adds those of its own, which [`transport_features`](Self::transport_features)
    /// names.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the transport cannot carry one of them.
    fn set_features(&self, device_features: u64) -> Result;

    /// Returns the features that the transport offers by itself.
    ///
    /// [`SPLIT_RING_FEATURES`], unless it says otherwise.
    fn transport_features(&self) -> u64 {
        SPLIT_RING_FEATURES
    }

    /// Returns the features that the driver side last accepted, as the transport has them.
    fn get_features(&self) -> u64;

    /// Publishes the device status; the bus alone decides what is in the field.
    ///
    /// [`Status::RESET`]: the transport first deactivates every queue and drops what it maps of the
    /// driver side, so that nothing touches its memory once it can read the zero.
    /// [`Status::DEVICE_NEEDS_RESET`] appearing: a config-change notification follows the value.
    ///
    /// # Errors
    ///
    /// `EIO`: the driver side cannot be told.
    fn set_status(&self, status: Status) -> Result;

    /// Returns the device status as the driver side reads it.
    fn get_status(&self) -> Status;

    /// Publishes bytes of the device configuration space at `offset` and bumps its generation.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the transport has no room for them.
    fn set_config(&self, offset: usize, from: &[u8]) -> Result;

    /// Sends a config-change notification, after what [`set_config`](Self::set_config) published.
    fn config_changed(&self);

    /// A backend has been bound: the device is complete and may be shown to the driver side.
    ///
    /// The opposite is [`del_vqs`](Self::del_vqs).
    fn backend_bound(&self) {}

    /// Returns the vendor of the device.
    fn vendor_id(&self) -> u32 {
        VIRTIO_VENDOR
    }
}
