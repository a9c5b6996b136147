// SPDX-License-Identifier: GPL-2.0

//! Kernel memory that a virtqueue's driver side shares with a device side in the same kernel.
//!
//! The driver side maps each ring and buffer before it puts the address on the ring, by way of
//! `struct virtio_map_ops`. Here the address is one of a table, a slot number and an offset, and
//! the device side gets at the memory through the table: what is not mapped cannot be touched.
//!
//! ```text
//!     63            32 31             0
//!    +----------------+----------------+
//!    |    slot + 1    |     offset     |
//!    +----------------+----------------+
//! ```
//!
//! Context: any, as virtio drivers map with interrupts off. The table's lock is innermost, and held
//! for at most one page of copying. It makes unmapping wait for an access in progress, so memory is
//! not touched once it is unmapped.

use crate::bindings;
use concurrency::{
    new_irq_lock,
    IrqLock, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        Flags, //
    },
    bindings::{
        dma_addr_t,
        gfp_t, //
    },
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    page::PAGE_SIZE,
    prelude::*,
};

/// Slots are allocated in groups of this many, so that a group is half a page.
const GROUP_SLOTS: usize = 128;

/// The highest number of groups: 65536 slots, enough for 256 requests of 256 segments each.
const MAX_GROUPS: usize = 512;

/// The addresses that mapping returns when it fails, as `DMA_MAPPING_ERROR`.
const MAPPING_ERROR: dma_addr_t = dma_addr_t::MAX;

/// The memory of one virtqueue's driver side, as the device side reaches it.
#[pin_data]
pub struct KernelMap {
    #[pin]
    table: IrqLock<Table>,
}

impl KernelMap {
    /// Returns an initialiser of a map without any memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            table <- new_irq_lock!(Table::new()?, "vdpa::KernelMap"),
        })
    }

    /// Copies memory at `address` to `to`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped as a whole, or not for the device to read.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result {
        let mut address = address;
        for piece in to.chunks_mut(PAGE_SIZE) {
            let table = self.table.lock();
            let from = table.readable(address, piece.len())?;
            // SAFETY: `from` is valid for the length while the table is locked. The driver side
            // may write meanwhile; then the bytes are any.
            unsafe { ptr::copy(from, piece.as_mut_ptr(), piece.len()) };
            address = address.wrapping_add(piece.len() as u64);
        }
        Ok(())
    }

    /// Copies `from` to the memory at `address`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped as a whole, or not for the device to write.
    pub fn write(&self, address: u64, from: &[u8]) -> Result {
        let mut address = address;
        for piece in from.chunks(PAGE_SIZE) {
            let table = self.table.lock();
            let to = table.writable(address, piece.len())?;
            // SAFETY: `to` is valid for the length while the table is locked, and no Rust
            // reference to it exists.
            unsafe { ptr::copy(piece.as_ptr(), to, piece.len()) };
            address = address.wrapping_add(piece.len() as u64);
        }
        Ok(())
    }

    /// Returns the 16 bits at `address`, read at once.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped, not for the device to read, or not aligned.
    pub fn load_u16(&self, address: u64) -> Result<u16> {
        let table = self.table.lock();
        let from = table.readable(address, size_of::<u16>())?.cast::<u16>();
        if !from.is_aligned() {
            return Err(EFAULT);
        }
        // SAFETY: `from` is valid and aligned while the table is locked; a volatile access does
        // not tear.
        Ok(unsafe { from.read_volatile() })
    }

    /// Writes the 16 bits at `address` at once.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory is not mapped, not for the device to write, or not aligned.
    pub fn store_u16(&self, address: u64, value: u16) -> Result {
        let table = self.table.lock();
        let to = table.writable(address, size_of::<u16>())?.cast::<u16>();
        if !to.is_aligned() {
            return Err(EFAULT);
        }
        // SAFETY: As in `load_u16`.
        unsafe { to.write_volatile(value) };
        Ok(())
    }

    /// Maps memory and returns its address.
    ///
    /// # Safety
    ///
    /// The memory must be valid for reads and writes until [`remove`](Self::remove).
    unsafe fn insert(&self, start: NonNull<u8>, size: usize, direction: i32) -> Result<dma_addr_t> {
        let area = Area {
            start,
            size: size.try_into()?,
            readable: direction != bindings::dma_data_direction_DMA_FROM_DEVICE,
            writable: direction != bindings::dma_data_direction_DMA_TO_DEVICE,
        };
        // INVARIANT: The caller promises what the table's slots need.
        self.table.lock().insert(area)
    }

    /// Unmaps what [`insert`](Self::insert) returned `address` for.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it is not mapped.
    fn remove(&self, address: dma_addr_t) -> Result {
        self.table.lock().remove(address)
    }
}

/// A piece of mapped memory.
#[derive(Clone, Copy)]
struct Area {
    start: NonNull<u8>,
    size: u32,
    readable: bool,
    writable: bool,
}

/// A place in the table.
enum Slot {
    /// Without memory, followed by this one in the list of free slots.
    Free(Option<u32>),
    Used(Area),
}

/// The table of a queue's memory.
///
/// # Invariants
///
/// The memory of each used slot is valid for reads and writes.
struct Table {
    groups: KVec<KVec<Slot>>,
    /// The head of the list of free slots.
    free: Option<u32>,
}

// SAFETY: The memory of the slots is the kernel's, which all threads see alike.
unsafe impl Send for Table {}

impl Table {
    fn new() -> Result<Self> {
        Ok(Self {
            groups: KVec::with_capacity(MAX_GROUPS, GFP_KERNEL)?,
            free: None,
        })
    }

    /// Returns the memory at `address`, if the device may read it.
    fn readable(&self, address: u64, size: usize) -> Result<*const u8> {
        let (area, start) = self.find(address, size).ok_or(EFAULT)?;
        area.readable.then_some(start.cast_const()).ok_or(EFAULT)
    }

    /// Returns the memory at `address`, if the device may write it.
    fn writable(&self, address: u64, size: usize) -> Result<*mut u8> {
        let (area, start) = self.find(address, size).ok_or(EFAULT)?;
        area.writable.then_some(start).ok_or(EFAULT)
    }

    /// Finds the area that has all `size` bytes from `address`.
    ///
    /// The pointer is valid for that size as long as the table is locked.
    fn find(&self, address: u64, size: usize) -> Option<(Area, *mut u8)> {
        let (slot, offset) = split(address)?;
        let &Slot::Used(area) = self.slot(slot)? else {
            return None;
        };
        let end = u64::from(offset).checked_add(size as u64)?;
        if end > u64::from(area.size) {
            return None;
        }
        // The offset is inside of the area, as was just checked.
        Some((area, area.start.as_ptr().wrapping_add(offset as usize)))
    }

    fn insert(&mut self, area: Area) -> Result<dma_addr_t> {
        let number = match self.free {
            Some(number) => number,
            None => self.grow()?,
        };
        let slot = self.slot_mut(number).ok_or(ENOMEM)?;
        let Slot::Free(next) = *slot else {
            return Err(ENOMEM);
        };
        *slot = Slot::Used(area);
        self.free = next;
        Ok(u64::from(number + 1) << 32)
    }

    fn remove(&mut self, address: dma_addr_t) -> Result {
        let (number, _) = split(address).ok_or(EINVAL)?;
        let free = self.free;
        let slot = self.slot_mut(number).ok_or(EINVAL)?;
        if matches!(slot, Slot::Free(_)) {
            return Err(EINVAL);
        }
        *slot = Slot::Free(free);
        self.free = Some(number);
        Ok(())
    }

    /// Adds a group of free slots and returns the first.
    fn grow(&mut self) -> Result<u32> {
        if self.groups.len() >= MAX_GROUPS {
            return Err(ENOSPC);
        }
        // CAST: Below MAX_GROUPS * GROUP_SLOTS.
        let first = (self.groups.len() * GROUP_SLOTS) as u32;
        let last = first + GROUP_SLOTS as u32 - 1;
        let mut group = KVec::with_capacity(GROUP_SLOTS, atomic())?;
        for number in first..=last {
            let next = (number < last).then_some(number + 1);
            group.push(Slot::Free(next), atomic())?;
        }
        self.groups.push(group, atomic())?;
        self.free = Some(first);
        Ok(first)
    }

    fn slot(&self, number: u32) -> Option<&Slot> {
        let number = number as usize;
        self.groups
            .get(number / GROUP_SLOTS)?
            .get(number % GROUP_SLOTS)
    }

    fn slot_mut(&mut self, number: u32) -> Option<&mut Slot> {
        let number = number as usize;
        self.groups
            .get_mut(number / GROUP_SLOTS)?
            .get_mut(number % GROUP_SLOTS)
    }
}

/// Returns the slot number and the offset of an address.
fn split(address: u64) -> Option<(u32, u32)> {
    // CAST: The high half fits after the shift, the low half is what the cast keeps.
    let slot = ((address >> 32) as u32).checked_sub(1)?;
    Some((slot, address as u32))
}

/// Allocation with the table locked; a failure is the mapping's, which virtio drivers retry.
fn atomic() -> Flags {
    GFP_ATOMIC | __GFP_NOWARN
}

/// Returns what virtio hands to the operations below to say which queue is meant.
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
/// `token` must come from [`token`] by way of `get_vq_map`, or be null, as it is for a queue that
/// does not exist. The device that the map belongs to must be bound or about to be unbound.
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
        // SAFETY: The caller owns the memory until it unmaps it.
        unsafe { map.insert(start, size, direction) }.unwrap_or(MAPPING_ERROR)
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
    let direction = bindings::dma_data_direction_DMA_BIDIRECTIONAL;
    // SAFETY: The memory is not freed before `free` has unmapped it.
    match unsafe { map.insert(start, size, direction) } {
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
    u32::MAX as usize
}
