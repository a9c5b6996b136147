// SPDX-License-Identifier: GPL-2.0

//! The driver of a backend whose devices are each made from an instance, and the module that has it.

use crate::{
    directory::{
        Directory,
        Settings, //
    },
    registry::{
        Claim,
        Registry, //
    },
};
use kernel::{
    configfs::Subsystem,
    prelude::*,
    sync::Arc,
    ThisModule, //
};
use vhost_bus::{
    Backend,
    Device,
    Driver,
    DriverRegistration, //
};
use virtio::ids::DeviceId;

/// A backend that is made from an instance.
pub trait InstanceBackend: Backend + Sized + 'static {
    /// What an instance is made of.
    type Settings: Settings;

    /// The name of the driver under `/sys/bus/vhost/drivers`.
    const DRIVER: &'static CStr;

    /// The device type that it serves.
    const ID: DeviceId;

    /// Makes the backend of a device, as [`Driver::probe`] does, from the instance that it names.
    ///
    /// # Errors
    ///
    /// As for [`Driver::probe`].
    fn new(device: &Arc<Device>, claim: Claim<Self::Settings>) -> Result<Self>;
}

/// What the module of a backend has: its driver on the bus, and its directory in configfs.
#[pin_data]
pub struct BackendModule<B: InstanceBackend> {
    // Dropped first: with it go the claims on instances.
    _driver: DriverRegistration,
    #[pin]
    _directory: Subsystem<Directory<B::Settings>>,
}

impl<B: InstanceBackend> BackendModule<B> {
    /// Returns an initialiser that registers both for `module`. Context: process.
    ///
    /// # Errors
    ///
    /// `EEXIST`: there is a driver or a directory of that name; `ENOMEM`: no memory.
    pub fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let instances = Registry::new()?;
            let driver = InstanceDriver::<B>(instances.clone());
            let driver = Arc::new(driver, GFP_KERNEL)?;
            Ok(try_pin_init!(Self {
                _directory <- Directory::new(instances),
                _driver: DriverRegistration::new(driver, module)?,
            }? Error))
        })
    }
}

/// Serves devices, each from the instance that it names.
struct InstanceDriver<B: InstanceBackend>(Arc<Registry<B::Settings>>);

impl<B: InstanceBackend> InstanceDriver<B> {
    fn claim(&self, device: &Device) -> Result<Claim<B::Settings>> {
        let claim = self.0.claim(device.instance());
        claim.inspect_err(|error| {
            dev_err!(
                device.dev(),
                "Instance {} in configfs {} cannot be used: {:?}\n",
                device.instance(),
                B::Settings::DIRECTORY,
                error
            );
        })
    }
}

impl<B: InstanceBackend> Driver for InstanceDriver<B> {
    fn name(&self) -> &'static CStr {
        B::DRIVER
    }

    fn ids(&self) -> &[DeviceId] {
        &[B::ID]
    }

    fn probe(&self, device: &Arc<Device>) -> Result<Arc<dyn Backend>> {
        let backend = B::new(device, self.claim(device)?)?;
        Ok(Arc::new(backend, GFP_KERNEL)?)
    }
}
