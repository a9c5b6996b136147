// SPDX-License-Identifier: GPL-2.0

//! Memory of this kernel that an engine reaches, mapped once.
//!
//! The processor and the engine have it in turns: `Buffer::give`, `Buffer::take`.

use crate::{
    bindings,
    Direction, //
};
use kernel::{
    device::Device,
    dma::DmaAddress,
    prelude::*,
    sync::aref::ARef,
    types::Opaque, //
};

/// Memory of a user of a channel, which the channel moves data from or to.
///
/// It is of use with channels of the device that it was mapped for.
pub struct Buffer {
    /// `None`: it is being dropped.
    mapped: Option<Mapped>,
    /// An engine that did not stop has it for ever.
    is_left: bool,
}

/// Memory that is mapped for the device of an engine; it is unmapped and freed when dropped.
///
/// # Invariants
///
/// `address` is the mapping of all `bytes` for `device` and `direction`.
struct Mapped {
    bytes: KVec<u8>,
    address: DmaAddress,
    device: ARef<Device>,
    direction: Direction,
}

// SAFETY: The mapping is of no thread.
unsafe impl Send for Mapped {}

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
        let mapped = Mapped {
            bytes,
            address,
            device,
            direction,
        };
        Ok(Self {
            mapped: Some(mapped),
            is_left: false,
        })
    }

    /// Returns the bytes; none that an engine may still write.
    pub fn bytes(&self) -> &[u8] {
        match &self.mapped {
            Some(mapped) if !self.is_left || mapped.direction == Direction::MemoryToDevice => {
                &mapped.bytes
            }
            _ => &[],
        }
    }

    /// Returns the bytes, to be written; none that an engine may still use.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.mapped {
            Some(mapped) if !self.is_left => &mut mapped.bytes,
            _ => &mut [],
        }
    }

    /// Returns where an engine finds the first byte and how many there are, if that is an engine of `device`, which moves
    /// data in this direction.
    pub(crate) fn room(
        &self,
        device: *mut bindings::device,
        direction: Direction,
    ) -> Option<(DmaAddress, usize)> {
        let mapped = self.mapped.as_ref().filter(|_| !self.is_left)?;
        let is_for = as_raw(&mapped.device) == device && mapped.direction == direction;
        is_for.then_some((mapped.address, mapped.bytes.len()))
    }

    /// Lets the engine have it.
    pub(crate) fn give(&mut self) {
        let Some(mapped) = &self.mapped else { return };
        let (raw, size) = (as_raw(&mapped.device), mapped.bytes.len());
        let direction = mapped.direction.of_memory();
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_client_give_to_device(raw, mapped.address, size, direction) };
    }

    /// Lets the processor have it, and what the engine wrote.
    pub(crate) fn take(&mut self) {
        let Some(mapped) = &self.mapped else { return };
        let (raw, size) = (as_raw(&mapped.device), mapped.bytes.len());
        let direction = mapped.direction.of_memory();
        // SAFETY: By the type invariant.
        unsafe { bindings::dma_client_take_from_device(raw, mapped.address, size, direction) };
    }

    /// Leaves it to the engine, mapped, until this kernel ends.
    pub(crate) fn leave(&mut self) {
        self.is_left = true;
        if let Some(mapped) = &self.mapped {
            // SAFETY: The bytes were allocated, and are never freed from here on.
            unsafe { bindings::dma_client_keep_for_ever(mapped.bytes.as_ptr().cast()) };
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.is_left {
            core::mem::forget(self.mapped.take());
        }
    }
}

impl Drop for Mapped {
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
