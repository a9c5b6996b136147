// SPDX-License-Identifier: GPL-2.0
//! How the memory of one queue is reached, and how its three areas are laid out.
//!
//! ```text
//!   Area::Descriptor   16 bytes per descriptor
//!   Area::Driver       flags: u16, index: u16, ring: [u16; size],                 used_event: u16
//!   Area::Device       flags: u16, index: u16, ring: [{id: u32, len: u32}; size], avail_event: u16
//! ```

use super::config::QueueSize;

/// Where the flags word of the driver and of the device area is, in bytes.
pub(super) const FLAGS: usize = 0;
/// Where the index word of the driver and of the device area is, in bytes.
pub const INDEX: usize = 2;
/// Where the ring of the driver and of the device area begins, in bytes.
pub const RING: usize = 4;
/// The length of an entry of the available ring in bytes.
pub(super) const AVAILABLE_ENTRY: usize = 2;
/// The length of an entry of the used ring in bytes.
pub const USED_ENTRY: usize = 8;
/// The length of a descriptor in bytes.
pub(super) const DESCRIPTOR: usize = 16;

/// One of the three areas of a virtqueue (section 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The descriptor table; the driver side writes it.
    Descriptor,
    /// The available ring and `used_event`; the driver side writes it.
    Driver,
    /// The used ring and `avail_event`; the device side writes it.
    Device,
}

impl Area {
    /// Returns the length of the area in bytes, event word included.
    pub const fn len(self, size: QueueSize) -> usize {
        match self {
            Self::Descriptor => DESCRIPTOR * size.entries(),
            Self::Driver => size.used_event() + 2,
            Self::Device => size.avail_event() + 2,
        }
    }

    /// Returns the alignment that the driver side has to give the area, in bytes (section 2.7).
    pub const fn alignment(self) -> usize {
        match self {
            Self::Descriptor => 16,
            Self::Driver => 2,
            Self::Device => 4,
        }
    }
}

/// How the areas of one queue and the buffers in it are reached.
///
/// Offsets are in bytes from the start of an area; a queue stays within [`Area::len`]. Addresses are the
/// driver side's, as it wrote them: an implementation has to translate and to check them. All memory is
/// little-endian. Any function may be called in any order; which context they need is the
/// implementation's to say.
///
/// The barriers order accesses to the areas as the driver side sees them. Across a bus they are the
/// `dma_*` barriers, not those between processors.
pub trait RingMemory {
    /// Why an access failed.
    type Error;

    /// Copies from an area; the copy may be torn.
    ///
    /// # Errors
    ///
    /// The area cannot be reached.
    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Self::Error>;

    /// Copies to an area; the copy may be torn.
    ///
    /// # Errors
    ///
    /// The area cannot be reached.
    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Self::Error>;

    /// Reads a 16-bit word of an area by one access and converts it from little-endian.
    ///
    /// # Errors
    ///
    /// The area cannot be reached.
    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Self::Error>;

    /// Converts a 16-bit word to little-endian and writes it to an area by one access.
    ///
    /// # Errors
    ///
    /// The area cannot be reached.
    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Self::Error>;

    /// Copies from payload or an indirect table at a driver-side address.
    ///
    /// # Errors
    ///
    /// The range is not memory of the driver side or cannot be reached.
    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Self::Error>;

    /// Copies to payload at a driver-side address.
    ///
    /// # Errors
    ///
    /// The range is not memory of the driver side or cannot be reached.
    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Self::Error>;

    /// Lets no later read pass an earlier read.
    fn read_barrier(&self);

    /// Lets no later write pass an earlier write.
    fn write_barrier(&self);

    /// Lets no later access pass an earlier access.
    fn full_barrier(&self);
}

impl<M: RingMemory + ?Sized> RingMemory for &M {
    type Error = M::Error;

    #[inline]
    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read(area, offset, to)
    }

    #[inline]
    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Self::Error> {
        (**self).write(area, offset, from)
    }

    #[inline]
    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Self::Error> {
        (**self).load_u16(area, offset)
    }

    #[inline]
    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Self::Error> {
        (**self).store_u16(area, offset, value)
    }

    #[inline]
    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read_buffer(addr, to)
    }

    #[inline]
    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Self::Error> {
        (**self).write_buffer(addr, from)
    }

    #[inline]
    fn read_barrier(&self) {
        (**self).read_barrier();
    }

    #[inline]
    fn write_barrier(&self) {
        (**self).write_barrier();
    }

    #[inline]
    fn full_barrier(&self) {
        (**self).full_barrier();
    }
}
