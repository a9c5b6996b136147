// SPDX-License-Identifier: GPL-2.0
//! Handing chains back to the driver side (section 2.8.1 and 2.8.2).
//!
//! The order of publication is fixed here: payload (flushed), all used descriptors but the flags of
//! the first, write barrier, those flags, full barrier, signal. The driver side looks at one descriptor,
//! the next, so the flags of the first hand all of them over.

use super::{
    super::{
        error::RingError,
        memory::Area,
        used::{groups, Used},
        RingMemory, //
    },
    cursor::Cursor,
    descriptor::{Flags, Tail, FLAGS, TAIL},
    queue::PackedQueue,
};

/// How many bytes of a used descriptor's tail come before its flags.
const BEFORE_FLAGS: usize = FLAGS - TAIL;

impl<M: RingMemory> PackedQueue<M> {
    /// See [`Queue::push`](super::super::Queue::push).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn push(&mut self, used: &[Used]) -> Result<bool, RingError<M::Error>> {
        self.check_used(used)?;
        self.guard(|queue| {
            if !used.is_empty() {
                queue.memory.flush()?;
            }
            let Some((first, end)) = queue.write_used(used)? else {
                return Ok(false);
            };
            queue.publish(first, end)
        })
    }

    fn check_used(&self, used: &[Used]) -> Result<(), RingError<M::Error>> {
        let (count, in_flight) = (slots(used), self.in_flight());
        if count > usize::from(in_flight) {
            return Err(RingError::UsedTooMany { count, in_flight });
        }
        Ok(())
    }

    /// Writes the used descriptors, and returns the flags that are still missing, those of the first, and
    /// where the next used descriptor goes.
    ///
    /// Each is where the first descriptor of its chain was, or of the first chain of its group.
    fn write_used(&self, used: &[Used]) -> Result<Option<(Flags, Cursor)>, M::Error> {
        let mut at = self.next_used;
        let mut first = None;
        for (group, last) in groups(used, self.rules.in_order) {
            let tail = Tail {
                len: last.len,
                id: last.head,
                flags: Flags::used(at, last.len != 0),
            };
            let bytes = tail.to_bytes();
            let bytes = match first {
                None => bytes.get(..BEFORE_FLAGS).unwrap_or_default(),
                Some(_) => &bytes,
            };
            let place = at.position().wrapping_add(TAIL);
            self.memory.write(Area::Descriptor, place, bytes)?;
            first = first.or(Some(tail.flags));
            // CAST: at most as many as are in flight, which has 16 bits.
            at = at.advanced(slots(group) as u16, self.size);
        }
        Ok(first.map(|flags| (flags, at)))
    }

    /// Makes the used descriptors up to `end` visible and decides about the signal.
    fn publish(&mut self, first: Flags, end: Cursor) -> Result<bool, RingError<M::Error>> {
        let old = self.next_used;
        let place = old.position().wrapping_add(FLAGS);
        // ORDERING: payload and descriptors before the flags that hand them over. Pairs with the driver
        // side's barrier between the flags and the rest (section 2.8.2).
        self.memory.write_barrier();
        self.memory.store_u16(Area::Descriptor, place, first.0)?;
        // INVARIANT: `next_used` does not pass `next_available`, as so many are in flight.
        self.next_used = end;
        Ok(self.wants_signal(old, end)?)
    }
}

/// Returns how many descriptors of the ring these chains have.
fn slots(used: &[Used]) -> usize {
    used.iter().map(|used| usize::from(used.slots)).sum()
}
