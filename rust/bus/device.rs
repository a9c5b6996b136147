// SPDX-License-Identifier: GPL-2.0

//! A device on a bus: its `struct device`, what it is, and what drivers see of it.
//!
//! Two parts have two lives. The [`Node`] with the `struct device` and the identity lives until its
//! last reference is gone, which may be after the provider let go: the driver core may still match
//! it. The payload is there from registration to deletion, and probe, remove and attributes happen
//! in between alone; so the payload may have a reference to the node without keeping it for ever.

use crate::{
    bindings,
    driver,
    Bus, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    device::Device,
    error::{
        from_result,
        to_result, //
    },
    ffi,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::Opaque, //
};

/// A `struct device` and what belongs to it; dropped by [`release`].
#[repr(C)]
pub(crate) struct Node<B: Bus> {
    /// At offset zero: C hands it back.
    raw: Opaque<bindings::device>,
    number: Number<B>,
    identity: B::Identity,
    /// Written while the device is not registered.
    payload: UnsafeCell<Option<Arc<B::Device>>>,
    /// Last, as the code that drops the others is in this module. What is left to run of it then is the
    /// return from [`release`]; the module cannot be unloaded meanwhile as long as its user, which
    /// most often drops the last reference, is loaded.
    _module: ModuleReference<B>,
}

impl<B: Bus> Node<B> {
    /// Makes a device that has a name and is not registered; the caller gets its only reference.
    fn new(identity: B::Identity, parent: Option<&Device>) -> Result<NonNull<Self>> {
        let bus = B::bus_type().registered()?;
        let node = Self {
            raw: Opaque::zeroed(),
            number: Number::new()?,
            identity,
            payload: UnsafeCell::new(None),
            _module: ModuleReference::new()?,
        };
        let node = KBox::leak(KBox::new(node, GFP_KERNEL)?);
        let raw = node.raw.get();
        // SAFETY: The device is zeroed, as `device_initialize` wants it, and ours alone. The caller
        // keeps the parent for this call; `device_add` takes a reference of its own.
        unsafe {
            bindings::device_initialize(raw);
            (*raw).bus = bus;
            (*raw).release = Some(release::<B>);
            (*raw).parent = parent.map_or(ptr::null_mut(), as_raw);
        }
        let number = node.number.0;
        // SAFETY: The device is initialised; the format takes a string and a number.
        to_result(unsafe {
            bindings::dev_set_name(raw, c"%s%u".as_char_ptr(), B::NAME.as_char_ptr(), number)
        })
        // SAFETY: The reference is ours, and `node` is not used any more.
        .inspect_err(|_| unsafe { bindings::put_device(raw) })?;
        Ok(NonNull::from(node))
    }

    /// Returns what the device is.
    ///
    /// # Safety
    ///
    /// `raw` is a device of the bus `B` that lives as long as the reference is used.
    pub(crate) unsafe fn identity<'a>(raw: *const bindings::device) -> &'a B::Identity {
        // SAFETY: Devices of this bus are made by `new` alone, hence within a `Node<B>`.
        unsafe { &(*raw.cast::<Self>()).identity }
    }

    /// Returns what drivers see of the device.
    ///
    /// # Safety
    ///
    /// `raw` is a device of the bus `B` that stays registered as long as the reference is used.
    pub(crate) unsafe fn payload<'a>(raw: *mut bindings::device) -> Option<&'a Arc<B::Device>> {
        // SAFETY: As in `identity`; while the device is registered, nobody writes the payload.
        unsafe { (*(*raw.cast::<Self>()).payload.get()).as_ref() }
    }
}

/// A number in the names of a bus's devices.
struct Number<B: Bus>(u32, PhantomData<fn() -> B>);

impl<B: Bus> Number<B> {
    fn new() -> Result<Self> {
        const MAX: u32 = i32::MAX as u32;

        // SAFETY: The bus is registered, hence its numbers are initialised.
        let number = unsafe {
            bindings::ida_alloc_range(B::bus_type().numbers(), 0, MAX, bindings::GFP_KERNEL)
        };
        let number = u32::try_from(number).map_err(|_| Error::from_errno(number))?;
        Ok(Self(number, PhantomData))
    }
}

impl<B: Bus> Drop for Number<B> {
    fn drop(&mut self) {
        // SAFETY: `new` took the number.
        unsafe { bindings::ida_free(B::bus_type().numbers(), self.0) }
    }
}

/// What keeps the module of the bus loaded.
struct ModuleReference<B: Bus>(PhantomData<fn() -> B>);

impl<B: Bus> ModuleReference<B> {
    fn new() -> Result<Self> {
        // SAFETY: The module is there: this code is in it, and so is its bus.
        if unsafe { bindings::bus_module_get(B::module().as_ptr()) } {
            Ok(Self(PhantomData))
        } else {
            Err(ENODEV)
        }
    }
}

impl<B: Bus> Drop for ModuleReference<B> {
    fn drop(&mut self) {
        // SAFETY: `new` took the reference.
        unsafe { bindings::bus_module_put(B::module().as_ptr()) }
    }
}

/// A device in the driver model. Dropping it unbinds its driver and deletes it.
#[must_use = "the device is deleted when this is dropped"]
pub struct DeviceRegistration<B: Bus> {
    node: NonNull<Node<B>>,
    device: Arc<B::Device>,
}

// SAFETY: A device may be deleted by any thread; the payload is `Send` and `Sync`.
unsafe impl<B: Bus> Send for DeviceRegistration<B> {}

// SAFETY: Shared, the registration hands out the payload alone, which is `Sync`.
unsafe impl<B: Bus> Sync for DeviceRegistration<B> {}

impl<B: Bus> DeviceRegistration<B> {
    /// Makes a device and puts it on the bus; a driver that matches is bound at once.
    ///
    /// `make` makes what drivers see of the device, given its `struct device`, whose name is known
    /// by then.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the bus is not registered, or its module goes away; `ENOMEM`: no memory; else that
    /// of `make`.
    pub fn new(
        identity: B::Identity,
        parent: Option<&Device>,
        make: impl FnOnce(ARef<Device>) -> Result<Arc<B::Device>>,
    ) -> Result<Self> {
        let node = Node::<B>::new(identity, parent)?;
        let raw = node.as_ptr().cast::<bindings::device>();
        // SAFETY: The device is initialised and has a name; we have a reference.
        let made = make(unsafe { Device::get_device(raw) });
        // SAFETY: The reference is ours, and nobody else has seen the device.
        let device = made.inspect_err(|_| unsafe { bindings::put_device(raw) })?;
        // SAFETY: The device is not registered, so nobody reads the payload.
        unsafe { *(*node.as_ptr()).payload.get() = Some(device.clone()) };
        // SAFETY: The device is initialised and not registered.
        let added = to_result(unsafe { bindings::device_add(raw) });
        // SAFETY: The device has not been registered, and the reference is ours.
        added.inspect_err(|_| unsafe { Self::let_go(node) })?;
        Ok(Self { node, device })
    }

    /// Returns what drivers see of the device.
    pub fn device(&self) -> &Arc<B::Device> {
        &self.device
    }

    /// Drops the payload and the provider's reference.
    ///
    /// # Safety
    ///
    /// The device is not registered, and the reference is the caller's.
    unsafe fn let_go(node: NonNull<Node<B>>) {
        // SAFETY: The reference keeps the node, and nobody reads the payload without registration.
        drop(unsafe { (*(*node.as_ptr()).payload.get()).take() });
        // SAFETY: The reference is the caller's to give.
        unsafe { bindings::put_device(node.as_ptr().cast()) };
    }
}

impl<B: Bus> Drop for DeviceRegistration<B> {
    fn drop(&mut self) {
        // SAFETY: `new` registered the device. When `device_del` returns, its driver is unbound, its
        // attributes are gone and none of them is being read; matching looks at the identity alone.
        unsafe {
            bindings::device_del(self.node.as_ptr().cast());
            Self::let_go(self.node);
        }
    }
}

fn as_raw(device: &Device) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of the C object.
    ptr::from_ref(device).cast_mut().cast()
}

/// # Safety
///
/// Called by the driver core when the last reference to a device of the bus `B` is gone.
unsafe extern "C" fn release<B: Bus>(raw: *mut bindings::device) {
    // SAFETY: `Node::new` leaked this box, and nobody refers to it any more.
    drop(unsafe { KBox::from_raw(raw.cast::<Node<B>>()) });
}

/// # Safety
///
/// Called by the driver core with a registered device of the bus `B`, its lock held, and its `driver`
/// set to a driver of that bus.
pub(crate) unsafe extern "C" fn probe<B: Bus>(raw: *mut bindings::device) -> ffi::c_int {
    // SAFETY: By the requirement above.
    let (device, driver) = unsafe { (Node::<B>::payload(raw), driver::of_raw::<B>((*raw).driver)) };
    from_result(|| {
        // SAFETY: The driver is registered, and its module is not gone as long as it is.
        let module = unsafe { DriverModule::pin(raw) }?;
        B::probe(device.ok_or(ENODEV)?, driver)?;
        // Undone in `remove`.
        core::mem::forget(module);
        Ok(0)
    })
}

/// # Safety
///
/// Called by the driver core with a device whose [`probe`] succeeded, its lock held.
pub(crate) unsafe extern "C" fn remove<B: Bus>(raw: *mut bindings::device) {
    // SAFETY: By the requirement above: a bound device is registered.
    if let Some(device) = unsafe { Node::<B>::payload(raw) } {
        B::remove(device);
    }
    // SAFETY: `probe` left the reference behind, and the driver core resets `driver` after this.
    drop(unsafe { DriverModule::of(raw) });
}

/// A reference to the module of the driver of a device, while it is bound: nobody would serve the
/// requests in flight if the module were unloaded.
struct DriverModule(*mut bindings::module);

impl DriverModule {
    /// Takes a reference.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the module is being unloaded.
    ///
    /// # Safety
    ///
    /// `driver` of the device is set, and registered.
    unsafe fn pin(raw: *mut bindings::device) -> Result<Self> {
        // SAFETY: By the requirement above.
        let module = unsafe { (*(*raw).driver).owner };
        // SAFETY: A registered driver's module is there; null stands for the kernel itself.
        match unsafe { bindings::bus_module_get(module) } {
            true => Ok(Self(module)),
            false => Err(ENODEV),
        }
    }

    /// Returns the reference that was left behind.
    ///
    /// # Safety
    ///
    /// As for [`pin`](Self::pin), which succeeded for this device, and whose result was forgotten.
    unsafe fn of(raw: *mut bindings::device) -> Self {
        // SAFETY: By the requirement above.
        Self(unsafe { (*(*raw).driver).owner })
    }
}

impl Drop for DriverModule {
    fn drop(&mut self) {
        // SAFETY: `pin` took the reference.
        unsafe { bindings::bus_module_put(self.0) }
    }
}
