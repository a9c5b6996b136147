// SPDX-License-Identifier: GPL-2.0
//! Which signals the two sides ask for (sections 2.8.10 and 2.8.14).
//!
//! Each side has two words, one for a place in the ring and one for flags. Either may be read or written
//! before the other without harm: a side that asks for a notification looks once more at the ring after
//! a full barrier, and so does the other between the ring and both words. A word that was read too
//! early thus belongs to a wish after which its writer sees what it would have been notified of.

use super::{
    super::{
        error::RingError,
        memory::Area,
        RingMemory, //
    },
    cursor::Cursor,
    queue::PackedQueue,
};

/// Where the word with the flags is in the driver and the device area, in bytes; the other is at 0.
const FLAGS: usize = 2;

/// All notifications are wanted (`RING_EVENT_FLAGS_ENABLE`).
const ENABLE: u16 = 0;
/// None is wanted (`RING_EVENT_FLAGS_DISABLE`).
const DISABLE: u16 = 1;
/// The one for the place in the other word is wanted (`RING_EVENT_FLAGS_DESC`).
const AT_PLACE: u16 = 2;
/// The bits of the flags that are not reserved.
const MASK: u16 = 3;

impl<M: RingMemory> PackedQueue<M> {
    /// See [`Queue::enable_notification`](super::super::Queue::enable_notification).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn enable_notification(&mut self) -> Result<bool, RingError<M::Error>> {
        self.guard(|queue| {
            queue.ask()?;
            // ORDERING: the wish before the last look. Pairs with the driver side's barrier between
            // the flags of a descriptor and reading the wish: one of the two sees the other.
            queue.memory.full_barrier();
            Ok(queue.has_more()?)
        })
    }

    /// See [`Queue::poll`](super::super::Queue::poll).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll(&mut self) -> Result<bool, RingError<M::Error>> {
        self.guard(|queue| Ok(queue.has_more()?))
    }

    /// See [`Queue::disable_notification`](super::super::Queue::disable_notification).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn disable_notification(&mut self) -> Result<(), RingError<M::Error>> {
        self.guard(|queue| Ok(queue.memory.store_u16(Area::Device, FLAGS, DISABLE)?))
    }

    fn ask(&self) -> Result<(), M::Error> {
        if !self.rules.event_idx {
            return self.memory.store_u16(Area::Device, FLAGS, ENABLE);
        }
        let [p0, p1] = self.next_available.to_word().to_le_bytes();
        let [f0, f1] = AT_PLACE.to_le_bytes();
        self.memory.write(Area::Device, 0, &[p0, p1, f0, f1])
    }

    /// Returns whether the driver side wants a signal, now that the descriptors from `old` to `new` are
    /// used.
    pub(super) fn wants_signal(&self, old: Cursor, new: Cursor) -> Result<bool, M::Error> {
        // ORDERING: the used descriptors before reading the wish. Pairs with the driver side's barrier
        // between its wish and its last look at the ring.
        self.memory.full_barrier();
        let mut wish = [0; 4];
        self.memory.read(Area::Driver, 0, &mut wish)?;
        let [p0, p1, f0, f1] = wish;
        let place = u16::from_le_bytes([p0, p1]);
        Ok(match u16::from_le_bytes([f0, f1]) & MASK {
            DISABLE => false,
            AT_PLACE if self.rules.event_idx => self.is_passed(place, old, new),
            // Also what makes no sense: a signal too many does no harm.
            _ => true,
        })
    }

    /// Returns whether the descriptor that a word names is among those from `old` up to, not including,
    /// `new`. A place that the ring does not have is never passed.
    fn is_passed(&self, place: u16, old: Cursor, new: Cursor) -> bool {
        Cursor::from_word(place, self.size)
            .is_some_and(|place| old.distance(place, self.size) < old.distance(new, self.size))
    }
}
