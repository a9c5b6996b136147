// SPDX-License-Identifier: GPL-2.0

//! A virtio device as its driver sees it.

use crate::bindings;
use kernel::{
    device,
    prelude::*,
    types::Opaque, //
};

/// A virtio device (`struct virtio_device`) in a callback of its driver.
#[repr(transparent)]
pub struct Device(Opaque<bindings::virtio_device>);

/// A shared memory region of a device (VIRTIO 1.2, 2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedMemory {
    /// The physical address.
    pub address: u64,
    /// The size in bytes.
    pub size: u64,
}

impl Device {
    /// # Safety
    ///
    /// `vdev` must be valid for `'a`.
    pub(crate) unsafe fn from_raw<'a>(vdev: *mut bindings::virtio_device) -> &'a Self {
        // SAFETY: By the requirements of this function; `Self` is a transparent wrapper.
        unsafe { &*vdev.cast() }
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::virtio_device {
        self.0.get()
    }

    /// Returns the shared memory region `id`.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the device has no such region.
    pub fn shared_memory(&self, id: u8) -> Result<SharedMemory> {
        let mut region = bindings::virtio_shm_region::default();
        // SAFETY: `self` is valid.
        if unsafe { bindings::virtio_dev_get_shm_region(self.as_raw(), &mut region, id) } {
            Ok(SharedMemory {
                address: region.addr,
                size: region.len,
            })
        } else {
            Err(ENOENT)
        }
    }

    /// Resets the device: it has no driver from its point of view.
    pub(crate) fn reset(&self) {
        // SAFETY: `self` is valid.
        unsafe { bindings::virtio_reset_device(self.as_raw()) }
    }
}

impl AsRef<device::Device> for Device {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: `self` is valid, hence the device in it; `device::Device` wraps it transparently.
        unsafe { &*(&raw const (*self.as_raw()).dev).cast() }
    }
}
