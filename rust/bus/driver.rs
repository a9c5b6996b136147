// SPDX-License-Identifier: GPL-2.0

//! A driver on a bus.

use crate::{
    bindings,
    device,
    Bus, //
};
use kernel::{
    error::to_result,
    ffi,
    prelude::*,
    sync::Arc,
    types::Opaque,
    ThisModule, //
};

/// A `struct device_driver` and the driver it stands for, at an address that does not change.
#[repr(C)]
struct Node<B: Bus> {
    /// At offset zero: C hands it back.
    raw: Opaque<bindings::device_driver>,
    driver: Arc<B::Driver>,
}

/// A driver in the driver model. Dropping it unbinds all its devices.
///
/// # Invariants
///
/// The driver is registered.
#[must_use = "the driver is unregistered when this is dropped"]
pub struct DriverRegistration<B: Bus> {
    node: KBox<Node<B>>,
}

// SAFETY: A driver may be unregistered by any thread; `B::Driver` is `Send` and `Sync`.
unsafe impl<B: Bus> Send for DriverRegistration<B> {}

// SAFETY: Nothing can be done with a shared registration.
unsafe impl<B: Bus> Sync for DriverRegistration<B> {}

impl<B: Bus> DriverRegistration<B> {
    /// Puts a driver of `module` on the bus, and binds it to the devices that match, one by one.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `EBUSY`: there is a driver of that name; `ENODEV`: the bus is not registered; `ENOMEM`: no
    /// memory.
    pub fn new(
        name: &'static CStr,
        module: &'static ThisModule,
        driver: Arc<B::Driver>,
    ) -> Result<Self> {
        let raw = bindings::device_driver {
            name: name.as_char_ptr(),
            bus: B::bus_type().registered()?,
            owner: module.as_ptr(),
            suppress_bind_attrs: !B::HAS_BIND_ATTRIBUTES,
            probe_type: bindings::probe_type_PROBE_FORCE_SYNCHRONOUS,
            ..pin_init::zeroed()
        };
        let node = Node {
            raw: Opaque::new(raw),
            driver,
        };
        let node = KBox::new(node, GFP_KERNEL)?;
        // SAFETY: The driver is complete, and stays where it is until `drop` has unregistered it.
        to_result(unsafe { bindings::driver_register(node.raw.get()) })?;
        // INVARIANT: Just registered.
        Ok(Self { node })
    }
}

impl<B: Bus> Drop for DriverRegistration<B> {
    fn drop(&mut self) {
        // SAFETY: The driver is registered by the type invariant. On return its devices are unbound,
        // and the driver core's list has let go of it (`klist_remove` waits).
        unsafe { bindings::driver_unregister(self.node.raw.get()) }
    }
}

/// Returns the driver that C knows by its `struct device_driver`.
///
/// # Safety
///
/// `raw` is a driver of the bus `B` that stays registered as long as the reference is used.
pub(crate) unsafe fn of_raw<'a, B: Bus>(raw: *const bindings::device_driver) -> &'a Arc<B::Driver> {
    // SAFETY: Drivers of this bus are registered by `DriverRegistration` alone, within a `Node<B>`.
    unsafe { &(*raw.cast::<Node<B>>()).driver }
}

/// # Safety
///
/// Called by the driver core with a device and a registered driver of the bus `B`. The device may
/// have been deleted since, so its payload is out of bounds.
pub(crate) unsafe extern "C" fn is_match<B: Bus>(
    device: *mut bindings::device,
    driver: *const bindings::device_driver,
) -> ffi::c_int {
    // SAFETY: The driver core has a reference to the device, and the driver is in its list.
    let (identity, driver) = unsafe { (device::Node::<B>::identity(device), of_raw::<B>(driver)) };
    B::matches(identity, driver).into()
}
