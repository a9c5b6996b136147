// SPDX-License-Identifier: GPL-2.0
//! The state of a running queue, and what breaks it.
//!
//! `available`, `used` and `notification` add what can be done with it.

use super::{
    config::{QueueConfig, QueueSize},
    error::RingError,
    RingMemory, //
};

/// The device side of a split virtqueue that runs.
///
/// All indexes count freely modulo 65536 (section 2.7.6):
///
/// ```text
///   next_used           next_available       available (shadow)
///       |---- in flight ------|----- pending -------|
///       |------------- at most the queue size ------|
/// ```
///
/// # Invariants
///
/// The indexes are in this order, and the distance of the outer ones is at most the queue size.
pub struct SplitQueue<M: RingMemory> {
    pub(super) memory: M,
    pub(super) config: QueueConfig,
    /// The index at which the next used entry is published.
    pub(super) next_used: u16,
    /// The index of the next available entry to pop.
    pub(super) next_available: u16,
    /// The available index of the driver side as last read.
    pub(super) available: u16,
    /// How many descriptors from its head on a chain is expected to have in a row; see `walk`.
    pub(super) stride: u16,
    /// Whether the next push signals, whatever the driver side asked for.
    pub(super) owes_signal: bool,
    broken: bool,
}

impl<M: RingMemory> SplitQueue<M> {
    pub(super) const fn new(config: QueueConfig, memory: M) -> Self {
        // INVARIANT: all indexes are equal.
        Self {
            memory,
            config,
            next_used: config.start,
            next_available: config.start,
            available: config.start,
            stride: 1,
            owes_signal: false,
            broken: false,
        }
    }

    /// Returns the memory, for [`Chain::read`](super::Chain::read) and
    /// [`Chain::write`](super::Chain::write).
    #[inline]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Returns the queue size.
    #[inline]
    pub fn size(&self) -> QueueSize {
        self.config.size
    }

    /// Returns whether an error broke the queue; only a new one helps.
    #[inline]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Returns the index of the next chain to pop: what [`QueueConfig::start_at`] takes.
    ///
    /// A saved queue resumes there correctly when no chain is in flight; give those that were not
    /// worked on back with [`SplitQueue::unpop`] first.
    #[inline]
    pub fn avail_index(&self) -> u16 {
        self.next_available
    }

    /// Returns how many chains were popped and not pushed.
    #[inline]
    pub fn in_flight(&self) -> u16 {
        self.next_available.wrapping_sub(self.next_used)
    }

    /// Returns how many chains are known to be available.
    #[inline]
    pub(super) fn pending(&self) -> u16 {
        self.available.wrapping_sub(self.next_available)
    }

    /// Goes on at another index, as [`QueueConfig::start_at`] has it; no chain may be in flight.
    pub fn go_on_at(self, index: u16) -> Self {
        self.config.start_at(index).start(self.memory)
    }

    /// Stops the queue and returns its memory.
    pub fn stop(self) -> M {
        self.memory
    }

    /// Runs an operation on a queue that is not broken, and breaks the queue when it fails.
    pub(super) fn guard<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, RingError<M::Error>>,
    ) -> Result<T, RingError<M::Error>> {
        if self.broken {
            return Err(RingError::Broken);
        }
        let result = operation(self);
        self.broken = result.is_err();
        result
    }
}
