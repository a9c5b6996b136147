// SPDX-License-Identifier: GPL-2.0
//! How the memory of one queue is reached. `layout` has what is where in it.

use super::{
    Pieces,
    Segment, //
};

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

/// One of the three areas of a virtqueue (section 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The descriptor table, which the driver side writes, or the ring of a packed queue, which both do.
    Descriptor,
    /// The available ring and `used_event`, or the driver event suppression; the driver side writes it.
    Driver,
    /// The used ring and `avail_event`, or the device event suppression; the device side writes it.
    Device,
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

    /// Reads an aligned 64-bit word of an area and converts it from little-endian; its upper 16 bits are no
    /// younger than the rest.
    ///
    /// That is what one access gives, where the machine has one of this length. The provided function
    /// takes two and a barrier.
    ///
    /// # Errors
    ///
    /// The area cannot be reached.
    fn load_u64(&self, area: Area, offset: usize) -> Result<u64, Self::Error> {
        let [u0, u1] = self.load_u16(area, offset.wrapping_add(6))?.to_le_bytes();
        // ORDERING: the upper bits before the rest, as promised.
        self.read_barrier();
        let mut rest = [0; 6];
        self.read(area, offset, &mut rest)?;
        let [r0, r1, r2, r3, r4, r5] = rest;
        Ok(u64::from_le_bytes([r0, r1, r2, r3, r4, r5, u0, u1]))
    }

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

    /// Copies from payload that is `to.len()` bytes in some pieces.
    ///
    /// The provided function reads one piece after the other.
    ///
    /// # Errors
    ///
    /// Those of [`read_buffer`](Self::read_buffer); some bytes may have been copied.
    fn read_pieces(&self, pieces: Pieces<'_>, to: &mut [u8]) -> Result<(), Self::Error> {
        read_each(self, pieces, to)
    }

    /// Copies to payload that is `from.len()` bytes in some pieces, until the next [`flush`](Self::flush) at the latest.
    ///
    /// The provided function writes one piece after the other.
    ///
    /// # Errors
    ///
    /// Those of [`write_buffer`](Self::write_buffer); some bytes may have been copied.
    fn write_pieces(&self, pieces: Pieces<'_>, from: &[u8]) -> Result<(), Self::Error> {
        write_each(self, pieces, from)
    }

    /// Has all payload that was written be where the driver side will see it, before it is told.
    ///
    /// The provided function has nothing to do.
    ///
    /// # Errors
    ///
    /// Those of [`write_buffer`](Self::write_buffer), for anything that was written since the last call. It is not tried
    /// again.
    fn flush(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Forgets the payload that was not flushed: its chains go back, as they were not used.
    ///
    /// The provided function has nothing to do.
    fn discard(&self) {}

    /// Fetches pieces of payload or indirect tables that are soon read, all at once, if that costs less than one
    /// after the other.
    ///
    /// Until the next call, which forgets them, reads of what was fetched may be answered with what was there then.
    /// All of them are available to the device side. Those that are not fetched are read when they are asked for;
    /// so nothing that goes wrong here is an error.
    ///
    /// Asked for no pieces, it only forgets what it had.
    ///
    /// Returns the available index of a split queue, if it was fetched along. The provided function fetches nothing.
    fn read_ahead(&self, _pieces: &mut dyn Iterator<Item = Segment>) -> Option<u16> {
        None
    }

    /// Lets no later read pass an earlier read.
    fn read_barrier(&self);

    /// Lets no later write pass an earlier write.
    fn write_barrier(&self);

    /// Lets no later access pass an earlier access.
    fn full_barrier(&self);
}

/// Copies from payload, one piece after the other, as [`RingMemory::read_pieces`] does unless it knows better.
///
/// # Errors
///
/// Those of [`RingMemory::read_buffer`]; some bytes may have been copied.
pub fn read_each<M: RingMemory + ?Sized>(
    memory: &M,
    pieces: Pieces<'_>,
    to: &mut [u8],
) -> Result<(), M::Error> {
    let mut rest = to;
    for piece in pieces {
        // CAST: a kernel's `usize` has at least 32 bits.
        let Some((to, more)) = rest.split_at_mut_checked(piece.len as usize) else {
            break;
        };
        memory.read_buffer(piece.addr, to)?;
        rest = more;
    }
    Ok(())
}

/// Copies to payload, one piece after the other, as [`RingMemory::write_pieces`] does unless it knows better.
///
/// # Errors
///
/// Those of [`RingMemory::write_buffer`]; some bytes may have been copied.
pub fn write_each<M: RingMemory + ?Sized>(
    memory: &M,
    pieces: Pieces<'_>,
    from: &[u8],
) -> Result<(), M::Error> {
    let mut rest = from;
    for piece in pieces {
        // CAST: a kernel's `usize` has at least 32 bits.
        let Some((from, more)) = rest.split_at_checked(piece.len as usize) else {
            break;
        };
        memory.write_buffer(piece.addr, from)?;
        rest = more;
    }
    Ok(())
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
    fn load_u64(&self, area: Area, offset: usize) -> Result<u64, Self::Error> {
        (**self).load_u64(area, offset)
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
    fn read_pieces(&self, pieces: Pieces<'_>, to: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read_pieces(pieces, to)
    }

    #[inline]
    fn write_pieces(&self, pieces: Pieces<'_>, from: &[u8]) -> Result<(), Self::Error> {
        (**self).write_pieces(pieces, from)
    }

    #[inline]
    fn flush(&self) -> Result<(), Self::Error> {
        (**self).flush()
    }

    #[inline]
    fn discard(&self) {
        (**self).discard();
    }

    #[inline]
    fn read_ahead(&self, pieces: &mut dyn Iterator<Item = Segment>) -> Option<u16> {
        (**self).read_ahead(pieces)
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
