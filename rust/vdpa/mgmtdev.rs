// SPDX-License-Identifier: GPL-2.0

//! Management devices: what `vdpa mgmtdev show` lists and `vdpa dev add` takes devices from.
//!
//! The registration and deregistration of the devices is done here, because both must happen with
//! `vdpa_dev_lock` held, inside the callbacks.
//!
//! Context: `vdpa_dev_lock` is held in all of [`Management`]; adding a device includes the whole
//! probe of its virtio driver, with I/O. What that I/O needs must not take `vdpa_dev_lock`, thus
//! not register or unregister anything of this crate.

use crate::{
    bindings,
    config_ops::ConfigOps,
    device::{
        as_raw,
        Device,
        Unregistered, //
    },
    provision::{
        request,
        Attributes, //
    },
};
use core::ops::Deref;
use kernel::{
    bindings::virtio_device_id,
    device,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int, //
    },
    prelude::*,
    sync::aref::ARef,
    types::Opaque,
};
use virtio::provision::Request;

/// What a management device says about the devices it makes.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities<'a> {
    /// The virtio device types it makes, each at most 63. The user cannot choose among several:
    /// better one management device per type.
    pub device_ids: &'a [u32],
    /// The attributes that its devices can be given.
    pub attributes: Attributes,
    /// The features that its devices can offer.
    pub features: u64,
    /// The highest number of virtqueues of a device.
    pub max_vqs: u32,
}

/// Makes and deletes devices on the user's command.
pub trait Management: Send + Sync + Sized + 'static {
    /// What the devices do.
    type Ops: ConfigOps;

    /// Makes the device `name`, which is registered when this has returned. With or without
    /// `vdpa_dev_lock`.
    ///
    /// Only attributes of [`Capabilities::attributes`] are given in `request`.
    ///
    /// # Errors
    ///
    /// Any; passed to the user.
    fn dev_add(&self, name: &CStr, request: &Request) -> Result<Unregistered<Self::Ops>>;

    /// Gives a network device another MAC address, that of one station. Under `cf_lock`, held for
    /// writing.
    ///
    /// # Errors
    ///
    /// Any; passed to the user.
    fn dev_set_mac(&self, device: &Device<Self::Ops>, mac: [u8; 6]) -> Result;

    /// Called before a device of [`dev_add`](Self::dev_add) is unregistered. Its drivers still have it,
    /// and the unregistration waits for the requests that they have given to it.
    fn dev_leaves(&self, _device: &Device<Self::Ops>) {}

    /// Called when a device of [`dev_add`](Self::dev_add) is unregistered, on the user's command
    /// or before the management device goes; no operation is called any more.
    ///
    /// Also called when the registration after `dev_add` failed.
    fn dev_del(&self, _device: &Device<Self::Ops>) {}
}

/// A registered management device. Dropping it deletes its devices.
///
/// # Invariants
///
/// The object is registered and the members of `mdev` that C reads are constant.
#[pin_data(PinnedDrop)]
pub struct ManagementRegistration<T: Management> {
    #[pin]
    mdev: Opaque<bindings::vdpa_mgmt_dev>,
    /// What `mdev.id_table` points to.
    ids: KVec<virtio_device_id>,
    /// What `mdev.device` points to.
    parent: ARef<device::Device>,
    management: T,
}

// SAFETY: A management device may be unregistered by any thread; `T` is `Send`.
unsafe impl<T: Management> Send for ManagementRegistration<T> {}

// SAFETY: What is shared is constant, or `T`, which is `Sync`.
unsafe impl<T: Management> Sync for ManagementRegistration<T> {}

impl<T: Management> ManagementRegistration<T> {
    /// Returns an initialiser that registers a management device, which the user then knows by the
    /// bus and the name of `parent`.
    ///
    /// Context: process; takes `vdpa_dev_lock`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new<'a>(
        parent: &'a device::Device,
        capabilities: Capabilities<'a>,
        management: T,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(&this in Self {
            ids: id_table(capabilities.device_ids)?,
            parent: parent.into(),
            management,
            // Last: the callbacks come from here on, and use all of the above.
            mdev <- Opaque::try_ffi_init(|slot: *mut bindings::vdpa_mgmt_dev| {
                // SAFETY: `slot` is valid for writes and pinned; `ids` and `parent` are
                // initialised and live until `drop` has unregistered the device.
                unsafe {
                    slot.write(bindings::vdpa_mgmt_dev {
                        device: as_raw(&(*this.as_ptr()).parent),
                        ops: Self::OPS,
                        id_table: (*this.as_ptr()).ids.as_mut_ptr(),
                        config_attr_mask: capabilities.attributes.bits(),
                        supported_features: capabilities.features,
                        max_supported_vqs: capabilities.max_vqs,
                        ..pin_init::zeroed()
                    });
                    to_result(bindings::vdpa_mgmtdev_register(slot))
                }
            }),
        }? Error)
    }

    const OPS: &'static bindings::vdpa_mgmtdev_ops = &bindings::vdpa_mgmtdev_ops {
        dev_add: Some(Self::dev_add),
        dev_del: Some(Self::dev_del),
        dev_set_attr: Some(Self::dev_set_attr),
    };

    /// # Safety
    ///
    /// `mdev` must be that of a registered `Self`.
    unsafe fn from_raw<'a>(mdev: *mut bindings::vdpa_mgmt_dev) -> &'a Self {
        // CAST: `Opaque` is transparent.
        //
        // SAFETY: The caller's promise.
        unsafe { &*kernel::container_of!(Opaque::cast_from(mdev), Self, mdev) }
    }

    /// # Safety
    ///
    /// Called by the vDPA core, with `vdpa_dev_lock` held, a registered management device and a
    /// name and a configuration that live during the call.
    unsafe extern "C" fn dev_add(
        mdev: *mut bindings::vdpa_mgmt_dev,
        name: *const c_char,
        config: *const bindings::vdpa_dev_set_config,
    ) -> c_int {
        // SAFETY: The caller's promises.
        let (this, name, config) =
            unsafe { (Self::from_raw(mdev), CStr::from_char_ptr(name), &*config) };
        from_result(|| {
            let device = this.management.dev_add(name, &request(config))?;
            // SAFETY: `vdpa_dev_lock` is held.
            unsafe { this.register(device.into_device(), bindings::_vdpa_register_device)? };
            Ok(0)
        })
    }

    /// Adds the device `name` as it is published, as `vdpa dev add` would.
    ///
    /// Context: process; takes `vdpa_dev_lock`.
    ///
    /// # Errors
    ///
    /// Those of [`Management::dev_add`]; `EEXIST`: there is a device of that name; `ENOMEM`.
    pub fn add(&self, name: &CStr) -> Result {
        let device = self.management.dev_add(name, &Request::default())?;
        // SAFETY: `vdpa_dev_lock` is not held; the function takes it.
        unsafe { self.register(device.into_device(), bindings::vdpa_register_device) }
    }

    /// Registers a device of ours; the registration takes its reference.
    ///
    /// # Safety
    ///
    /// `register` must be the one of the two functions that fits, by `vdpa_dev_lock`.
    unsafe fn register(
        &self,
        device: ARef<Device<T::Ops>>,
        register: unsafe extern "C" fn(*mut bindings::vdpa_device, u32) -> c_int,
    ) -> Result {
        let vdpa = device.as_vdpa();
        // SAFETY: The device was never registered, nobody reads `mdev` yet, and the caller chose
        // the function.
        let result = to_result(unsafe {
            (*vdpa).mdev = self.mdev.get();
            register(vdpa, device.queues().count().into())
        });
        match result {
            Ok(()) => {
                // `dev_del` gives it up.
                let _ = ARef::into_raw(device);
            }
            Err(_) => self.management.dev_del(&device),
        }
        result
    }

    /// # Safety
    ///
    /// Called by the vDPA core, with `vdpa_dev_lock` held, a registered management device and a
    /// device that it added.
    unsafe extern "C" fn dev_del(
        mdev: *mut bindings::vdpa_mgmt_dev,
        vdpa: *mut bindings::vdpa_device,
    ) {
        // SAFETY: The caller's promises; `register` set `mdev` in devices of type `T::Ops` only.
        let (this, device) = unsafe {
            (
                Self::from_raw(mdev),
                ARef::from(Device::<T::Ops>::from_raw(vdpa)),
            )
        };
        this.management.dev_leaves(&device);
        // SAFETY: The device is registered, `vdpa_dev_lock` is held. This gives up the reference
        // that `register` kept.
        unsafe { bindings::_vdpa_unregister_device(vdpa) };
        this.management.dev_del(&device);
    }

    /// # Safety
    ///
    /// Called by the vDPA core, with `vdpa_dev_lock` held, a registered management device, a
    /// device that it added and a configuration that lives during the call.
    unsafe extern "C" fn dev_set_attr(
        mdev: *mut bindings::vdpa_mgmt_dev,
        vdpa: *mut bindings::vdpa_device,
        config: *const bindings::vdpa_dev_set_config,
    ) -> c_int {
        // SAFETY: The caller's promises; `register` set `mdev` in devices of type `T::Ops` only.
        let (this, device, config) =
            unsafe { (Self::from_raw(mdev), Device::from_raw(vdpa), &*config) };
        from_result(|| {
            // The vDPA core of Linux 7.2 knows no other attribute here.
            let mac = request(config).mac.ok_or(EINVAL)?;
            this.management.dev_set_mac(device, mac)?;
            Ok(0)
        })
    }
}

impl<T: Management> Deref for ManagementRegistration<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.management
    }
}

#[pinned_drop]
impl<T: Management> PinnedDrop for ManagementRegistration<T> {
    /// Context: process; takes `vdpa_dev_lock`. Waits for users of `/dev/vhost-vdpa-*` to close.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The device is registered by the type invariant. All its devices are deleted
        // here, so nobody refers to it afterwards.
        unsafe { bindings::vdpa_mgmtdev_unregister(self.mdev.get()) };
    }
}

/// Returns the table of device types that C walks up to an entry of zeros.
fn id_table(ids: &[u32]) -> Result<KVec<virtio_device_id>> {
    /// `VIRTIO_DEV_ANY_ID`; the vDPA core looks at the device types only.
    const ANY_VENDOR: u32 = u32::MAX;

    let mut table = KVec::with_capacity(ids.len() + 1, GFP_KERNEL)?;
    for &device in ids {
        let vendor = ANY_VENDOR;
        table.push(virtio_device_id { device, vendor }, GFP_KERNEL)?;
    }
    table.push(pin_init::zeroed(), GFP_KERNEL)?;
    Ok(table)
}
