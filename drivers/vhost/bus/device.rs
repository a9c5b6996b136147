// SPDX-License-Identifier: GPL-2.0

//! A vhost device: what a backend and a transport do with each other.
//!
//! Locks: see `control`. Every function states its context.

use crate::{
    bus::{
        Identity,
        VhostBus, //
    },
    control::Control,
    Backend,
    ConfigOps,
    Driver,
    Virtqueue,
    VqSpec, //
};
use concurrency::{
    Queue,
    Worker, //
};
use core::fmt;
use kernel::{
    device,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use virtio::{
    ids::DeviceId,
    status::Status, //
};

/// A device on the vhost bus: `vhost0`, `vhost1`, ...
pub struct Device {
    node: ARef<device::Device>,
    identity: Arc<Identity>,
    control: Arc<Control>,
    /// Tells the driver side of faults.
    reporter: Worker,
}

/// What it is. Context: any.
impl Device {
    /// Returns the virtio device type.
    pub fn id(&self) -> DeviceId {
        self.identity.id
    }

    /// Returns the vendor of the device.
    pub fn vendor(&self) -> u32 {
        self.identity.vendor
    }

    /// Returns the name that selects the backend's configuration, e.g. its configfs item.
    pub fn instance(&self) -> &CStr {
        &self.identity.instance
    }

    /// Returns the device of the driver model, for `dev_err!` and its like.
    pub fn dev(&self) -> &device::Device {
        &self.node
    }

    /// Returns the name on the bus.
    pub fn name(&self) -> &CStr {
        self.node.name()
    }
}

/// For backends.
impl Device {
    /// Makes the queues of the device, with the indices of `specs`.
    ///
    /// Context: process, from [`Driver::probe`] alone, once.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: the transport has fewer queues; `ENOMEM`: no memory.
    pub fn create_vqs(self: &Arc<Self>, specs: &[VqSpec]) -> Result<KVec<Arc<dyn Virtqueue>>> {
        let queues = self.control.ops.create_vqs(self, specs)?;
        self.control.keep_queues(&queues)?;
        Ok(queues)
    }

    /// Offers features of the device type; the transport adds its own.
    ///
    /// Context: process, from [`Driver::probe`] alone.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the transport cannot carry one of them.
    pub fn set_features(&self, device_features: u64) -> Result {
        self.control.offer(device_features)
    }

    /// Returns the features that the driver side last accepted. Context: process.
    pub fn features(&self) -> u64 {
        self.control.ops.get_features()
    }

    /// Returns the device status as the driver side reads it. Context: process.
    pub fn status(&self) -> Status {
        self.control.ops.get_status()
    }

    /// Copies from memory of the driver side at its address `src`. Context: process.
    ///
    /// # Errors
    ///
    /// `EFAULT`: not memory of the driver side; `EIO`: it cannot be reached.
    pub fn read(&self, src: u64, to: &mut [u8]) -> Result {
        self.control.ops.read(src, to)
    }

    /// Copies to memory of the driver side at its address `dst`. Context: process.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn write(&self, dst: u64, from: &[u8]) -> Result {
        self.control.ops.write(dst, from)
    }

    /// Publishes bytes of the device configuration space at `offset`. Context: process.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the transport has no room for them.
    pub fn set_config(&self, offset: usize, from: &[u8]) -> Result {
        self.control.ops.set_config(offset, from)
    }

    /// Sends a config-change notification. Context: process.
    pub fn config_changed(&self) {
        self.control.ops.config_changed();
    }

    /// The device met an error that only a reset cures; the driver side is told soon.
    ///
    /// `why` is a clause without a stop. Messages are limited in their rate.
    ///
    /// Context: any.
    pub fn needs_reset(&self, why: fmt::Arguments<'_>) {
        if let Some(missed) = self.control.fault.may_log() {
            dev_err!(self.dev(), "Needs a reset: {}\n", why);
            if missed != 0 {
                dev_err!(self.dev(), "{} messages were left out\n", missed);
            }
        }
        self.control.fault.note();
        self.reporter.wake();
    }
}

/// For transports. Context: process, without a lock that the transport's [`ConfigOps`] take.
impl Device {
    /// Puts a device on the bus; if there is a driver for it, it is bound before this returns.
    ///
    /// `instance` selects the backend's configuration.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory; `ENODEV`: the bus goes away.
    pub fn register(
        ops: Arc<dyn ConfigOps>,
        id: DeviceId,
        instance: &CStr,
        parent: Option<&device::Device>,
    ) -> Result<Registration> {
        let identity = Identity {
            id,
            vendor: ops.vendor_id(),
            instance: CString::try_from(instance)?,
        };
        let identity = Arc::new(identity, GFP_KERNEL)?;
        let registration = ::bus::DeviceRegistration::new(identity.clone(), parent, |node| {
            Ok(Arc::new(Self::new(node, identity, ops)?, GFP_KERNEL)?)
        })?;
        Ok(Registration(registration))
    }

    fn new(
        node: ARef<device::Device>,
        identity: Arc<Identity>,
        ops: Arc<dyn ConfigOps>,
    ) -> Result<Self> {
        let control = Arc::pin_init(Control::new(ops), GFP_KERNEL)?;
        let (reported, to) = (control.clone(), node.clone());
        let report = move || {
            if let Err(error) = reported.report_fault() {
                dev_warn!(to, "Driver side cannot be told to reset: {:?}\n", error);
            }
        };
        let queue = Arc::new(Queue::system()?, GFP_KERNEL)?;
        let report = Arc::new(report, GFP_KERNEL)?;
        Ok(Self {
            node,
            identity,
            control,
            reporter: Worker::new(c"vhost_bus::Device::reporter", &queue, report)?,
        })
    }

    /// Returns whether a backend is bound; without one, features are vetoed.
    pub fn has_backend(&self) -> bool {
        self.control.has_backend()
    }

    /// Returns the features that the device offers, those of the transport included.
    pub fn device_features(&self) -> u64 {
        self.control.offered()
    }

    /// The driver side accepts these features; a failure vetoes `FEATURES_OK`.
    ///
    /// # Errors
    ///
    /// `ENODEV`: there is no backend; `EBUSY`: the features are settled; `EINVAL`: some were not
    /// offered, or `VERSION_1` is missing; else that of [`Backend::check_features`].
    pub fn driver_features(&self, features: u64) -> Result {
        self.control.accept(features)
    }

    /// The driver side writes the status field; returns what is in the field afterwards.
    ///
    /// The new value has been published by [`ConfigOps::set_status`] when this returns. A veto is no
    /// error: `FEATURES_OK` stays clear.
    ///
    /// # Errors
    ///
    /// `ENODEV`: features cannot be settled without a backend; `EINVAL`: bits were cleared or set out
    /// of order; else that of [`Backend::start`], and the device needs a reset.
    pub fn driver_status(&self, written: Status) -> Result<Status> {
        self.control.write_status(written)
    }

    /// The driver side is ready: sets the status up to `DRIVER_OK` and starts the backend.
    ///
    /// # Errors
    ///
    /// As for [`driver_status`](Self::driver_status); `EINVAL`: the features were not accepted.
    pub fn driver_ok(&self) -> Result {
        self.control.driver_ok()
    }

    /// Resets the device. On return the backend is stopped and the status is zero.
    ///
    /// It is for all that ends the work: a reset by the driver side, loss of the link, the end of the
    /// transport. See [`ConfigOps::set_status`] for what the transport does in between.
    pub fn reset(&self) {
        if let Err(error) = self.control.reset() {
            dev_warn!(
                self.dev(),
                "Driver side cannot be told of the reset: {:?}\n",
                error
            );
        }
    }

    /// Suspends the device until [`resume`](Self::resume) or a reset.
    ///
    /// On return the backend stands still, what it finished has been given back, and what it did not
    /// is available again: [`RingQueue::position`](crate::RingQueue::position) is exact. Nothing
    /// touches memory of the driver side, and no notification is sent. It waits for as long as a reset.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the device is not running, or is suspended.
    pub fn suspend(&self) -> Result {
        self.control.suspend()
    }

    /// Goes on after [`suspend`](Self::suspend), with a look at all queues.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the device is not suspended.
    pub fn resume(&self) -> Result {
        self.control.resume()
    }

    /// The driver side wrote bytes of the device configuration space.
    ///
    /// # Errors
    ///
    /// `ENODEV`: there is no backend; else that of [`Backend::write_config`].
    pub fn config_written(&self, offset: usize, from: &[u8]) -> Result {
        self.control.config_written(offset, from)
    }
}

/// For the bus. Context: process, device lock of the driver core held.
impl Device {
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    pub(crate) fn bind(self: &Arc<Self>, driver: &dyn Driver) -> Result {
        match driver.probe(self) {
            Ok(backend) => {
                self.control.install(backend);
                Ok(())
            }
            Err(error) => {
                self.unbind();
                Err(error)
            }
        }
    }

    pub(crate) fn unbind(&self) {
        let (backend, told) = self.control.remove();
        self.let_go(backend);
        if let Err(error) = told {
            dev_warn!(
                self.dev(),
                "Driver side cannot be told that the backend left: {:?}\n",
                error
            );
        }
    }

    /// Drops the backend, which nobody else may refer to by now: its module may be unloaded next.
    ///
    /// If somebody does, nothing can be done but to say so before it crashes.
    fn let_go(&self, backend: Option<Arc<dyn Backend>>) {
        let Some(backend) = backend else { return };
        if Arc::into_unique_or_drop(backend).is_none() {
            dev_err!(self.dev(), "Backend is still in use after it was stopped\n");
        }
    }
}

/// A device on the bus, in the hands of its transport.
///
/// Dropping it resets the device, unbinds its backend and takes it off the bus; then none of the
/// [`ConfigOps`] is called any more. Context: process, as for the functions for transports.
#[must_use = "the device is taken off the bus when this is dropped"]
pub struct Registration(::bus::DeviceRegistration<VhostBus>);

impl Registration {
    /// Returns the device.
    pub fn device(&self) -> &Arc<Device> {
        self.0.device()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.device().reset();
    }
}
