// SPDX-License-Identifier: GPL-2.0
//! Taking what the driver side made available (section 2.7.6).

use core::{iter, mem};

use super::{
    super::{
        batch::{Batch, BATCH_CHAINS},
        error::RingError,
        memory::{Area, AVAILABLE_ENTRY, INDEX, RING},
        RingMemory, //
    },
    queue::SplitQueue,
    walk::Walk, //
};

/// Available entries as they are in memory.
type Entries = [[u8; AVAILABLE_ENTRY]; BATCH_CHAINS];

impl<M: RingMemory> SplitQueue<M> {
    /// See [`Queue::pop`](super::super::Queue::pop).
    ///
    /// The available index is read only when the chains known from the last time are used up, and not if it was read
    /// along with what was fetched ahead then.
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
        let has_looked = mem::take(&mut self.has_looked);
        if self.pending() == 0 && !has_looked {
            self.load_available_index()?;
        }
        // What was fetched for the batch before may be something else by now.
        self.memory.read_ahead(&mut iter::empty());
        let most = BATCH_CHAINS.min(self.pending().into());
        let mut entries: Entries = [[0; AVAILABLE_ENTRY]; BATCH_CHAINS];
        if self.rules.in_order {
            self.fetch_in_order(batch, most)?;
        } else {
            self.read_entries(entries.get_mut(..most).unwrap_or_default())?;
            let heads = entries.map(u16::from_le_bytes);
            let heads = heads.get(..most).unwrap_or_default();
            self.stride = Walk::new(self, batch).chains(heads)?;
        }
        let count = batch.len();
        if count != 0 {
            self.read_ahead(batch)?;
        }
        // INVARIANT: at most `pending` chains, so `next_available` does not pass `available`.
        // CAST: a batch holds 64 chains.
        self.next_available = self.next_available.wrapping_add(count as u16);
        Ok(count)
    }

    /// Has the payload of a batch fetched, and notes what was made available until then.
    fn read_ahead(&mut self, batch: &Batch) -> Result<(), RingError<M::Error>> {
        let mut readable = batch.iter().flat_map(|chain| chain.readable()).copied();
        if let Some(index) = self.memory.read_ahead(&mut readable) {
            self.note_available(index)?;
            self.has_looked = true;
        }
        Ok(())
    }

    /// Takes at most `most` chains of an in-order queue, each of which begins behind the one before it
    /// (section 2.7.5): the entries are not read, but the first one.
    fn fetch_in_order(
        &mut self,
        batch: &mut Batch,
        most: usize,
    ) -> Result<(), RingError<M::Error>> {
        if most == 0 {
            return Ok(());
        }
        let head = match self.next_head {
            Some(head) => head,
            None => {
                let mut entry = [[0; AVAILABLE_ENTRY]];
                self.read_entries(&mut entry)?;
                let [entry] = entry;
                u16::from_le_bytes(entry)
            }
        };
        let (stride, next_head) = Walk::new(self, batch).row(head, most)?;
        self.stride = stride;
        self.next_head = Some(next_head);
        Ok(())
    }

    /// Reads and checks the available index; the entries before it may be read afterwards.
    pub(super) fn load_available_index(&mut self) -> Result<(), RingError<M::Error>> {
        let index = self.memory.load_u16(Area::Driver, INDEX)?;
        self.note_available(index)
    }

    /// Checks an available index that was read just now.
    fn note_available(&mut self, index: u16) -> Result<(), RingError<M::Error>> {
        // ORDERING: the index before the entries and descriptors that it makes available. Pairs with
        // the driver side's barrier between those and the index (section 2.7.13.3).
        self.memory.read_barrier();
        let (seen, used, size) = (self.available, self.next_used, self.size.get());
        let distance = index.wrapping_sub(used);
        if distance > size || distance < seen.wrapping_sub(used) {
            return Err(RingError::AvailableIndex {
                index,
                seen,
                used,
                size,
            });
        }
        // INVARIANT: not behind the old value, and at most the queue size ahead of `next_used`.
        self.available = index;
        Ok(())
    }

    /// Reads the entries from `next_available` on, in two runs when the ring ends between them.
    fn read_entries(&self, entries: &mut [[u8; AVAILABLE_ENTRY]]) -> Result<(), M::Error> {
        let size = self.size;
        let first = size.slot(self.next_available);
        let until_end = size.entries().saturating_sub(first).min(entries.len());
        let (run, wrapped) = entries.split_at_mut(until_end);
        self.read_run(first, run)?;
        self.read_run(0, wrapped)
    }

    fn read_run(&self, slot: usize, run: &mut [[u8; AVAILABLE_ENTRY]]) -> Result<(), M::Error> {
        if run.is_empty() {
            return Ok(());
        }
        let offset = RING.wrapping_add(slot.wrapping_mul(AVAILABLE_ENTRY));
        self.memory
            .read(Area::Driver, offset, run.as_flattened_mut())
    }
}
