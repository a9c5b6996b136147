// SPDX-License-Identifier: GPL-2.0

//! The mapped outbound window: the shared memory of a virtio device, into which the emulator maps
//! pages of RC memory.
//!
//! The emulator may do so only once the device has DRIVER_OK, which it gets when it is probed here.
//! There is one such device, and its memory is at one place as long as the machine runs, so what
//! the controller's driver has to know is a constant address and whether it is there.

use epc_regs::{
    WINDOW_SHM_ID,
    WINDOW_VIRTIO_ID, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    }, //
};
use virtio_dev::{
    Device,
    DeviceId,
    Driver,
    SharedMemory, //
};

/// The size of the window, published by [`ADDRESS`].
static SIZE: Atomic<u64> = Atomic::new(0);

/// The physical address of the window; 0 as long as there is none.
static ADDRESS: Atomic<u64> = Atomic::new(0);

/// Returns the window, if its device is there and has its driver.
pub(crate) fn region() -> Option<SharedMemory> {
    match ADDRESS.load(Acquire) {
        0 => None,
        address => Some(SharedMemory {
            address,
            size: SIZE.load(Relaxed),
        }),
    }
}

/// The driver of the window's virtio device.
pub(crate) struct WindowDriver;

impl Driver for WindowDriver {
    const IDS: &'static [DeviceId] = &[DeviceId::new(WINDOW_VIRTIO_ID), DeviceId::END];

    type Data = ();

    fn probe(device: &Device) -> impl PinInit<Self::Data, Error> {
        let region = device.shared_memory(WINDOW_SHM_ID)?;
        SIZE.store(region.size, Relaxed);
        ADDRESS.store(region.address, Release);
        dev_info!(
            device,
            "Outbound window of {:#x} bytes at {:#x}\n",
            region.size,
            region.address
        );
        Ok::<_, Error>(())
    }

    fn remove(_device: &Device, _data: Pin<&Self::Data>) {
        ADDRESS.store(0, Release);
    }
}
