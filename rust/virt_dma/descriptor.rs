// SPDX-License-Identifier: GPL-2.0

//! A descriptor: what a client asked for, from its preparation until it is freed.
//!
//! It is in one list of its virtual channel, or is the one that runs; the virtual channel frees it by
//! [`Descriptor::free`].

use crate::{
    bindings,
    Direction,
    Segment, //
};
use kernel::{
    alloc::flags::GFP_NOWAIT,
    dma::DmaAddress,
    prelude::*,
    types::Opaque, //
};

/// What a transfer may be at most.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) segments: usize,
    pub(super) size: u32,
}

/// A transfer that a client prepared.
pub(super) struct Descriptor {
    raw: Opaque<bindings::virt_dma_desc>,
    transfer: Transfer,
}

/// A piece of an interleaved transfer, and how far the next one begins behind its end. Addresses wrap around.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub(super) size: u64,
    pub(super) source_gap: u64,
    pub(super) destination_gap: u64,
}

/// What is to be moved.
pub(super) struct Transfer {
    segments: KVec<Segment>,
    size: u32,
}

impl Transfer {
    /// Makes a transfer of `segments`; any context.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there are none, too many, fewer than `count`, or they move nothing or too much;
    /// `ENOMEM`.
    pub(super) fn new(
        segments: impl Iterator<Item = Segment>,
        count: usize,
        limits: Limits,
    ) -> Result<Self> {
        if !(1..=limits.segments).contains(&count) {
            return Err(EINVAL);
        }
        let mut all = KVec::with_capacity(count, GFP_NOWAIT)?;
        let mut size: u32 = 0;
        for segment in segments.take(count) {
            size = size.checked_add(segment.size).ok_or(EINVAL)?;
            if segment.size == 0 || size > limits.size {
                return Err(EINVAL);
            }
            all.push(segment, GFP_NOWAIT)?;
        }
        if all.len() != count {
            return Err(EINVAL);
        }
        Ok(Self {
            segments: all,
            size,
        })
    }

    /// Makes the transfer of a slave channel between `memory`, pairs of address and size, and a device
    /// from `device` on. The device is memory too, so that its address advances (as with
    /// drivers/dma/dw-edma).
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; `EINVAL` also for a channel that is not a slave.
    pub(super) fn slave(
        direction: Direction,
        device: DmaAddress,
        memory: impl Iterator<Item = (DmaAddress, u32)>,
        count: usize,
        limits: Limits,
    ) -> Result<Self> {
        let mut at = device;
        let segment = |(address, size): (DmaAddress, u32)| {
            let (source, destination) = match direction {
                Direction::DeviceToMemory => (at, address),
                Direction::MemoryToDevice | Direction::MemoryToMemory => (address, at),
            };
            at = at.wrapping_add(size.into());
            Segment {
                source,
                destination,
                size,
            }
        };
        if !direction.is_slave() {
            return Err(EINVAL);
        }
        Self::new(memory.map(segment), count, limits)
    }

    /// Makes a transfer of chunks that lie apart, the first of which goes from `source` to `destination`.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub(super) fn interleaved(
        source: DmaAddress,
        destination: DmaAddress,
        chunks: impl Iterator<Item = Chunk>,
        count: usize,
        limits: Limits,
    ) -> Result<Self> {
        let (mut from, mut to) = (source, destination);
        let segment = |chunk: Chunk| {
            let segment = Segment {
                source: from,
                destination: to,
                // What is too large is refused as nothing is.
                size: chunk.size.try_into().unwrap_or(0),
            };
            from = from.wrapping_add(chunk.size).wrapping_add(chunk.source_gap);
            to = to
                .wrapping_add(chunk.size)
                .wrapping_add(chunk.destination_gap);
            segment
        };
        Self::new(chunks.map(segment), count, limits)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns how many bytes there are.
    pub(super) fn size(&self) -> u32 {
        self.size
    }
}

impl Descriptor {
    /// Makes a descriptor, which the virtual channel it is given to will [free](Self::free); any context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn allocate(transfer: Transfer) -> Result<*mut bindings::virt_dma_desc> {
        let this = Self {
            raw: Opaque::zeroed(),
            transfer,
        };
        let this = KBox::into_raw(KBox::new(this, GFP_NOWAIT)?);
        // SAFETY: It was allocated above; no reference is made.
        Ok(Opaque::cast_into(unsafe { &raw const (*this).raw }))
    }

    /// # Safety
    ///
    /// `raw` must be that of a descriptor which is valid for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::virt_dma_desc) -> &'a Self {
        let raw = raw.cast::<Opaque<bindings::virt_dma_desc>>();
        // SAFETY: By the requirements of this function; `Opaque` is transparent.
        unsafe { &*kernel::container_of!(raw, Self, raw) }
    }

    pub(super) fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// Frees a descriptor.
    ///
    /// # Safety
    ///
    /// The virtual channel calls this once for each descriptor, when it is in no list any more.
    pub(super) unsafe extern "C" fn free(raw: *mut bindings::virt_dma_desc) {
        let raw = raw.cast::<Opaque<bindings::virt_dma_desc>>();
        // SAFETY: It was made by `allocate`, and nobody else has it by the requirements of this function.
        drop(unsafe { KBox::from_raw(kernel::container_of!(raw, Self, raw)) });
    }
}

#[kunit_tests(virt_dma_transfer)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        segments: 3,
        size: 100,
    };

    fn slave(direction: Direction, memory: &[(u64, u32)]) -> Result<Transfer> {
        Transfer::slave(
            direction,
            0x1000,
            memory.iter().copied(),
            memory.len(),
            LIMITS,
        )
    }

    #[test]
    fn the_device_advances() {
        let memory = [(0x8000, 16), (0x4000, 1), (0x6000, 83)];
        let read = slave(Direction::DeviceToMemory, &memory).expect("read");
        let segment = |source, destination, size| Segment {
            source,
            destination,
            size,
        };
        let expected = [
            segment(0x1000, 0x8000, 16),
            segment(0x1010, 0x4000, 1),
            segment(0x1011, 0x6000, 83),
        ];
        assert_eq!(read.segments(), &expected);
        assert_eq!(read.size(), 100);
        let write = slave(Direction::MemoryToDevice, &memory[..2]).expect("write");
        let expected = [segment(0x8000, 0x1000, 16), segment(0x4000, 0x1010, 1)];
        assert_eq!(write.segments(), &expected);
    }

    #[test]
    fn transfers_are_bounded() {
        let fails = |memory: &[(u64, u32)]| slave(Direction::DeviceToMemory, memory).err();
        assert_eq!(fails(&[]), Some(EINVAL));
        assert_eq!(fails(&[(0, 0)]), Some(EINVAL));
        assert_eq!(fails(&[(0, 1), (0, 0)]), Some(EINVAL));
        assert_eq!(fails(&[(0, 1); 3]), None);
        assert_eq!(fails(&[(0, 1); 4]), Some(EINVAL));
        assert_eq!(fails(&[(0, 101)]), Some(EINVAL));
        assert_eq!(fails(&[(0, 50), (0, 51)]), Some(EINVAL));
        assert_eq!(fails(&[(0, u32::MAX), (0, u32::MAX)]), Some(EINVAL));
        let copies = slave(Direction::MemoryToMemory, &[(0, 1)]);
        assert_eq!(copies.err(), Some(EINVAL));
    }

    #[test]
    fn chunks_lie_where_their_gaps_say() {
        let chunk = |size, source_gap, destination_gap| Chunk {
            size,
            source_gap,
            destination_gap,
        };
        let made = |chunks: &[Chunk]| {
            let all = chunks.iter().copied();
            Transfer::interleaved(0x1000, 0x8000, all, chunks.len(), LIMITS)
        };
        // Forwards, then backwards.
        let back = 0x2000u64.wrapping_neg();
        let transfer = made(&[chunk(16, 0xff0, 0), chunk(8, back, 4), chunk(1, 0, 0)]);
        let segment = |source, destination, size| Segment {
            source,
            destination,
            size,
        };
        let expected = [
            segment(0x1000, 0x8000, 16),
            segment(0x2000, 0x8010, 8),
            segment(8, 0x801c, 1),
        ];
        assert_eq!(transfer.expect("chunks").segments(), &expected);
        for size in [0, 101, 1 << 32] {
            assert_eq!(made(&[chunk(size, 0, 0)]).err(), Some(EINVAL));
        }
        assert_eq!(made(&[]).err(), Some(EINVAL));
    }

    #[test]
    fn lists_do_not_end_early() {
        let memory = [(0x8000, 4)];
        let short = Transfer::slave(Direction::DeviceToMemory, 0, memory.into_iter(), 3, LIMITS);
        assert_eq!(short.err(), Some(EINVAL));
    }
}
