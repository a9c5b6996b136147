// SPDX-License-Identifier: GPL-2.0
//! Handing chains back to the driver side (section 2.7.8).
//!
//! The order of publication is fixed here: payload (flushed), entries, write barrier, index, full
//! barrier, signal. Nothing else writes the used index.

use core::mem;

use super::{
    super::{
        error::RingError,
        memory::{Area, INDEX, RING, USED_ENTRY},
        used::{groups, Used},
        RingMemory, //
    },
    queue::SplitQueue,
};

/// Returns the bytes of the entry for a chain.
fn entry(used: Used) -> [u8; USED_ENTRY] {
    let [h0, h1] = used.head.to_le_bytes();
    let [l0, l1, l2, l3] = used.len.to_le_bytes();
    [h0, h1, 0, 0, l0, l1, l2, l3]
}

/// How many used entries are written at once; they are encoded on the stack.
const RUN: usize = 64;

impl<M: RingMemory> SplitQueue<M> {
    /// See [`Queue::push`](super::super::Queue::push).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn push(&mut self, used: &[Used]) -> Result<bool, RingError<M::Error>> {
        self.check_used(used)?;
        self.guard(|queue| {
            let is_owed = mem::take(&mut queue.owes_signal);
            if used.is_empty() {
                return Ok(is_owed);
            }
            queue.memory.flush()?;
            if queue.rules.in_order {
                queue.write_groups(used)?;
            } else {
                queue.write_entries(used)?;
            }
            let is_wanted = queue.publish(used.len())?;
            Ok(is_wanted || is_owed)
        })
    }

    fn check_used(&self, used: &[Used]) -> Result<(), RingError<M::Error>> {
        let (count, in_flight) = (used.len(), self.in_flight());
        if count > usize::from(in_flight) {
            return Err(RingError::UsedTooMany { count, in_flight });
        }
        let size = self.size.get();
        match used.iter().find(|used| used.head >= size) {
            Some(used) => Err(RingError::UsedHead {
                head: used.head,
                size,
            }),
            None => Ok(()),
        }
    }

    /// Makes `count` entries visible and decides about the signal.
    fn publish(&mut self, count: usize) -> Result<bool, RingError<M::Error>> {
        let old = self.next_used;
        // CAST: at most `in_flight` entries, which has 16 bits.
        let new = old.wrapping_add(count as u16);
        // ORDERING: payload and entries before the index that hands them over. Pairs with the driver
        // side's barrier between the index and the entries (section 2.7.14).
        self.memory.write_barrier();
        self.memory.store_u16(Area::Device, INDEX, new)?;
        // INVARIANT: `next_used` does not pass `next_available`, as `count <= in_flight`.
        self.next_used = new;
        Ok(self.wants_signal(old, new)?)
    }

    /// Writes the entries from `next_used` on, in two runs where the ring ends between them.
    fn write_entries(&self, used: &[Used]) -> Result<(), M::Error> {
        let size = self.size;
        let first = size.slot(self.next_used);
        let until_end = size.entries().saturating_sub(first).min(used.len());
        let (run, wrapped) = used.split_at(until_end);
        self.write_run(first, run)?;
        self.write_run(0, wrapped)
    }

    /// Writes one entry for each group of chains, where that of its first chain would be.
    fn write_groups(&self, used: &[Used]) -> Result<(), M::Error> {
        let mut index = self.next_used;
        for (group, last) in groups(used, true) {
            self.write_run(self.size.slot(index), &[last])?;
            // CAST: at most `in_flight` chains, which has 16 bits.
            index = index.wrapping_add(group.len() as u16);
        }
        Ok(())
    }

    fn write_run(&self, slot: usize, run: &[Used]) -> Result<(), M::Error> {
        let mut offset = RING.wrapping_add(slot.wrapping_mul(USED_ENTRY));
        let mut bytes = [[0; USED_ENTRY]; RUN];
        for used in run.chunks(RUN) {
            for (slot, used) in bytes.iter_mut().zip(used) {
                *slot = entry(*used);
            }
            let entries = bytes.get(..used.len()).unwrap_or_default().as_flattened();
            self.memory.write(Area::Device, offset, entries)?;
            offset = offset.wrapping_add(entries.len());
        }
        Ok(())
    }
}
