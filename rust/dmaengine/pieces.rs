// SPDX-License-Identifier: GPL-2.0

//! What a transfer moves, as engines take it.
//!
//! An engine has the first address and, behind each piece, the gap until the next one. As addresses wrap around, a
//! gap leads to any address, also to a lower one (`dw_edma_device_transfer()` adds it as it is).

use crate::{
    bindings,
    Direction, //
};
use kernel::{
    dma::DmaAddress,
    prelude::*, //
};
use pin_init::Zeroable;

/// The most pieces of a transfer: 128 KiB in sectors of 512 bytes.
pub(crate) const MAX_PIECES: usize = 256;

/// Linear memory at the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its address as the engine has it, e.g. on the PCI bus.
    pub addr: u64,
    /// How many bytes, not 0.
    pub len: usize,
}

impl Piece {
    /// Takes a piece in that begins where this one ends; returns whether it did.
    pub(crate) fn join(&mut self, next: &Self) -> bool {
        // CAST: A kernel's `u64` holds each `usize`.
        let is_next = self.addr.checked_add(self.len as u64) == Some(next.addr);
        if is_next {
            self.len += next.len;
        }
        is_next
    }

    /// Returns the gap from the end of this one to `next`.
    fn gap_to(&self, next: &Self) -> u64 {
        // CAST: A kernel's `u64` holds each `usize`.
        let end = self.addr.wrapping_add(self.len as u64);
        next.addr.wrapping_sub(end)
    }
}

/// A template for [`MAX_PIECES`] pieces, which lie one behind the other in memory.
#[repr(C)]
pub(crate) struct Template {
    head: bindings::dma_interleaved_template,
    chunks: [bindings::data_chunk; MAX_PIECES],
}

const _: () = assert!(
    core::mem::offset_of!(Template, chunks) == size_of::<bindings::dma_interleaved_template>(),
    "the chunks have to follow the template at once"
);

// SAFETY: All fields are plain numbers and booleans, for which zeroes are valid.
unsafe impl Zeroable for Template {}

impl Template {
    pub(crate) fn new() -> Result<KVBox<Self>> {
        KVBox::init(pin_init::init_zeroed(), GFP_KERNEL)
    }

    /// Describes a transfer between `pieces`, at most [`MAX_PIECES`] and at least one, and memory from `memory` on.
    pub(crate) fn describe(&mut self, direction: Direction, memory: DmaAddress, pieces: &[Piece]) {
        let first = pieces.first().map_or(0, |piece| piece.addr);
        let is_read = direction == Direction::DeviceToMemory;
        let (source, destination) = match is_read {
            true => (first, memory),
            false => (memory, first),
        };
        let head = &mut self.head;
        (head.src_start, head.dst_start) = (source, destination);
        (head.src_inc, head.dst_inc) = (true, true);
        (head.src_sgl, head.dst_sgl) = (is_read, !is_read);
        head.dir = direction.as_raw();
        (head.numf, head.frame_size) = (1, pieces.len());
        for (index, (chunk, piece)) in self.chunks.iter_mut().zip(pieces).enumerate() {
            let next = pieces.get(index + 1);
            chunk.size = piece.len;
            // CAST: They are of the same size where a channel is had.
            chunk.icg = next.map_or(0, |next| piece.gap_to(next)) as usize;
        }
    }

    pub(crate) fn as_raw(&mut self) -> *mut bindings::dma_interleaved_template {
        core::ptr::from_mut(self).cast()
    }
}

#[kunit_tests(dmaengine_pieces)]
mod tests {
    use super::*;

    fn piece(addr: u64, len: usize) -> Piece {
        Piece { addr, len }
    }

    #[test]
    fn only_neighbours_are_joined() {
        let mut first = piece(0x1000, 16);
        assert!(!first.join(&piece(0x1011, 1)) && !first.join(&piece(0x100f, 1)));
        assert!(!first.join(&piece(0x0ff0, 16)));
        assert!(first.join(&piece(0x1010, 8)));
        assert_eq!(first, piece(0x1000, 24));
        // Nothing follows the last byte of the bus.
        assert!(!piece(u64::MAX, 1).join(&piece(0, 1)));
    }

    #[test]
    fn gaps_lead_to_each_piece() -> Result {
        let pieces = [
            piece(0x8000, 16),
            piece(0x1000, 4),
            piece(u64::MAX - 7, 8),
            piece(0x1004, 1),
        ];
        let mut template = Template::new()?;
        for (direction, is_read) in [
            (Direction::DeviceToMemory, true),
            (Direction::MemoryToDevice, false),
        ] {
            template.describe(direction, 0x4_0000, &pieces);
            let head = &template.head;
            let (device, memory) = match is_read {
                true => (head.src_start, head.dst_start),
                false => (head.dst_start, head.src_start),
            };
            assert_eq!(memory, 0x4_0000);
            assert!(head.src_sgl == is_read && head.dst_sgl != is_read);
            let mut at = device;
            for (chunk, piece) in template.chunks.iter().zip(&pieces) {
                assert_eq!((at, chunk.size), (piece.addr, piece.len));
                at = at
                    .wrapping_add(chunk.size as u64)
                    .wrapping_add(chunk.icg as u64);
            }
            assert_eq!((head.numf, head.frame_size), (1, pieces.len()));
        }
        Ok(())
    }
}
