// SPDX-License-Identifier: GPL-2.0
//! The workspace that a pop fills: preallocated by the caller, used again and again.

use super::{
    chain::{Chain, Segment},
    descriptor::Window,
    error::RingError, //
};

/// How many chains a batch holds.
///
/// Twice the batch of 32 at which the cost per buffer is flat; a NAPI poll takes as many.
pub const BATCH_CHAINS: usize = 64;

/// How many descriptors a chain may have, however large the queue is.
///
/// 512 pages are 2 MiB, more than a block request (at most 254 segments in a queue of 256) or a network
/// packet (at most 19) has. A backend offers limits such as `seg_max` below it.
pub const MAX_CHAIN_SEGMENTS: u16 = 512;

/// How many segments the chains of a batch have together.
///
/// Twice the longest chain: a pop starts a chain only when the longest one has room, so no chain is ever
/// walked in vain, and half of the space is there for short ones.
pub const BATCH_SEGMENTS: usize = 2 * MAX_CHAIN_SEGMENTS as usize;

/// Room for the chains of one pop.
///
/// At most 20 KiB, too large for a kernel stack: it belongs in memory of its own, where it can be made by
/// zeroing, as [`Batch::new`] may pass through the stack.
///
/// # Guarantees
///
/// All-zero bytes are a valid, empty batch.
pub struct Batch {
    pub(super) chains: Chains,
    /// The run of the descriptor table around the head that is being walked.
    pub(super) heads: Window,
    /// The run of the indirect table that is being walked.
    pub(super) table: Window,
}

const _: () = assert!(size_of::<Batch>() <= 20 << 10);

impl Batch {
    /// Returns an empty batch.
    pub const fn new() -> Self {
        Self {
            chains: Chains::new(),
            heads: Window::new(),
            table: Window::new(),
        }
    }

    /// Returns the number of chains.
    #[inline]
    pub fn len(&self) -> usize {
        self.chains.extents().len()
    }

    /// Returns whether there is no chain.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the chain at `position`, in the order of the driver side.
    #[inline]
    pub fn get(&self, position: usize) -> Option<Chain<'_>> {
        let extent = self.chains.extents().get(position)?;
        self.chains.chain(extent)
    }

    /// Returns the chains in the order of the driver side.
    pub fn iter(&self) -> impl Iterator<Item = Chain<'_>> + '_ {
        let extents = self.chains.extents().iter();
        extents.filter_map(|extent| self.chains.chain(extent))
    }

    /// Forgets all chains; the queue still counts them as in flight.
    pub fn clear(&mut self) {
        self.chains.clear();
        self.heads.clear();
        self.table.clear();
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the segments of one chain are.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    head: u16,
    slots: u16,
    first: u16,
    readable: u16,
    writable: u16,
    readable_len: u32,
    writable_len: u32,
}

impl Extent {
    const EMPTY: Self = Self {
        head: 0,
        slots: 0,
        first: 0,
        readable: 0,
        writable: 0,
        readable_len: 0,
        writable_len: 0,
    };
}

/// The chains of a batch: extents into one array of segments.
///
/// # Invariants
///
/// `count <= BATCH_CHAINS`, `filled <= BATCH_SEGMENTS`, and each of the first `count` extents is within
/// the first `filled` segments.
pub(super) struct Chains {
    count: u16,
    filled: u16,
    extents: [Extent; BATCH_CHAINS],
    segments: [Segment; BATCH_SEGMENTS],
}

impl Chains {
    const fn new() -> Self {
        Self {
            count: 0,
            filled: 0,
            extents: [Extent::EMPTY; BATCH_CHAINS],
            segments: [Segment { addr: 0, len: 0 }; BATCH_SEGMENTS],
        }
    }

    fn clear(&mut self) {
        self.count = 0;
        self.filled = 0;
    }

    fn extents(&self) -> &[Extent] {
        self.extents
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }

    fn chain(&self, extent: &Extent) -> Option<Chain<'_>> {
        let segments = self.segments.get(usize::from(extent.first)..)?;
        let (readable, rest) = segments.split_at_checked(usize::from(extent.readable))?;
        Some(Chain {
            head: extent.head,
            slots: extent.slots,
            readable,
            writable: rest.get(..usize::from(extent.writable))?,
            readable_len: extent.readable_len,
            writable_len: extent.writable_len,
        })
    }

    /// Returns whether a chain of `descriptors` has room.
    pub(super) fn has_room(&self, descriptors: u16) -> bool {
        let free = BATCH_SEGMENTS.saturating_sub(usize::from(self.filled));
        usize::from(self.count) < BATCH_CHAINS && usize::from(descriptors) <= free
    }

    /// Starts a chain of at most `limit` descriptors, for which there is room.
    ///
    /// It belongs to the batch once it is finished.
    pub(super) fn draft(&mut self, head: u16, limit: u16) -> Draft<'_> {
        let extent = Extent {
            head,
            first: self.filled,
            ..Extent::EMPTY
        };
        Draft {
            chains: self,
            extent,
            limit,
            descriptors: 0,
            writable: false,
        }
    }
}

/// A buffer as a descriptor describes it; nothing is checked.
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    pub(super) addr: u64,
    pub(super) len: u32,
    pub(super) is_writable: bool,
}

/// A chain that is being put together; dropping it leaves the batch as it was.
pub(super) struct Draft<'a> {
    chains: &'a mut Chains,
    extent: Extent,
    limit: u16,
    descriptors: u16,
    writable: bool,
}

impl Draft<'_> {
    /// Counts a descriptor of the ring or of the descriptor table, one of those that the queue size
    /// bounds.
    pub(super) fn take_slot(&mut self) {
        self.extent.slots = self.extent.slots.saturating_add(1);
    }

    /// Returns how many these are so far.
    pub(super) fn slots(&self) -> u16 {
        self.extent.slots
    }

    /// Gives the chain the name by which it is handed back.
    pub(super) fn rename(&mut self, head: u16) {
        self.extent.head = head;
    }

    /// Adds the buffer of the descriptor that is at `index` of its table.
    ///
    /// The specification neither forbids buffers of zero bytes nor gives them a meaning: they count as
    /// a descriptor and have to be in order, but make no segment.
    ///
    /// # Errors
    ///
    /// The descriptor breaks a rule. The bound on descriptors is also what ends a loop.
    pub(super) fn add<E>(&mut self, index: u16, buffer: Buffer) -> Result<(), RingError<E>> {
        let (head, limit) = (self.extent.head, self.limit);
        if self.descriptors >= limit {
            return Err(RingError::ChainTooLong { head, limit });
        }
        self.descriptors = self.descriptors.wrapping_add(1);
        if self.writable && !buffer.is_writable {
            return Err(RingError::ReadableAfterWritable { head, index });
        }
        self.writable = buffer.is_writable;
        self.add_len(buffer.len)?;
        let Buffer { addr, len, .. } = buffer;
        if addr.checked_add(u64::from(len)).is_none() {
            return Err(RingError::AddressOverflow { addr, len });
        }
        self.add_segment(Segment { addr, len });
        Ok(())
    }

    /// Adds to the length of the readable or the writable part.
    fn add_len<E>(&mut self, len: u32) -> Result<(), RingError<E>> {
        let Extent {
            head,
            readable_len,
            writable_len,
            ..
        } = self.extent;
        // The lengths so far have 32 bits together, hence no overflow in 64.
        let total = u64::from(readable_len)
            .wrapping_add(u64::from(writable_len))
            .wrapping_add(u64::from(len));
        if total > u64::from(u32::MAX) {
            return Err(RingError::LengthOverflow { head, total });
        }
        if self.writable {
            self.extent.writable_len = writable_len.wrapping_add(len);
        } else {
            self.extent.readable_len = readable_len.wrapping_add(len);
        }
        Ok(())
    }

    /// Puts a segment behind those of the chain; an empty one is left out.
    fn add_segment(&mut self, segment: Segment) {
        let Extent {
            first,
            readable,
            writable,
            ..
        } = self.extent;
        if segment.len == 0 {
            return;
        }
        // There is a slot for each of `limit` descriptors: `Chains::draft` has been told so.
        let position = first.wrapping_add(readable).wrapping_add(writable);
        if let Some(slot) = self.chains.segments.get_mut(usize::from(position)) {
            *slot = segment;
        }
        if self.writable {
            self.extent.writable = writable.wrapping_add(1);
        } else {
            self.extent.readable = readable.wrapping_add(1);
        }
    }

    /// Makes the chain part of the batch.
    pub(super) fn finish(self) {
        let Extent {
            first,
            readable,
            writable,
            ..
        } = self.extent;
        let chains = self.chains;
        if let Some(slot) = chains.extents.get_mut(usize::from(chains.count)) {
            *slot = self.extent;
            // INVARIANT: there was a slot, and `add_segment` filled these segments.
            chains.count = chains.count.wrapping_add(1);
            chains.filled = first.wrapping_add(readable).wrapping_add(writable);
        }
    }
}
