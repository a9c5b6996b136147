// SPDX-License-Identifier: GPL-2.0
//! The state of a running split queue, and what breaks it.
//!
//! `available`, `used` and `notification` add what can be done with it.

use super::{
    super::{
        config::{Position, Rules},
        error::RingError,
        RingMemory, //
    },
    size::SplitSize,
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
    pub(super) size: SplitSize,
    pub(super) rules: Rules,
    /// The index at which the next used entry is published.
    pub(super) next_used: u16,
    /// The index of the next available entry to pop.
    pub(super) next_available: u16,
    /// The available index of the driver side as last read.
    pub(super) available: u16,
    /// Whether it was read after the last chain was popped, so that no pop need do it.
    pub(super) has_looked: bool,
    /// How many descriptors from its head on a chain is expected to have in a row; see `walk`.
    pub(super) stride: u16,
    /// The head of the next chain of an in-order queue, if it is known.
    pub(super) next_head: Option<u16>,
    /// Whether the next push signals, whatever the driver side asked for.
    pub(super) owes_signal: bool,
    broken: bool,
}

impl<M: RingMemory> SplitQueue<M> {
    /// Makes a queue that goes on at a position, if it is one of a split queue.
    pub(in super::super) fn new(
        size: SplitSize,
        rules: Rules,
        start: Position,
        memory: M,
    ) -> Result<Self, RingError<M::Error>> {
        let index = Self::index(size, start)?;
        // INVARIANT: all indexes are equal.
        Ok(Self {
            memory,
            size,
            rules,
            next_used: index,
            next_available: index,
            available: index,
            has_looked: false,
            stride: 1,
            next_head: None,
            owes_signal: false,
            broken: false,
        })
    }

    /// Returns the index that a position is.
    fn index(size: SplitSize, at: Position) -> Result<u16, RingError<M::Error>> {
        match at {
            Position { available, used: 0 } => Ok(available),
            Position { available, used } => Err(RingError::Position {
                available,
                used,
                size: size.get(),
            }),
        }
    }

    /// See [`Queue::memory`](super::super::Queue::memory).
    #[inline]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Returns the queue size.
    #[inline]
    pub fn size(&self) -> SplitSize {
        self.size
    }

    /// See [`Queue::is_broken`](super::super::Queue::is_broken).
    #[inline]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// See [`Queue::position`](super::super::Queue::position).
    #[inline]
    pub fn position(&self) -> Position {
        Position::split(self.next_available)
    }

    /// See [`Queue::in_flight`](super::super::Queue::in_flight).
    #[inline]
    pub fn in_flight(&self) -> u16 {
        self.next_available.wrapping_sub(self.next_used)
    }

    /// Returns how many chains are known to be available.
    #[inline]
    pub(super) fn pending(&self) -> u16 {
        self.available.wrapping_sub(self.next_available)
    }

    /// See [`Queue::go_on_at`](super::super::Queue::go_on_at).
    pub fn go_on_at(&mut self, position: Position) -> Result<(), RingError<M::Error>> {
        let index = Self::index(self.size, position)?;
        self.memory.discard();
        // INVARIANT: all indexes are equal.
        self.next_used = index;
        self.next_available = index;
        self.available = index;
        self.has_looked = false;
        self.next_head = None;
        Ok(())
    }

    /// See [`Queue::rewind`](super::super::Queue::rewind).
    pub fn rewind(&mut self) {
        self.memory.discard();
        // INVARIANT: `next_available` stays between the other two.
        self.next_available = self.next_used;
        self.next_head = None;
    }

    /// See [`Queue::stop`](super::super::Queue::stop).
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
