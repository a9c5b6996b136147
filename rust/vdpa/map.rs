// SPDX-License-Identifier: GPL-2.0

//! The driver side's memory, for a device side that is a program on the same machine.
//!
//! An address on the ring is no physical address but one of a [`KernelMap`], through which the
//! device side gets at the memory: what is not mapped cannot be touched. It is filled by this crate
//! alone, for both users of a vDPA device:
//!
//! * `virtio_vdpa` maps each ring and buffer of the kernel's, see `ops` and `slots`;
//! * `vhost_vdpa` maps the pinned pages of a process or virtual machine, see `ranges`.
//!
//! The driver of a device on a bus may have one too, for memory of processes only: it copies to the device
//! what that would have to read ([`Memory::Translated`](crate::Memory::Translated)).
//!
//! Context: any, as virtio drivers map with interrupts off. The map's lock is innermost, and held
//! for at most one page of copying. It makes unmapping wait for an access in progress, so memory is
//! not touched once it is unmapped.

mod area;
mod ops;
mod queue;
mod ranges;
mod slots;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

pub(crate) use self::area::Area;
pub(crate) use self::ops::{
    token,
    OPS, //
};
pub use self::queue::MappedQueue;

use self::{
    area::Access,
    ranges::{
        Range,
        Ranges, //
    },
    slots::Slots,
};
use concurrency::{
    new_irq_lock,
    IrqLock, //
};
use core::ptr;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// The memory that a device's driver side has mapped, as the device side reaches it.
#[pin_data]
pub struct KernelMap {
    #[pin]
    mapped: IrqLock<Mapped>,
}

/// All that is mapped.
///
/// # Invariants
///
/// The memory of each area is valid for reads and writes as long as the area is in here.
struct Mapped {
    slots: Slots,
    ranges: Ranges,
}

impl Mapped {
    /// Returns memory at `address`, of a space if it is a process', for this access: at most `len` bytes, a page and the end of the
    /// area, and at least one byte. It is valid as long as the map is locked.
    fn find(
        &self,
        space: u32,
        address: u64,
        len: usize,
        access: Access,
    ) -> Result<(*mut u8, usize)> {
        let in_slot = self.slots.find(address);
        let found = in_slot.or_else(|| self.ranges.find(space, address));
        let (area, offset) = found.ok_or(EFAULT)?;
        let (start, rest) = area.at(offset, access).ok_or(EFAULT)?;
        Ok((start, rest.min(len).min(PAGE_SIZE)))
    }

    /// Returns a word at `address` of a space for this access, valid as long as the map is locked.
    fn find_word<T>(&self, space: u32, address: u64, access: Access) -> Result<*mut T> {
        let (start, len) = self.find(space, address, size_of::<T>(), access)?;
        let word = start.cast::<T>();
        if len < size_of::<T>() || !word.is_aligned() {
            return Err(EFAULT);
        }
        Ok(word)
    }
}

impl KernelMap {
    /// Returns an initialiser of a map without any memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: There is no area.
            mapped <- new_irq_lock!(
                Mapped { slots: Slots::new()?, ranges: Ranges::new() },
                "vdpa::KernelMap"
            ),
        })
    }

    /// Copies memory at `address` of a space to `to`. What drivers of the kernel map is in all spaces.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped as a whole, or not for the device to read.
    pub fn read(&self, space: u32, address: u64, to: &mut [u8]) -> Result {
        let mut address = address;
        let mut to = to;
        // Bounded by the length: each round copies at least a byte.
        while !to.is_empty() {
            let mapped = self.mapped.lock();
            let (from, len) = mapped.find(space, address, to.len(), Access::Read)?;
            let (piece, rest) = to.split_at_mut_checked(len).ok_or(EFAULT)?;
            // SAFETY: `from` is valid for the length while the map is locked. The driver side may
            // write meanwhile; then the bytes are any.
            unsafe { ptr::copy(from, piece.as_mut_ptr(), piece.len()) };
            drop(mapped);
            address = address.wrapping_add(len as u64);
            to = rest;
        }
        Ok(())
    }

    /// Returns whether `len` bytes at `address` of a space are mapped now, for the device to read.
    pub fn is_readable(&self, space: u32, address: u64, len: usize) -> bool {
        let find = |done: usize| {
            let at = address.checked_add(done as u64)?;
            let found = self.mapped.lock().find(space, at, len - done, Access::Read);
            found.ok().map(|(_, len)| len)
        };
        let mut done = 0;
        // Bounded by the length: each round finds at least a byte.
        while done < len {
            let Some(found) = find(done) else {
                return false;
            };
            done += found;
        }
        true
    }

    /// Copies `from` to the memory at `address` of a space.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped as a whole, or not for the device to write.
    pub fn write(&self, space: u32, address: u64, from: &[u8]) -> Result {
        let mut address = address;
        let mut from = from;
        // Bounded by the length: each round copies at least a byte.
        while !from.is_empty() {
            let mapped = self.mapped.lock();
            let (to, len) = mapped.find(space, address, from.len(), Access::Write)?;
            let (piece, rest) = from.split_at_checked(len).ok_or(EFAULT)?;
            // SAFETY: `to` is valid for the length while the map is locked, and no Rust reference
            // to it exists.
            unsafe { ptr::copy(piece.as_ptr(), to, piece.len()) };
            drop(mapped);
            address = address.wrapping_add(len as u64);
            from = rest;
        }
        Ok(())
    }

    /// Returns the 16 bits at `address` of a space, read at once.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped, not for the device to read, or not aligned.
    pub fn load_u16(&self, space: u32, address: u64) -> Result<u16> {
        let mapped = self.mapped.lock();
        let word = mapped.find_word::<u16>(space, address, Access::Read)?;
        // SAFETY: `word` is valid and aligned while the map is locked; a volatile access does not
        // tear.
        Ok(unsafe { word.read_volatile() })
    }

    /// Returns the 64 bits at `address` of a space, read at once.
    ///
    /// # Errors
    ///
    /// As for [`load_u16`](Self::load_u16).
    #[cfg(CONFIG_64BIT)]
    pub fn load_u64(&self, space: u32, address: u64) -> Result<u64> {
        let mapped = self.mapped.lock();
        let word = mapped.find_word::<u64>(space, address, Access::Read)?;
        // SAFETY: As in `load_u16`.
        Ok(unsafe { word.read_volatile() })
    }

    /// Writes the 16 bits at `address` of a space at once.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped, not for the device to write, or not aligned.
    pub fn store_u16(&self, space: u32, address: u64, value: u16) -> Result {
        let mapped = self.mapped.lock();
        let word = mapped.find_word::<u16>(space, address, Access::Write)?;
        // SAFETY: As in `load_u16`.
        unsafe { word.write_volatile(value) };
        Ok(())
    }

    /// Maps an area and returns its address. Context: any.
    ///
    /// # Safety
    ///
    /// The memory must be valid for reads and writes until [`remove`](Self::remove).
    unsafe fn insert(&self, area: Area) -> Result<u64> {
        // INVARIANT: The caller promises that the memory is valid.
        self.mapped.lock().slots.insert(area)
    }

    /// Unmaps what [`insert`](Self::insert) returned `address` for. Context: any.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it is not mapped.
    fn remove(&self, address: u64) -> Result {
        self.mapped.lock().slots.remove(address)
    }

    /// Maps an area at the address `first` of a space. Context: process.
    ///
    /// # Errors
    ///
    /// `EEXIST`: some of it is mapped; `EINVAL`: it reaches beyond the highest address; `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The memory must be valid for reads and writes until it is removed.
    pub(crate) unsafe fn insert_at(&self, space: u32, first: u64, area: Area) -> Result {
        let range = Range::new(space, first, area)?;
        // INVARIANT: The caller promises that the memory is valid.
        self.mapped.lock().ranges.insert(range)
    }

    /// Unmaps all areas that [`insert_at`](Self::insert_at) mapped at any of `first..=last` of a space.
    /// Context: process.
    pub(crate) fn remove_at(&self, space: u32, first: u64, last: u64) {
        // Bounded by the number of areas: each round removes one, and lets interrupts in.
        loop {
            let removed = self.mapped.lock().ranges.remove_one(space, first, last);
            if removed.is_none() {
                break;
            }
        }
    }
}
