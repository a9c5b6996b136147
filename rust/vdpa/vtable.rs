// SPDX-License-Identifier: GPL-2.0

//! The C table of operations of a type that implements [`ConfigOps`].
//!
//! Each function converts its arguments and calls the method of its name, nothing else. They share
//! one safety contract: the vDPA core, `virtio_vdpa` and `vhost_vdpa` call them with a device whose
//! table this is, between its registration and its release. The tables themselves are in `table`.

mod table;

use crate::{
    bindings,
    callback::Callback,
    config_ops::{
        ConfigOps,
        Permission,
        VqAddress, //
    },
    device::Device,
    map::{
        self,
        Area,
        KernelMap, //
    },
    pinned::Memory,
    state,
    stats::VendorStats, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull,
    slice, //
};
use kernel::{
    error::from_result,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
};

/// The tables of `T`, see [`Vtable::of`].
pub(crate) struct Vtable<T: ConfigOps>(PhantomData<T>);

/// Defines the functions of the table: the C arguments, and the method call they become.
///
/// `this[vq]` is a queue of the device: C counts those that the user is shown, the method those of the
/// device.
macro_rules! operations {
    ($(
        fn $name:ident($this:ident $([$vq:ident])? $(, $arg:ident: $ty:ty)*) $(-> $ret:ty)? $body:block
    )*) => {
        impl<T: ConfigOps> Vtable<T> {
            $(
                /// # Safety
                ///
                /// See the head of this file.
                unsafe extern "C" fn $name(
                    vdpa: *mut bindings::vdpa_device $(, $vq: u16)? $(, $arg: $ty)*
                ) $(-> $ret)? {
                    // SAFETY: By the contract the device was made with `Vtable::<T>::OPS`, thus by
                    // `Unregistered::<T>::new`, and lives during the call.
                    let device = unsafe { Device::<T>::from_raw(vdpa) };
                    $(let $vq = device.queues().on_device($vq);)?
                    let $this: &T = device;
                    $body
                }
            )*
        }
    };
}

/// Returns the result of an operation as C expects it.
fn errno(result: Result) -> c_int {
    result.map_or_else(Error::to_errno, |()| 0)
}

operations! {
    fn set_vq_address(this[vq], desc: u64, driver: u64, device: u64) -> c_int {
        errno(this.set_vq_address(vq, VqAddress {
            descriptor_area: desc,
            driver_area: driver,
            device_area: device,
        }))
    }
    fn set_vq_num(this[vq], size: u32) {
        this.set_vq_num(vq, size)
    }
    fn kick_vq(this[vq]) {
        this.kick_vq(vq)
    }
    fn kick_vq_with_data(this, data: u32) {
        this.kick_vq_with_data(data)
    }
    fn set_vq_cb(this[vq], callback: *mut bindings::vdpa_callback) {
        // SAFETY: The callback is the caller's, for the time of the call.
        this.set_vq_cb(vq, unsafe { callback_of(callback) })
    }
    fn set_vq_ready(this[vq], ready: bool) {
        this.set_vq_ready(vq, ready)
    }
    fn get_vq_ready(this[vq]) -> bool {
        this.get_vq_ready(vq)
    }
    fn set_vq_state(this[vq], state: *const bindings::vdpa_vq_state) -> c_int {
        // SAFETY: The state is the caller's, for the time of the call.
        let position = state::load(unsafe { &*state }, this.get_driver_features());
        errno(this.set_vq_state(vq, position))
    }
    fn get_vq_state(this[vq], state: *mut bindings::vdpa_vq_state) -> c_int {
        from_result(|| {
            let position = this.get_vq_state(vq)?;
            // SAFETY: The state is the caller's, to be written, for the time of the call.
            state::store(unsafe { &mut *state }, this.get_driver_features(), position);
            Ok(0)
        })
    }
    fn get_vendor_vq_stats(
        this[vq],
        message: *mut bindings::sk_buff,
        _extack: *mut bindings::netlink_ext_ack
    ) -> c_int {
        // SAFETY: The message is the caller's, for the time of the call.
        let mut stats = unsafe { VendorStats::from_raw(message) };
        errno(this.get_vendor_vq_stats(vq, &mut stats))
    }
    fn get_vq_irq(this[vq]) -> c_int {
        from_result(|| Ok(this.get_vq_irq(vq)?.try_into()?))
    }
    fn get_vq_group(this[vq]) -> u32 {
        this.get_vq_group(vq)
    }
    fn set_group_asid(this, group: c_uint, space: c_uint) -> c_int {
        errno(this.set_group_asid(group, space))
    }
    fn get_vq_size(this[vq]) -> u16 {
        this.get_vq_size(vq)
    }
    fn get_vq_align(this) -> u32 {
        this.get_vq_align()
    }
    fn get_vq_num_max(this) -> u16 {
        this.get_vq_num_max()
    }
    fn get_vq_num_min(this) -> u16 {
        this.get_vq_num_min()
    }
    fn get_device_features(this) -> u64 {
        this.get_device_features()
    }
    fn set_driver_features(this, features: u64) -> c_int {
        errno(this.set_driver_features(features))
    }
    fn get_driver_features(this) -> u64 {
        this.get_driver_features()
    }
    fn set_config_cb(this, callback: *mut bindings::vdpa_callback) {
        // SAFETY: The callback is the caller's, for the time of the call.
        this.set_config_cb(unsafe { callback_of(callback) })
    }
    fn get_device_id(this) -> u32 {
        this.get_device_id()
    }
    fn get_vendor_id(this) -> u32 {
        this.get_vendor_id()
    }
    fn get_status(this) -> u8 {
        this.get_status()
    }
    fn set_status(this, status: u8) {
        this.set_status(status)
    }
    fn reset(this) -> c_int {
        errno(this.reset())
    }
    fn suspend(this) -> c_int {
        errno(this.suspend())
    }
    fn resume(this) -> c_int {
        errno(this.resume())
    }
    fn get_config_size(this) -> usize {
        this.get_config_size()
    }
    fn get_config(this, offset: c_uint, to: *mut c_void, len: c_uint) {
        // SAFETY: The caller passes `len` writable bytes, which nobody else uses; they become
        // initialised here, some callers pass them as they are on the stack.
        let to = unsafe {
            to.cast::<u8>().write_bytes(0, len as usize);
            slice::from_raw_parts_mut(to.cast::<u8>(), len as usize)
        };
        this.get_config(offset as usize, to)
    }
    fn set_config(this, offset: c_uint, from: *const c_void, len: c_uint) {
        // SAFETY: The caller passes `len` readable bytes, which nobody changes during the call.
        let from = unsafe { slice::from_raw_parts(from.cast::<u8>(), len as usize) };
        this.set_config(offset as usize, from)
    }
    fn get_generation(this) -> u32 {
        this.get_generation()
    }
}

impl<T: ConfigOps> Vtable<T> {
    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn get_backend_features(vdpa: *const bindings::vdpa_device) -> u64 {
        // SAFETY: As for the operations above.
        let this: &T = unsafe { Device::<T>::from_raw(vdpa) };
        this.get_backend_features()
    }

    /// Of a queue that has another index on the device there is no area: user space writes the index that
    /// it knows.
    ///
    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn get_vq_notification(
        vdpa: *mut bindings::vdpa_device,
        vq: u16,
    ) -> bindings::vdpa_notification_area {
        // SAFETY: As for the operations above.
        let device = unsafe { Device::<T>::from_raw(vdpa) };
        if device.queues().is_moved(vq) {
            return pin_init::zeroed();
        }
        let area = device.get_vq_notification(device.queues().on_device(vq));
        bindings::vdpa_notification_area {
            addr: area.address,
            size: area.size,
        }
    }

    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn get_dma_vq_map(
        vdpa: *mut bindings::vdpa_device,
        vq: u16,
    ) -> bindings::virtio_map {
        // SAFETY: As for the operations above.
        let device = unsafe { Device::<T>::from_raw(vdpa) };
        device.kernel_has_queue(device.queues().on_device(vq));
        // SAFETY: The device lives; the member is constant since it was made.
        unsafe { (*vdpa).vmap }
    }

    /// # Safety
    ///
    /// Called by the driver core when the last reference to a device with this table is gone.
    unsafe extern "C" fn free(vdpa: *mut bindings::vdpa_device) {
        // SAFETY: `Device::<T>::alloc` made the device, and no reference is left.
        unsafe { Device::<T>::free(vdpa) }
    }
}

/// The operations of a device with a [`KernelMap`](crate::KernelMap), in place of those of `T`.
impl<T: ConfigOps> Vtable<T> {
    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn get_vq_map(
        vdpa: *mut bindings::vdpa_device,
        _vq: u16,
    ) -> bindings::virtio_map {
        // SAFETY: As for the operations above.
        map::token(unsafe { kernel_map::<T>(vdpa) })
    }

    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn map_pinned(
        vdpa: *mut bindings::vdpa_device,
        space: c_uint,
        iova: u64,
        size: u64,
        memory: u64,
        permission: u32,
        _opaque: *mut c_void,
    ) -> c_int {
        from_result(|| {
            let area = Area::physical(memory, size, permission_of(permission)?)?;
            // SAFETY: As for the operations above. `vhost_vdpa` pins the memory, and unpins it in
            // the step that calls `dma_unmap` or `reset_map`, both of which remove the area.
            unsafe {
                kernel_map::<T>(vdpa)
                    .ok_or(EINVAL)?
                    .insert_at(space, iova, area)?
            };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn unmap_pinned(
        vdpa: *mut bindings::vdpa_device,
        space: c_uint,
        iova: u64,
        size: u64,
    ) -> c_int {
        from_result(|| {
            let last = iova.saturating_add(size.saturating_sub(1));
            // SAFETY: As for the operations above.
            unsafe { kernel_map::<T>(vdpa) }
                .ok_or(EINVAL)?
                .remove_at(space, iova, last);
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn unmap_all_pinned(
        vdpa: *mut bindings::vdpa_device,
        space: c_uint,
    ) -> c_int {
        // SAFETY: The same contract.
        unsafe { Self::unmap_pinned(vdpa, space, 0, u64::MAX) }
    }
}

/// The operations of a device that translates addresses itself, which call those of `T`.
impl<T: ConfigOps> Vtable<T> {
    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn map_translated(
        vdpa: *mut bindings::vdpa_device,
        space: c_uint,
        iova: u64,
        size: u64,
        memory: u64,
        permission: u32,
        _opaque: *mut c_void,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As for the operations above.
            let device = unsafe { Device::<T>::from_raw(vdpa) };
            let map = device.pinned_map().ok_or(EINVAL)?;
            let permission = permission_of(permission)?;
            let memory = Memory {
                address: memory,
                size,
                permission,
            };
            // SAFETY: `vhost_vdpa` has pinned the pages.
            unsafe { map.map::<T>(device, space, iova, memory)? };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn unmap_translated(
        vdpa: *mut bindings::vdpa_device,
        space: c_uint,
        iova: u64,
        size: u64,
    ) -> c_int {
        from_result(|| {
            // SAFETY: As for the operations above.
            let device = unsafe { Device::<T>::from_raw(vdpa) };
            let last = iova.saturating_add(size.saturating_sub(1));
            let map = device.pinned_map().ok_or(EINVAL)?;
            map.unmap::<T>(device, space, iova, last);
            Ok(0)
        })
    }

    /// That there is this operation says that mappings outlive a reset.
    ///
    /// # Safety
    ///
    /// See the head of this file.
    unsafe extern "C" fn unmap_all_translated(
        vdpa: *mut bindings::vdpa_device,
        space: c_uint,
    ) -> c_int {
        // SAFETY: The same contract.
        unsafe { Self::unmap_translated(vdpa, space, 0, u64::MAX) }
    }
}

/// Returns the map of the device of an operation.
///
/// # Safety
///
/// See the head of this file.
unsafe fn kernel_map<'a, T: ConfigOps>(vdpa: *mut bindings::vdpa_device) -> Option<&'a KernelMap> {
    // SAFETY: As for the operations above.
    let device = unsafe { Device::<T>::from_raw(vdpa) };
    device.kernel_map().map(|map| &**map)
}

/// Returns the callback behind the argument of an operation.
///
/// # Safety
///
/// `raw` must be the argument of `set_vq_cb` or `set_config_cb`.
unsafe fn callback_of(raw: *mut bindings::vdpa_callback) -> Option<Callback> {
    // SAFETY: The caller's promise.
    NonNull::new(raw).and_then(|raw| unsafe { Callback::from_raw(raw) })
}

impl Permission {
    /// Returns the permission as C has it.
    pub(crate) const fn as_raw(self) -> u32 {
        match self {
            Self::Read => bindings::VHOST_MAP_RO,
            Self::Write => bindings::VHOST_MAP_WO,
            Self::ReadWrite => bindings::VHOST_MAP_RW,
        }
    }
}

fn permission_of(raw: u32) -> Result<Permission> {
    match raw {
        bindings::VHOST_MAP_RO => Ok(Permission::Read),
        bindings::VHOST_MAP_WO => Ok(Permission::Write),
        bindings::VHOST_MAP_RW => Ok(Permission::ReadWrite),
        _ => Err(EINVAL),
    }
}
