// SPDX-License-Identifier: GPL-2.0

//! The operations of a vDPA device, and the values they take and return.
//!
//! Context of all operations but the kicks: process, may sleep. Three locks of the users order
//! them, and no operation may wait for something that takes one of these:
//!
//! * `cf_lock` of the device, held for writing around `reset`, `set_status`, `set_driver_features`
//!   and `set_config`, for reading around `get_config`;
//! * the mutex of `vhost_vdpa`, around all it calls; `virtio_vdpa` has none, it sets up and tears
//!   down queues from the probe and remove of the virtio driver, one at a time;
//! * `vdpa_dev_lock`, around everything while the device is added or deleted, hence around the
//!   whole probe of the virtio driver.

use crate::{
    bindings,
    callback::Callback,
    stats::VendorStats, //
};
use kernel::{
    error::VTABLE_DEFAULT_ERROR,
    io::PhysAddr,
    prelude::*, //
};
use virtio::ring::Position;

/// Of [`ConfigOps::get_backend_features`]: queues may be started after DRIVER_OK.
pub const ENABLE_AFTER_DRIVER_OK: u64 = 1 << bindings::VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK;

/// The addresses of the three areas of a virtqueue, as the device shall use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VqAddress {
    /// The descriptor area: the descriptor table.
    pub descriptor_area: u64,
    /// The driver area: the available ring.
    pub driver_area: u64,
    /// The device area: the used ring.
    pub device_area: u64,
}

/// A place in physical memory where a write is an available buffer notification, for user space.
///
/// `vhost_vdpa` maps it only if `address` is a multiple of the page size and `size` one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotificationArea {
    /// Physical address of the first byte.
    pub address: PhysAddr,
    /// Size in bytes.
    pub size: PhysAddr,
}

/// What the device may do with a mapped area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// The device may read.
    Read,
    /// The device may write.
    Write,
    /// The device may read and write.
    ReadWrite,
}

/// Memory of a process, and where the device finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaRange {
    /// The number of the address space.
    pub space: u32,
    /// The address that the process calls the first byte by.
    pub iova: u64,
    /// Size in bytes.
    pub size: u64,
    /// The DMA address of the first byte; the others follow.
    pub address: u64,
    /// What the device may do.
    pub permission: Permission,
}

/// A vDPA device, seen by `virtio_vdpa`, `vhost_vdpa` and the `vdpa` tool.
///
/// No operation is called before the device is registered nor after it is unregistered. Queue
/// indices are those of the device, as the [`QueueMap`](virtio::provision::QueueMap) has it that it was
/// made with; they are below the number of queues only if the caller is `virtio_vdpa`; check them. Optional operations are absent in C when they are not implemented.
/// The last three operations are called for a device made with
/// [`Memory::Translated`](crate::Memory::Translated) only.
#[vtable]
pub trait ConfigOps: Send + Sync + Sized + 'static {
    /// Sets where the areas of a queue are. Before the queue is ready.
    ///
    /// # Errors
    ///
    /// Any; the set-up of the queue fails.
    fn set_vq_address(&self, vq: u16, address: VqAddress) -> Result;

    /// Sets the size of a queue in descriptors. Before the queue is ready.
    fn set_vq_num(&self, vq: u16, size: u32);

    /// Tells the device that a queue has new buffers available.
    ///
    /// Context: any, with interrupts off, from within a virtio driver's locks and from within a
    /// [`Callback`]. Must not sleep, nor call a callback.
    fn kick_vq(&self, vq: u16);

    /// Tells the device how far a queue has buffers available: the queue index in the low 16 bits,
    /// the next available index above. Called instead of [`kick_vq`](Self::kick_vq) when
    /// VIRTIO_F_NOTIFICATION_DATA is negotiated.
    ///
    /// Context: as for `kick_vq`.
    fn kick_vq_with_data(&self, _data: u32) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the callback for used buffers of a queue, which `vhost_vdpa` replaces while it runs.
    fn set_vq_cb(&self, vq: u16, callback: Option<Callback>);

    /// Starts or stops a queue.
    ///
    /// When this returns after a stop, the device does not touch the queue's memory any more and
    /// the queue's callback is not called any more: `virtio_vdpa` frees both right after.
    /// `virtio_vdpa` stops a queue whose set-up failed after it has freed the memory.
    fn set_vq_ready(&self, vq: u16, ready: bool);

    /// Returns whether a queue is started.
    fn get_vq_ready(&self, vq: u16) -> bool;

    /// Sets where a queue starts. Called in every set-up.
    ///
    /// # Errors
    ///
    /// Any; the set-up of the queue fails.
    fn set_vq_state(&self, vq: u16, position: Position) -> Result;

    /// Returns where a queue stands. Called when the device is suspended or the queue is stopped.
    ///
    /// # Errors
    ///
    /// Any; passed to user space.
    fn get_vq_state(&self, vq: u16) -> Result<Position>;

    /// Says what the driver counts of a queue. Under `cf_lock`, after FEATURES_OK.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such queue; and those of [`VendorStats::put`].
    fn get_vendor_vq_stats(&self, _vq: u16, _stats: &mut VendorStats) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns where user space may write its notifications for a queue. Also called from page
    /// faults, with the `mmap` lock held.
    fn get_vq_notification(&self, _vq: u16) -> NotificationArea {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the Linux interrupt that calls the callback of this queue and does nothing else.
    ///
    /// # Errors
    ///
    /// `EINVAL` by custom: there is none, or it is shared.
    fn get_vq_irq(&self, _vq: u16) -> Result<u32> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the group of a queue, below the number of groups that the device was made with. Queues of one
    /// group are always in the same address space.
    fn get_vq_group(&self, _vq: u16) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Puts the queues of a group into an address space. `vhost_vdpa` has checked both numbers, and does not
    /// ask after DRIVER_OK. All groups are in address space 0 after a reset.
    ///
    /// # Errors
    ///
    /// Any; passed to user space.
    fn set_group_asid(&self, _group: u32, _space: u32) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the largest size of a queue in descriptors; 0: there is no such queue.
    fn get_vq_size(&self, _vq: u16) -> u16 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the alignment of the used ring in bytes.
    fn get_vq_align(&self) -> u32;

    /// Returns the largest size of any queue, in descriptors. Also called before the first reset.
    fn get_vq_num_max(&self) -> u16;

    /// Returns the smallest size of any queue, in descriptors; 1 if not implemented.
    fn get_vq_num_min(&self) -> u16 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the features that the device offers.
    fn get_device_features(&self) -> u64;

    /// Returns what the device can do beyond virtio, as far as the kernel does not see it by the operations
    /// that there are: bits like [`ENABLE_AFTER_DRIVER_OK`].
    fn get_backend_features(&self) -> u64 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the features that the driver side accepts.
    ///
    /// Also called with 0, and with `cf_lock` held for reading only, when somebody reads the
    /// configuration first.
    ///
    /// # Errors
    ///
    /// Any; the probe of the virtio driver fails.
    fn set_driver_features(&self, features: u64) -> Result;

    /// Returns the features set last.
    fn get_driver_features(&self) -> u64;

    /// Sets the callback for changes of the configuration.
    fn set_config_cb(&self, callback: Option<Callback>);

    /// Returns the virtio device type.
    fn get_device_id(&self) -> u32;

    /// Returns the virtio vendor.
    fn get_vendor_id(&self) -> u32;

    /// Returns the device status; 0 right after a reset.
    fn get_status(&self) -> u8;

    /// Sets the device status; never 0. Must not set FEATURES_OK if the features are refused.
    fn set_status(&self, status: u8);

    /// Resets the device.
    ///
    /// When this returns, all queues are stopped as by [`set_vq_ready`](Self::set_vq_ready) and the
    /// configuration callback is not called any more. Kicks may still come.
    ///
    /// # Errors
    ///
    /// Any; `virtio_vdpa` ignores it.
    fn reset(&self) -> Result;

    /// Stops all queues and completes what is in flight, keeping their state. Not under `cf_lock`.
    ///
    /// # Errors
    ///
    /// Any; passed to user space.
    fn suspend(&self) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes [`suspend`](Self::suspend). Not under `cf_lock`.
    ///
    /// # Errors
    ///
    /// Any; passed to user space.
    fn resume(&self) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the size of the configuration in bytes.
    fn get_config_size(&self) -> usize;

    /// Reads the configuration from `offset` into `to`, which is zeroed and may reach beyond the
    /// end of the configuration.
    fn get_config(&self, offset: usize, to: &mut [u8]);

    /// Writes the configuration from `offset`.
    fn set_config(&self, offset: usize, from: &[u8]);

    /// Returns a number that changes whenever the configuration does.
    fn get_generation(&self) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A driver of the kernel is about to set up a queue; its addresses will be DMA addresses. If this is not
    /// called between a reset and the start of a queue, the addresses are those of a process.
    fn kernel_has_queue(&self, _vq: u16) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lets the device use memory of a process. Together with [`dma_unmap`](Self::dma_unmap) and
    /// [`kernel_has_queue`](Self::kernel_has_queue). With the `mmap` lock of the process held.
    ///
    /// # Errors
    ///
    /// Any; passed to user space. The device does not touch the memory then.
    fn dma_map(&self, _range: &DmaRange) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes one mapping away, as it was made; when this returns, the device does not touch the memory
    /// any more. May come after a reset, which takes none away.
    fn dma_unmap(&self, _space: u32, _iova: u64, _size: u64) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
