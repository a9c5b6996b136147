// SPDX-License-Identifier: GPL-2.0

//! What a backend implements, and how it gets onto the bus.

use crate::{
    bus::VhostBus,
    Device, //
};
use kernel::{
    prelude::*,
    sync::Arc,
    ThisModule, //
};
use virtio::ids::DeviceId;

/// A driver for the devices of one or more virtio device types.
pub trait Driver: Send + Sync {
    /// Returns the name under `/sys/bus/vhost/drivers`.
    fn name(&self) -> &'static CStr;

    /// Returns the device types that the driver serves.
    fn ids(&self) -> &[DeviceId];

    /// Makes the backend of a device: creates its queues, publishes features and configuration.
    ///
    /// On failure the bus undoes what was done by [`Device::create_vqs`] and
    /// [`Device::set_features`].
    ///
    /// Context: process, with the device lock of the driver core held.
    ///
    /// # Errors
    ///
    /// `ENODEV`: not for this driver, quietly; any other is reported.
    fn probe(&self, device: &Arc<Device>) -> Result<Arc<dyn Backend>>;
}

/// The device side of one virtio device.
///
/// Context: process, with the state lock of the device held: an implementation may call the
/// [`Device`] except for what its documentation excludes. It must not hold on to the device or its
/// queues once it is dropped.
pub trait Backend: Send + Sync {
    /// Says whether the device can work with these features, a part of those offered.
    ///
    /// # Errors
    ///
    /// Any error vetoes `FEATURES_OK`.
    fn check_features(&self, negotiated: u64) -> Result;

    /// The driver side is ready (`DRIVER_OK`): the queues may be used from now on.
    ///
    /// Kicks may have come before, so all queues are to be looked at once.
    ///
    /// # Errors
    ///
    /// Any error sets `DEVICE_NEEDS_RESET`; [`stop`](Self::stop) is not called.
    fn start(&self, negotiated: u64) -> Result;

    /// The device is reset: returns when no worker touches a queue any more.
    ///
    /// Called once after each successful [`start`](Self::start), also while suspended.
    fn stop(&self);

    /// The device is suspended: returns when no worker touches a queue, until
    /// [`resume`](Self::resume).
    ///
    /// What was finished has been given back by then. What was taken and not finished is available
    /// again after the resume, of which each queue that this concerns tells by one `EPIPE`.
    fn suspend(&self);

    /// The device goes on. Kicks have been ignored meanwhile, so all queues are to be looked at once.
    fn resume(&self);

    /// The driver side wrote bytes of the device configuration space.
    ///
    /// # Errors
    ///
    /// `EINVAL`: these bytes are not writable.
    fn write_config(&self, offset: usize, from: &[u8]) -> Result;
}

/// A driver on the bus. Dropping it unbinds its devices, after [`Backend::stop`].
#[must_use = "the driver leaves the bus when this is dropped"]
pub struct DriverRegistration {
    _registration: bus::DriverRegistration<VhostBus>,
}

impl DriverRegistration {
    /// Puts a driver of `module` on the bus; it is bound to the devices there are at once.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `EEXIST`: there is a driver of that name; `ENOMEM`: no memory.
    pub fn new(driver: Arc<dyn Driver>, module: &'static ThisModule) -> Result<Self> {
        let name = driver.name();
        Ok(Self {
            _registration: bus::DriverRegistration::new(name, module, driver)?,
        })
    }
}
