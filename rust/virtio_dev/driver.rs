// SPDX-License-Identifier: GPL-2.0

//! Drivers of virtio devices.

use crate::{
    bindings,
    device::Device, //
};
use core::marker::PhantomData;
use kernel::{
    device,
    driver,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    str::CStr,
    types::Opaque,
    ThisModule, //
};

/// A device type (VIRTIO 1.2, 5), for a driver's table.
#[repr(transparent)]
pub struct DeviceId(bindings::virtio_device_id);

impl DeviceId {
    /// Ends a driver's table.
    pub const END: Self = Self::of_vendor(0, 0);

    /// Returns the id for devices of type `device`, whoever made them.
    pub const fn new(device: u32) -> Self {
        Self::of_vendor(device, u32::MAX)
    }

    const fn of_vendor(device: u32, vendor: u32) -> Self {
        Self(bindings::virtio_device_id { device, vendor })
    }
}

/// A driver of virtio devices without features, queues or configuration.
pub trait Driver: 'static {
    /// The device types it drives, with [`DeviceId::END`] as the last.
    const IDS: &'static [DeviceId];

    /// What the driver attaches to a device.
    type Data: Send + 'static;

    /// A device was found; when this succeeds, it gets DRIVER_OK.
    ///
    /// # Errors
    ///
    /// Any error leaves the device without a driver.
    fn probe(device: &Device) -> impl PinInit<Self::Data, Error>;

    /// The driver lets go of a device, which was reset already.
    fn remove(device: &Device, data: Pin<&Self::Data>);
}

/// The registration of a [`Driver`] with the driver core, for [`driver::Registration`].
pub struct Adapter<T: Driver>(PhantomData<T>);

// SAFETY: `struct virtio_driver` is `repr(C)` and embeds the `struct device_driver` at this offset;
// `probe_callback` attaches a `T::Data`.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::virtio_driver;
    type DriverData<'bound> = T::Data;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(bindings::virtio_driver, driver);
}

// SAFETY: `unregister` undoes `register`.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<bindings::virtio_driver>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        const {
            assert!(
                matches!(T::IDS, [.., DeviceId(last)] if last.device == 0),
                "the table of device ids must end with DeviceId::END"
            );
        }
        let raw = driver.get();
        // SAFETY: Nobody else knows the structure yet. `DeviceId` is a transparent wrapper.
        unsafe {
            (*raw).driver.name = name.as_char_ptr();
            (*raw).id_table = T::IDS.as_ptr().cast();
            (*raw).probe = Some(Self::probe_callback);
            (*raw).remove = Some(Self::remove_callback);
        }
        // SAFETY: The structure is complete, and stays where it is until `unregister`.
        to_result(unsafe { bindings::__register_virtio_driver(raw, module.as_ptr()) })
    }

    unsafe fn unregister(driver: &Opaque<bindings::virtio_driver>) {
        // SAFETY: By the requirements of this function, the driver is registered.
        unsafe { bindings::unregister_virtio_driver(driver.get()) }
    }
}

impl<T: Driver> Adapter<T> {
    extern "C" fn probe_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: The bus probes a valid device.
        let device = unsafe { Device::from_raw(vdev) };
        from_result(|| {
            Self::core(device).set_drvdata(T::probe(device))?;
            Ok(0)
        })
    }

    extern "C" fn remove_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: The bus removes a valid device.
        let device = unsafe { Device::from_raw(vdev) };
        device.reset();
        // SAFETY: A device is removed only after a successful probe, which attached a `T::Data`.
        let data = unsafe { Self::core(device).drvdata_borrow::<T::Data>() };
        T::remove(device, data);
    }

    /// Returns the device of a callback in the context of a bus.
    fn core<'a>(device: &'a Device) -> &'a device::Device<device::CoreInternal<'a>> {
        let device: &device::Device = device.as_ref();
        // SAFETY: Callbacks of a bus are this context, and the reference is used in them only.
        unsafe { &*core::ptr::from_ref(device).cast() }
    }
}
