// SPDX-License-Identifier: GPL-2.0
//! Taking what the driver side made available (sections 2.8.2, 2.8.6, 2.8.7).
//!
//! The driver side may write its lists in any order. A list is whole once its first descriptor is
//! available, but that tells nothing of the lists behind it (section 2.8.2). So each list is looked at
//! in turn: the half of the first descriptor with the flags, a read barrier, then the rest of the list.
//! A bulk read of several lists would have to be followed by another one, as the first may have seen
//! flags before the addresses beside them. In halves each descriptor is read just once, and nothing in
//! vain but the look at the first list that is not there yet.

use super::{
    super::{
        batch::{Batch, Draft, BATCH_CHAINS, MAX_CHAIN_SEGMENTS},
        descriptor::Window,
        error::RingError,
        memory::{Area, DESCRIPTOR},
        table::Table,
        RingMemory, //
    },
    cursor::Cursor,
    descriptor::{Descriptor, Tail, FLAGS, TAIL},
    queue::PackedQueue,
};

impl<M: RingMemory> PackedQueue<M> {
    /// See [`Queue::pop`](super::super::Queue::pop).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn pop(&mut self, batch: &mut Batch) -> Result<usize, RingError<M::Error>> {
        batch.clear();
        let result = self.guard(|queue| queue.fetch(batch));
        if result.is_err() {
            batch.clear();
        }
        result
    }

    fn fetch(&mut self, batch: &mut Batch) -> Result<usize, RingError<M::Error>> {
        let limit = self.size.get().min(MAX_CHAIN_SEGMENTS);
        let mut at = self.next_available;
        for _ in 0..BATCH_CHAINS {
            let is_told_end = self.hint.take_if(|hint| *hint == at).is_some();
            if (is_told_end && !batch.is_empty()) || !batch.chains.has_room(limit) {
                break;
            }
            let Some(tail) = self.look(at)? else {
                break;
            };
            let limit = if tail.flags.is_indirect() {
                limit
            } else {
                limit.min(self.free(at))
            };
            let mut draft = batch.chains.draft(at.offset, limit);
            let slots = self.walk(at, tail, &mut batch.table, &mut draft)?;
            draft.finish();
            at = at.advanced(slots, self.size);
        }
        // INVARIANT: `walk` takes no descriptor that is in flight.
        self.next_available = at;
        Ok(batch.len())
    }

    /// Returns how many descriptors from `at` on are not in flight, those before it being so.
    fn free(&self, at: Cursor) -> u16 {
        // CAST: at most the queue size, as `at` is `next_available` or will be.
        let in_flight = self.next_used.distance(at, self.size) as u16;
        self.size.get().saturating_sub(in_flight)
    }

    /// Returns the tail of the descriptor at `at` if it is available; the rest of its list may be read
    /// afterwards.
    ///
    /// When all descriptors are in flight there is nothing to see: whatever is there, the driver side
    /// may not have written it yet.
    fn look(&self, at: Cursor) -> Result<Option<Tail>, M::Error> {
        if self.free(at) == 0 {
            return Ok(None);
        }
        let word = at.position().wrapping_add(TAIL);
        let tail = Tail::from_word(self.memory.load_u64(Area::Descriptor, word)?);
        // ORDERING: the flags before the rest of the list that they make available. Pairs with the
        // driver side's barrier between that and the flags (section 2.8.21.1).
        self.memory.read_barrier();
        Ok(tail.flags.is_available(at).then_some(tail))
    }

    /// Returns whether the driver side made something available that was not popped.
    pub(super) fn has_more(&self) -> Result<bool, M::Error> {
        let at = self.next_available;
        if self.free(at) == 0 {
            return Ok(false);
        }
        let word = at.position().wrapping_add(FLAGS);
        let flags = self.memory.load_u16(Area::Descriptor, word)?;
        Ok(super::descriptor::Flags(flags).is_available(at))
    }

    /// Adds the list at `at` to a draft; returns how many descriptors of the ring it has.
    fn walk(
        &self,
        at: Cursor,
        tail: Tail,
        table: &mut Window,
        draft: &mut Draft<'_>,
    ) -> Result<u16, RingError<M::Error>> {
        let addr = self.memory.load_u64(Area::Descriptor, at.position())?;
        let mut descriptor = Descriptor { addr, tail };
        draft.take_slot();
        if tail.flags.is_indirect() {
            self.walk_table(at.offset, descriptor, table, draft)?;
        } else {
            draft.add(at.offset, descriptor.buffer())?;
        }
        let mut at = at;
        // Ends: each turn adds a descriptor to the draft, which refuses one too many.
        while descriptor.tail.flags.has_next() {
            at = at.advanced(1, self.size);
            descriptor = self.member(at)?;
            draft.take_slot();
            draft.add(at.offset, descriptor.buffer())?;
        }
        // The last one names the list (section 2.8.6).
        draft.rename(descriptor.tail.id);
        Ok(draft.slots())
    }

    /// Returns a descriptor that is not the first of its list, which is whole.
    fn member(&self, at: Cursor) -> Result<Descriptor, RingError<M::Error>> {
        let mut bytes = [0; DESCRIPTOR];
        self.memory
            .read(Area::Descriptor, at.position(), &mut bytes)?;
        let descriptor = Descriptor::from_bytes(&bytes);
        let (index, flags) = (at.offset, descriptor.tail.flags);
        if !flags.is_available(at) {
            return Err(RingError::ListIncomplete { index });
        }
        if flags.is_indirect() {
            return Err(RingError::IndirectWithNext { index });
        }
        Ok(descriptor)
    }

    /// Adds the buffers of the table that the descriptor at `index` refers to: all, one after the other.
    ///
    /// The only flag that a descriptor of a table has is whether it is writable (section 2.8.7).
    fn walk_table(
        &self,
        index: u16,
        descriptor: Descriptor,
        window: &mut Window,
        draft: &mut Draft<'_>,
    ) -> Result<(), RingError<M::Error>> {
        let Tail { len, flags, .. } = descriptor.tail;
        let is_legal = self.rules.indirect;
        let table = Table::check(is_legal, index, descriptor.addr, len, flags.has_next())?;
        window.clear();
        // Ends: each turn adds a descriptor to the draft, which refuses one too many.
        for index in (0..u16::MAX).take_while(|index| u32::from(*index) < table.count()) {
            let bytes = table.descriptor(&self.memory, window, index)?;
            let descriptor = Descriptor::from_bytes(&bytes);
            if descriptor.tail.flags.is_indirect() {
                return Err(RingError::IndirectNested { index });
            }
            draft.add(index, descriptor.buffer())?;
        }
        Ok(())
    }
}
