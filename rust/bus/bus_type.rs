// SPDX-License-Identifier: GPL-2.0

//! The bus: what it says about matching and binding, and its registration.

use crate::{
    attribute::Groups,
    bindings,
    device,
    driver,
    uevent,
    Attribute,
    Uevent, //
};
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        Arc,
    },
    types::Opaque,
    ThisModule,
};

/// A bus: a type without values, named by its [`BusType`].
pub trait Bus: Sized + 'static {
    /// The name under `/sys/bus`, and of devices before their number.
    const NAME: &'static CStr;

    /// Whether user space may unbind and bind single devices by writing their names to attributes of a
    /// driver. Not for buses whose devices are at work for somebody who is not asked.
    const HAS_BIND_ATTRIBUTES: bool;

    /// The attributes that each device has.
    const ATTRIBUTES: &'static [Attribute<Self>];

    /// What a device is, fixed for its life: what matching and uevents look at.
    type Identity: Send + Sync + 'static;

    /// A device as drivers see it, from its registration until it is deleted.
    type Device: Send + Sync + 'static;

    /// A driver.
    type Driver: ?Sized + Send + Sync + 'static;

    /// Returns the one bus type; [`Self::module`] owns it.
    fn bus_type() -> &'static BusType<Self>;

    /// Returns the module that the bus lives in; each device keeps it loaded.
    fn module() -> &'static ThisModule;

    /// Returns whether a driver may serve a device. Context: process.
    fn matches(identity: &Self::Identity, driver: &Self::Driver) -> bool;

    /// Binds a driver to a device that matches. Context: process, device lock held.
    ///
    /// # Errors
    ///
    /// `ENODEV`: not for this driver, quietly; any other is logged by the driver core.
    fn probe(device: &Arc<Self::Device>, driver: &Arc<Self::Driver>) -> Result;

    /// Undoes a successful [`Self::probe`]. Context: process, device lock held.
    fn remove(device: &Arc<Self::Device>);

    /// Adds what user space is told about a device. Context: process.
    ///
    /// # Errors
    ///
    /// That of [`Uevent::add`].
    fn uevent(identity: &Self::Identity, event: &mut Uevent<'_>) -> Result;
}

/// The `struct bus_type` of a [`Bus`], in a static.
pub struct BusType<B: Bus> {
    raw: Opaque<bindings::bus_type>,
    /// The numbers in the names of devices.
    numbers: Opaque<bindings::ida>,
    is_claimed: Atomic<bool>,
    is_registered: Atomic<bool>,
    _bus: PhantomData<fn() -> B>,
}

// SAFETY: `raw` and `numbers` are written by `register` alone, before `is_registered` is set, then
// they have their own locks.
unsafe impl<B: Bus> Sync for BusType<B> {}

impl<B: Bus> BusType<B> {
    /// Returns a bus that is not registered, for the static that [`Bus::bus_type`] returns.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            raw: Opaque::zeroed(),
            numbers: Opaque::zeroed(),
            is_claimed: Atomic::new(false),
            is_registered: Atomic::new(false),
            _bus: PhantomData,
        }
    }

    /// Returns the C object once it is registered.
    pub(crate) fn registered(&self) -> Result<*mut bindings::bus_type> {
        if self.is_registered.load(Acquire) {
            Ok(self.raw.get())
        } else {
            Err(ENODEV)
        }
    }

    pub(crate) fn numbers(&self) -> *mut bindings::ida {
        self.numbers.get()
    }
}

/// A bus in the driver model. Dropping it takes the bus away: its devices and drivers are gone by
/// then, because they keep the bus's module loaded.
pub struct BusRegistration<B: Bus> {
    _groups: Groups,
    _bus: PhantomData<fn() -> B>,
}

impl<B: Bus> BusRegistration<B> {
    /// Registers the bus; to be called once, when the module of the bus is loaded.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `EEXIST`: there is a bus of that name; `ENOMEM`: no memory; `EBUSY`: called twice.
    pub fn new() -> Result<Self> {
        let bus = B::bus_type();
        if bus.is_claimed.xchg(true, Full) {
            return Err(EBUSY);
        }
        let groups = Groups::new(B::ATTRIBUTES)?;
        let raw = bindings::bus_type {
            name: B::NAME.as_char_ptr(),
            dev_groups: groups.as_ptr(),
            match_: Some(driver::is_match::<B>),
            probe: Some(device::probe::<B>),
            remove: Some(device::remove::<B>),
            uevent: Some(uevent::uevent::<B>),
            ..pin_init::zeroed()
        };
        // SAFETY: `is_claimed` lets one caller come here, and nobody uses the two before
        // `is_registered` is set below.
        unsafe {
            bus.raw.get().write(raw);
            bindings::bus_ida_init(bus.numbers.get());
        }
        // SAFETY: The table lives in a static, its callbacks in the module, the groups in `self`.
        to_result(unsafe { bindings::bus_register(bus.raw.get()) })?;
        bus.is_registered.store(true, Release);
        Ok(Self {
            _groups: groups,
            _bus: PhantomData,
        })
    }
}

impl<B: Bus> Drop for BusRegistration<B> {
    fn drop(&mut self) {
        let bus = B::bus_type();
        bus.is_registered.store(false, Release);
        // SAFETY: `new` registered the bus and initialised the numbers, all of which are free: each
        // device keeps the module loaded, and this runs when it is unloaded.
        unsafe {
            bindings::bus_unregister(bus.raw.get());
            bindings::ida_destroy(bus.numbers.get());
        }
    }
}
