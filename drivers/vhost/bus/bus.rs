// SPDX-License-Identifier: GPL-2.0

//! The bus `vhost`: what a device is, how it is matched, and what user space is told.

use crate::{
    sysfs,
    Device,
    Driver,
    THIS_MODULE, //
};
use ::bus::{
    Attribute,
    Bus,
    BusRegistration,
    BusType,
    Uevent, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc,
    ThisModule, //
};
use virtio::ids::DeviceId;

static BUS: BusType<VhostBus> = BusType::new();

/// The bus `vhost`.
pub(crate) enum VhostBus {}

/// What a device is, fixed for its life.
pub(crate) struct Identity {
    pub(crate) id: DeviceId,
    pub(crate) vendor: u32,
    pub(crate) instance: CString,
}

impl Bus for VhostBus {
    const NAME: &'static CStr = c"vhost";
    // The driver side of a device that loses its backend has requests outstanding that nobody completes
    // before it resets the device, and virtio_blk does not do so by itself.
    const HAS_BIND_ATTRIBUTES: bool = false;
    const ATTRIBUTES: &'static [Attribute<Self>] = &sysfs::ATTRIBUTES;

    type Identity = Arc<Identity>;
    type Device = Device;
    type Driver = dyn Driver;

    fn bus_type() -> &'static BusType<Self> {
        &BUS
    }

    fn module() -> &'static ThisModule {
        &THIS_MODULE
    }

    fn matches(identity: &Arc<Identity>, driver: &dyn Driver) -> bool {
        driver.ids().contains(&identity.id)
    }

    fn probe(device: &Arc<Device>, driver: &Arc<dyn Driver>) -> Result {
        device.bind(&**driver)
    }

    fn remove(device: &Arc<Device>) {
        device.unbind();
    }

    /// Adds the alias by which a backend's module is loaded, and what the alias is made from.
    fn uevent(identity: &Arc<Identity>, event: &mut Uevent<'_>) -> Result {
        let (id, vendor) = (identity.id.get(), identity.vendor);
        event.add(fmt!("MODALIAS=vhost:d{id:08X}v{vendor:08X}"))?;
        event.add(fmt!("VIRTIO_DEVICE_ID={id}"))?;
        event.add(fmt!("VIRTIO_VENDOR_ID={vendor:#x}"))?;
        event.add(fmt!("VHOST_INSTANCE={}", &*identity.instance))
    }
}

/// The module: the bus is there as long as it is loaded.
pub(crate) struct VhostBusModule {
    _bus: BusRegistration<VhostBus>,
}

impl kernel::Module for VhostBusModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _bus: BusRegistration::new()?,
        })
    }
}
