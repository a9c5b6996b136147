// SPDX-License-Identifier: GPL-2.0

//! A bus of the driver model in safe Rust: devices, drivers, matching, attributes, uevents.
//!
//! It is for a bus that lives in one module whose devices and drivers come from others. What it has
//! not: power management, class devices, writable or driver attributes.
//!
//! The three actors:
//!
//! * The *bus* implements [`Bus`], has a static [`BusType`] and registers it when its module loads.
//! * A *device provider* holds a [`DeviceRegistration`] per device.
//! * A *driver* holds a [`DriverRegistration`].
//!
//! Lock order: the lock of a device (taken by the driver core around [`Bus::probe`] and
//! [`Bus::remove`]), then whatever the bus has. Registrations are made and dropped in process
//! context, without a lock that probe or remove take.

mod attribute;
#[path = "../bindings.rs"]
mod bindings;
mod bus_type;
mod device;
mod driver;
mod uevent;

pub use attribute::{
    Attribute,
    Page, //
};
pub use bus_type::{
    Bus,
    BusRegistration,
    BusType, //
};
pub use device::DeviceRegistration;
pub use driver::DriverRegistration;
pub use uevent::Uevent;
