// SPDX-License-Identifier: GPL-2.0
//! Which signals the two sides ask for (sections 2.7.7 and 2.7.10).
//!
//! Suppression is a hint: the driver side may kick in vain, and never does so too late, because
//! [`SplitQueue::enable_notification`] looks again after asking.

use super::{
    super::{
        error::RingError,
        memory::{Area, FLAGS},
        RingMemory, //
    },
    queue::SplitQueue,
};

/// Set by the driver side in its flags: no signal wanted (`VIRTQ_AVAIL_F_NO_INTERRUPT`).
const NO_SIGNAL: u16 = 1;
/// Set by the device side in its flags: no kick wanted (`VIRTQ_USED_F_NO_NOTIFY`).
const NO_KICK: u16 = 1;

impl<M: RingMemory> SplitQueue<M> {
    /// See [`Queue::enable_notification`](super::super::Queue::enable_notification).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn enable_notification(&mut self) -> Result<bool, RingError<M::Error>> {
        self.guard(|queue| {
            if queue.rules.pushed {
                return queue.has_more();
            }
            if queue.rules.event_idx {
                let event = queue.size.avail_event();
                let next = queue.next_available;
                queue.memory.store_u16(Area::Device, event, next)?;
            } else {
                queue.memory.store_u16(Area::Device, FLAGS, 0)?;
            }
            // ORDERING: the wish before the last look. Pairs with the driver side's barrier between
            // the available index and reading the wish: one of the two sees the other.
            queue.memory.full_barrier();
            queue.has_more()
        })
    }

    /// See [`Queue::poll`](super::super::Queue::poll).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll(&mut self) -> Result<bool, RingError<M::Error>> {
        self.guard(Self::has_more)
    }

    fn has_more(&mut self) -> Result<bool, RingError<M::Error>> {
        self.load_available_index()?;
        Ok(self.pending() != 0)
    }

    /// See [`Queue::disable_notification`](super::super::Queue::disable_notification).
    ///
    /// With [`EVENT_IDX`](crate::features::EVENT_IDX) there is nothing to tell: the driver side kicks
    /// once for the index that was last asked for.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn disable_notification(&mut self) -> Result<(), RingError<M::Error>> {
        self.guard(|queue| {
            if !queue.rules.event_idx && !queue.rules.pushed {
                queue.memory.store_u16(Area::Device, FLAGS, NO_KICK)?;
            }
            Ok(())
        })
    }

    /// Returns whether the driver side wants a signal, now that the used index went from `old` to
    /// `new`.
    pub(super) fn wants_signal(&self, old: u16, new: u16) -> Result<bool, M::Error> {
        if self.rules.pushed {
            return Ok(true);
        }
        // ORDERING: the used index before reading the wish. Pairs with the driver side's barrier
        // between its wish and its last look at the used index.
        self.memory.full_barrier();
        if !self.rules.event_idx {
            let flags = self.memory.load_u16(Area::Driver, FLAGS)?;
            return Ok(flags & NO_SIGNAL == 0);
        }
        let event = self.size.used_event();
        let event = self.memory.load_u16(Area::Driver, event)?;
        Ok(is_crossed(event, old, new))
    }
}

/// Returns whether the entry at index `event` is among those from `old` up to, not including, `new`.
///
/// The side that set `event` wants to be told once that entry is written (section 2.7.7.2).
fn is_crossed(event: u16, old: u16, new: u16) -> bool {
    event.wrapping_sub(old) < new.wrapping_sub(old)
}
