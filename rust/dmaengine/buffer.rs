// SPDX-License-Identifier: GPL-2.0

//! Memory of this kernel that an engine reaches, mapped once.
//!
//! The processor and the engine have it in turns: [`Buffer::give`], [`Buffer::take`].

use crate::{
    bindings,
    Direction, //
};
use core::mem::ManuallyDrop;
use kernel::{
    device::Device,
    dma::DmaAddress,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

/// Memory that is mapped for the device of an engine; it is unmapped and freed when dropped.
///
/// # Invariants
///
/// `address` is the mapping of all `bytes` for `device` and `direction`.
pub(crate) struct Buffer {
    bytes: KVec<u8>,
    address: DmaAddress,
    device: ARef<Device>,
    direction: Direction,
}

// SAFETY: The mapping is of no thread.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Allocates and maps `size` bytes, not 0.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory; `EIO`: it cannot be mapped.
    pub(crate) fn new(device: ARef<Device>, direction: Direction, size: usize) -> Result<Self> {
        // In one piece, which a mapping takes, and of whole cache lines, which nothing else shares.
        let mut bytes = KVec::from_elem(0, size, GFP_KERNEL)?;
        let memory = bytes.as_mut_ptr().cast();
        let raw = as_raw(&device);
        // SAFETY: The device exists, and `memory` are `size` bytes of the kernel's linear mapping.
        let address = unsafe { bindings::dma_client_map(raw, memory, size, direction.of_memory()) };
        // SAFETY: The device exists.
        if !unsafe { bindings::dma_client_is_mapped(raw, address) } {
            return Err(EIO);
        }
        // INVARIANT: It was mapped just now.
        Ok(Self {
            bytes,
            address,
            device,
            direction,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Returns where the engine finds the first byte.
    pub(crate) fn address(&self) -> DmaAddress {
        self.address
    }

    /// Lets the engine have it.
    pub(crate) fn give(&mut self) {
        let (raw, size) = (as_raw(&self.device), self.bytes.len());
        let direction = self.direction.of_memory();
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_client_give_to_device(raw, self.address, size, direction) };
    }

    /// Lets the processor have it, and what the engine wrote.
    pub(crate) fn take(&mut self) {
        let (raw, size) = (as_raw(&self.device), self.bytes.len());
        let direction = self.direction.of_memory();
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_client_take_from_device(raw, self.address, size, direction) };
    }

    /// Leaves it to the engine, mapped, until this kernel ends.
    pub(crate) fn leave(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: The bytes were allocated, and are never freed from here on.
        unsafe { bindings::dma_client_keep_for_ever(this.bytes.as_ptr().cast()) };
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let (raw, size) = (as_raw(&self.device), self.bytes.len());
        let direction = self.direction.of_memory();
        // SAFETY: By the type invariant; nobody uses the mapping any more.
        unsafe { bindings::dma_client_unmap(raw, self.address, size, direction) };
    }
}

/// Returns the `struct device`, which exists as long as `device`.
pub(crate) fn as_raw(device: &Device) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of `Opaque<struct device>`.
    Opaque::cast_into(core::ptr::from_ref(device).cast())
}
