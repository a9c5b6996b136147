// SPDX-License-Identifier: GPL-2.0

//! A network device between its allocation and its registration, and what is in its private area.

use crate::{
    bindings,
    device::{
        Config,
        Operations, //
    },
    queue::Queue,
    table::Table, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// What is in the private area of a device.
pub(crate) struct Private<T> {
    pub(crate) operations: T,
    pub(crate) queues: KVec<Pin<KBox<Queue>>>,
    /// How many transmit queues are used: at least one, and the first ones.
    used_queues: Atomic<u32>,
}

/// A device that is set up and not registered.
///
/// # Invariants
///
/// `ptr` is a network device that this object owns, and its private area is a `Private<T>`.
pub(crate) struct Allocated<T: Operations> {
    ptr: NonNull<bindings::net_device>,
    _owns: PhantomData<Private<T>>,
}

// SAFETY: A network device may be used and freed by any thread; `T` is `Send`.
unsafe impl<T: Operations> Send for Allocated<T> {}

// SAFETY: What a shared reference allows has its own synchronisation; `T` is `Sync`.
unsafe impl<T: Operations> Sync for Allocated<T> {}

impl<T: Operations> Allocated<T> {
    pub(crate) fn new(config: &Config<'_>, operations: T) -> Result<Self> {
        const {
            // The kernel aligns the private area to NETDEV_ALIGN.
            assert!(core::mem::align_of::<Private<T>>() <= 32);
        }
        if config.queues == 0 {
            return Err(EINVAL);
        }
        let raw = RawDevice::new(size_of::<Private<T>>(), config.name, config.queues)?;
        let private = Private {
            operations,
            queues: raw.make_queues(config.queues)?,
            used_queues: Atomic::new(config.queues.into()),
        };
        raw.prepare(Table::<T>::operations(), config);
        let ptr = raw.into_inner();
        // INVARIANT: The private area is written here.
        //
        // SAFETY: The private area has the size and alignment of `Private<T>`, and nobody uses it.
        unsafe { private_area(ptr.as_ptr()).write(private) };
        Ok(Self {
            ptr,
            _owns: PhantomData,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::net_device {
        self.ptr.as_ptr()
    }

    pub(crate) fn private(&self) -> &Private<T> {
        // SAFETY: By the type invariant, the private area is a `Private<T>`; only `drop` ends it.
        unsafe { &*private_area::<T>(self.as_ptr()) }
    }

    pub(crate) fn queue(&self, index: u16) -> Option<&Queue> {
        self.private().queue(index)
    }
}

impl<T: Operations> Drop for Allocated<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this object owns the device and its private area; it is
        // not registered, so nobody else uses either. The queues go before the device.
        unsafe {
            private_area::<T>(self.as_ptr()).drop_in_place();
            bindings::free_netdev(self.as_ptr());
        }
    }
}

impl<T> Private<T> {
    pub(crate) fn queue(&self, index: u16) -> Option<&Queue> {
        self.queues
            .get(usize::from(index))
            .map(|queue| queue.as_ref().get_ref())
    }

    /// Uses the first `count` transmit queues from now on, or as many as there are; at least one.
    pub(crate) fn use_queues(&self, count: u16) {
        // CAST: There are as many queues as a 16-bit number said.
        let count = count.clamp(1, self.queues.len() as u16);
        self.used_queues.store(count.into(), Relaxed);
    }

    /// Returns how many transmit queues are used.
    pub(crate) fn used_queues(&self) -> u16 {
        // CAST: Only 16 bits are stored.
        self.used_queues.load(Relaxed) as u16
    }
}

/// Returns where the private area of a device is.
///
/// # Safety
///
/// `dev` is a network device, allocated with room for a `Private<T>`.
pub(crate) unsafe fn private_area<T>(dev: *mut bindings::net_device) -> *mut Private<T> {
    // SAFETY: Required of the caller.
    unsafe { bindings::netdev_helper_private(dev).cast() }
}

/// A device whose private area is not initialised yet.
///
/// # Invariants
///
/// `ptr` is a network device that this object owns.
struct RawDevice {
    ptr: NonNull<bindings::net_device>,
}

impl RawDevice {
    fn new(private_size: usize, name: &'static CStr, queues: u16) -> Result<Self> {
        // CAST: The constant fits its parameter.
        //
        // SAFETY: `name` is a C string; `ether_setup` is a set-up function for network devices.
        let ptr = unsafe {
            bindings::alloc_netdev_mqs(
                i32::try_from(private_size)?,
                name.as_char_ptr(),
                bindings::NET_NAME_ENUM as u8,
                Some(bindings::ether_setup),
                u32::from(queues),
                u32::from(queues),
            )
        };
        // INVARIANT: The device was allocated for the caller.
        Ok(Self {
            ptr: NonNull::new(ptr).ok_or(ENOMEM)?,
        })
    }

    fn make_queues(&self, count: u16) -> Result<KVec<Pin<KBox<Queue>>>> {
        let mut queues = KVec::with_capacity(usize::from(count), GFP_KERNEL)?;
        for index in 0..count {
            // SAFETY: The device has `count` queues, and frees them before itself.
            let queue = unsafe { Queue::new(self.ptr, index) };
            queues.push(KBox::pin_init(queue, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(queues)
    }

    fn prepare(&self, operations: &'static bindings::net_device_ops, config: &Config<'_>) {
        // SAFETY: By the type invariant, the device is one that nobody else uses; the operations
        // live for ever. `device::Device` is a transparent wrapper of `struct device`.
        unsafe {
            bindings::netdev_helper_prepare(
                self.ptr.as_ptr(),
                operations,
                u32::from(config.mtu),
                config.offloads.features(),
            );
            if let Some(parent) = config.parent {
                bindings::netdev_helper_set_parent(
                    self.ptr.as_ptr(),
                    core::ptr::from_ref(parent).cast_mut().cast(),
                );
            }
        }
    }

    fn into_inner(self) -> NonNull<bindings::net_device> {
        let ptr = self.ptr;
        core::mem::forget(self);
        ptr
    }
}

impl Drop for RawDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this object owns the device.
        unsafe { bindings::free_netdev(self.ptr.as_ptr()) }
    }
}
