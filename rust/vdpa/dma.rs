// SPDX-License-Identifier: GPL-2.0

//! Memory that the driver side mapped for a device by the DMA API, as the processor reaches it.
//!
//! What a device that is gone was going to read and write, its driver has to, in its place; and a driver that
//! copies to its device reads what the device would. Each piece is found anew, which takes a walk through the
//! tables of an IOMMU where there is one.
//!
//! Context: process, may sleep, unless stated.

use crate::{
    bindings,
    device::as_raw, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    device,
    page::PAGE_SIZE,
    prelude::*, //
};

/// A piece of memory that a device reaches, mapped for the processor.
///
/// # Invariants
///
/// `mapping` is what `vmap` returned for pages that hold `len` bytes from `offset` on.
///
/// # Guarantees
///
/// Only what the device was able to reach can be reached: the driver of a device that gives it an
/// address could as well let the device read and write there.
pub struct DmaMemory {
    mapping: NonNull<u8>,
    offset: usize,
    len: usize,
}

// SAFETY: The mapping is the kernel's, which all threads see alike.
unsafe impl Send for DmaMemory {}

impl DmaMemory {
    /// Maps `len` bytes at `address`, which the driver side of a vDPA device of `device` mapped for it
    /// and keeps mapped until it gets them back.
    ///
    /// # Errors
    ///
    /// `EFAULT`: nothing is mapped there for kernel drivers, or it is no memory; `ENOMEM`.
    pub fn new(device: &device::Device, address: u64, len: usize) -> Result<Self> {
        let offset = (address % PAGE_SIZE as u64) as usize;
        let end = offset.checked_add(len).ok_or(EFAULT)?;
        let pages = find_pages(device, address - offset as u64, end.div_ceil(PAGE_SIZE))?;
        // SAFETY: The pages exist, as was just found; the array is read during the call only.
        let mapping = unsafe {
            bindings::vdpa_map_pages(as_raw(device), pages.as_ptr().cast_mut(), pages.len())
        };
        // INVARIANT: The pages hold all bytes up to `end`.
        Ok(Self {
            mapping: NonNull::new(mapping.cast()).ok_or(ENOMEM)?,
            offset,
            len,
        })
    }

    /// Copies the bytes from `offset` on to `to`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: they are not all in this piece.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        let from = self.find(offset, to.len())?;
        // SAFETY: `find` checked that the memory is mapped. The driver side may write meanwhile;
        // then the bytes are any.
        unsafe { ptr::copy(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies `from` to the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// `EFAULT`: they are not all in this piece.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result {
        let to = self.find(offset, from.len())?;
        // SAFETY: `find` checked that the memory is mapped, and no Rust reference to it exists.
        unsafe { ptr::copy(from.as_ptr(), to, from.len()) };
        Ok(())
    }

    /// Returns the 16 bits at `offset`, read at once.
    ///
    /// # Errors
    ///
    /// `EFAULT`: they are not in this piece, or not aligned.
    pub fn load_u16(&self, offset: usize) -> Result<u16> {
        let word = self.find_word(offset)?;
        // SAFETY: The word is mapped and aligned; a volatile access does not tear.
        Ok(unsafe { word.read_volatile() })
    }

    /// Writes the 16 bits at `offset` at once.
    ///
    /// # Errors
    ///
    /// `EFAULT`: they are not in this piece, or not aligned.
    pub fn store_u16(&self, offset: usize, value: u16) -> Result {
        let word = self.find_word(offset)?;
        // SAFETY: As in `load_u16`.
        unsafe { word.write_volatile(value) };
        Ok(())
    }

    /// Returns where `len` bytes from `offset` on are mapped.
    fn find(&self, offset: usize, len: usize) -> Result<*mut u8> {
        let end = offset.checked_add(len).ok_or(EFAULT)?;
        if end > self.len {
            return Err(EFAULT);
        }
        Ok(self
            .mapping
            .as_ptr()
            .wrapping_add(self.offset)
            .wrapping_add(offset))
    }

    fn find_word(&self, offset: usize) -> Result<*mut u16> {
        let word = self.find(offset, size_of::<u16>())?.cast::<u16>();
        word.is_aligned().then_some(word).ok_or(EFAULT)
    }
}

impl Drop for DmaMemory {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this is a mapping of `vmap`, which nobody else has.
        unsafe { bindings::vunmap(self.mapping.as_ptr().cast()) };
    }
}

/// Copies from `address`, which the driver side of a vDPA device of `device` mapped for it to read.
///
/// Context: any.
///
/// # Errors
///
/// `EFAULT`: nothing is mapped there for kernel drivers, or it is no memory; some may be copied then.
pub fn read_dma(device: &device::Device, address: u64, to: &mut [u8]) -> Result {
    let mut address = address;
    let mut rest = to;
    // Bounded by the number of bytes.
    while !rest.is_empty() {
        let offset = (address % PAGE_SIZE as u64) as usize;
        let len = rest.len().min(PAGE_SIZE - offset);
        let (piece, others) = rest.split_at_mut_checked(len).ok_or(EFAULT)?;
        let page = find_page(device, address - offset as u64)?;
        // SAFETY: The page exists, as was just found, and the piece ends in it. The driver side may write
        // meanwhile; then the bytes are any.
        unsafe { bindings::vdpa_read_page(page, offset, piece.as_mut_ptr().cast(), len) };
        rest = others;
        address = address.wrapping_add(len as u64);
    }
    Ok(())
}

/// Returns the page of memory behind a page of DMA addresses.
fn find_page(device: &device::Device, address: u64) -> Result<*mut bindings::page> {
    // SAFETY: The device is bound, and any address may be asked for.
    let page = unsafe { bindings::vdpa_dma_page(as_raw(device), address) };
    match page.is_null() {
        true => Err(EFAULT),
        false => Ok(page),
    }
}

/// Returns the pages of memory behind `count` pages of DMA addresses from `first` on.
fn find_pages(
    device: &device::Device,
    first: u64,
    count: usize,
) -> Result<KVec<*mut bindings::page>> {
    let mut pages = KVec::with_capacity(count, GFP_KERNEL)?;
    for number in 0..count {
        let address = first
            .checked_add((number * PAGE_SIZE) as u64)
            .ok_or(EFAULT)?;
        pages.push(find_page(device, address)?, GFP_KERNEL)?;
    }
    Ok(pages)
}
