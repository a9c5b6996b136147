// SPDX-License-Identifier: GPL-2.0

//! The operations by which virtio drivers of this kernel map their rings and buffers.
//!
//! C header: [`include/linux/virtio_config.h`](srctree/include/linux/virtio_config.h)

use super::{
    area::Area,
    slots::MAX_AREA_SIZE,
    KernelMap, //
};
use crate::{
    bindings,
    Permission, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings::{
        dma_addr_t,
        gfp_t, //
    },
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
};

/// What mapping returns when it fails: `DMA_MAPPING_ERROR`.
const MAPPING_ERROR: dma_addr_t = dma_addr_t::MAX;

/// Returns what virtio hands to the operations below to say which map is meant.
pub(crate) fn token(map: Option<&KernelMap>) -> bindings::virtio_map {
    bindings::virtio_map {
        // The member that virtio does not look at when there are map operations.
        dma_dev: map.map_or(ptr::null_mut(), |map| {
            ptr::from_ref(map).cast_mut().cast::<bindings::device>()
        }),
    }
}

/// Returns the map behind a token.
///
/// # Safety
///
/// `token` must come from [`token`] by way of `get_vq_map`, or be null, as it is before there is a
/// queue. The device that the map belongs to must be bound.
unsafe fn map_of<'a>(token: bindings::virtio_map) -> Option<&'a KernelMap> {
    // SAFETY: Both members of the union are pointers. By the caller's promise the map is part of
    // the data of a device, which stays where it is until the device is released.
    unsafe { token.dma_dev.cast::<KernelMap>().as_ref() }
}

/// The operations of a device made with [`Memory::Kernel`](crate::Memory::Kernel).
///
/// All have one safety contract: virtio calls them with the token of a queue and with memory that
/// it owns until it unmaps it.
pub(crate) static OPS: bindings::virtio_map_ops = bindings::virtio_map_ops {
    map_page: Some(map_page),
    unmap_page: Some(unmap_page),
    sync_single_for_cpu: Some(sync_single),
    sync_single_for_device: Some(sync_single),
    alloc: Some(alloc),
    free: Some(free),
    need_sync: Some(need_sync),
    mapping_error: Some(mapping_error),
    max_mapping_size: Some(max_mapping_size),
};

/// # Safety
///
/// See [`OPS`].
unsafe extern "C" fn map_page(
    token: bindings::virtio_map,
    page: *mut bindings::page,
    offset: c_ulong,
    size: usize,
    direction: bindings::dma_data_direction,
    _attributes: c_ulong,
) -> dma_addr_t {
    // SAFETY: The caller's promise.
    let map = unsafe { map_of(token) };
    // SAFETY: The page is a valid one; null is returned for memory without a kernel address.
    let start = unsafe { bindings::vdpa_page_address(page) }.cast::<u8>();
    let (Some(map), false) = (map, start.is_null()) else {
        return MAPPING_ERROR;
    };
    NonNull::new(start.wrapping_add(offset)).map_or(MAPPING_ERROR, |start| {
        let area = Area::new(start, size, permission(direction));
        // SAFETY: The caller owns the memory until it unmaps it.
        unsafe { map.insert(area) }.unwrap_or(MAPPING_ERROR)
    })
}

/// # Safety
///
/// See [`OPS`].
unsafe extern "C" fn unmap_page(
    token: bindings::virtio_map,
    address: dma_addr_t,
    _size: usize,
    _direction: bindings::dma_data_direction,
    _attributes: c_ulong,
) {
    // SAFETY: The caller's promise.
    unsafe { unmap(token, address) };
}

fn permission(direction: bindings::dma_data_direction) -> Permission {
    match direction {
        bindings::dma_data_direction_DMA_TO_DEVICE => Permission::Read,
        bindings::dma_data_direction_DMA_FROM_DEVICE => Permission::Write,
        _ => Permission::ReadWrite,
    }
}

/// Unmaps an area and complains if there is none.
///
/// # Safety
///
/// As for [`map_of`].
unsafe fn unmap(token: bindings::virtio_map, address: dma_addr_t) {
    // SAFETY: The caller's promise.
    let result = unsafe { map_of(token) }.map_or(Err(EINVAL), |map| map.remove(address));
    // A driver that unmaps what it did not map is a defect in this kernel.
    kernel::warn_on!(result.is_err());
}

/// # Safety
///
/// See [`OPS`].
unsafe extern "C" fn alloc(
    token: bindings::virtio_map,
    size: usize,
    address: *mut dma_addr_t,
    gfp: gfp_t,
) -> *mut c_void {
    // SAFETY: The caller's promise.
    let Some(map) = (unsafe { map_of(token) }) else {
        return ptr::null_mut();
    };
    // SAFETY: Allocation has no preconditions.
    let memory = unsafe { bindings::vdpa_alloc_pages_exact(size, gfp | bindings::__GFP_ZERO) };
    let Some(start) = NonNull::new(memory.cast::<u8>()) else {
        return ptr::null_mut();
    };
    // SAFETY: The memory is not freed before `free` has unmapped it.
    match unsafe { map.insert(Area::new(start, size, Permission::ReadWrite)) } {
        Ok(mapped) => {
            // SAFETY: The caller passes a place for the address.
            unsafe { address.write(mapped) };
            memory
        }
        Err(_) => {
            // SAFETY: Allocated above with this size, and nobody else knows it.
            unsafe { bindings::free_pages_exact(memory, size) };
            ptr::null_mut()
        }
    }
}

/// # Safety
///
/// See [`OPS`].
unsafe extern "C" fn free(
    token: bindings::virtio_map,
    size: usize,
    memory: *mut c_void,
    address: dma_addr_t,
    _attributes: c_ulong,
) {
    // SAFETY: The caller's promise; the memory is what `alloc` returned for this size, and not
    // mapped any more.
    unsafe {
        unmap(token, address);
        bindings::free_pages_exact(memory, size);
    }
}

/// Nothing to do: both sides see the same memory through the same caches.
///
/// # Safety
///
/// None.
unsafe extern "C" fn sync_single(
    _token: bindings::virtio_map,
    _address: dma_addr_t,
    _size: usize,
    _direction: bindings::dma_data_direction,
) {
}

/// # Safety
///
/// None.
unsafe extern "C" fn need_sync(_token: bindings::virtio_map, _address: dma_addr_t) -> bool {
    false
}

/// # Safety
///
/// None.
unsafe extern "C" fn mapping_error(_token: bindings::virtio_map, address: dma_addr_t) -> c_int {
    if address == MAPPING_ERROR {
        ENOMEM.to_errno()
    } else {
        0
    }
}

/// Returns the size that the offset part of an address allows.
///
/// # Safety
///
/// None.
unsafe extern "C" fn max_mapping_size(_token: bindings::virtio_map) -> usize {
    MAX_AREA_SIZE
}
