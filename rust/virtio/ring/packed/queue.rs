// SPDX-License-Identifier: GPL-2.0
//! The state of a running packed queue, and what breaks it.
//!
//! `available`, `used` and `notification` add what can be done with it.

use super::{
    super::{
        config::{Position, Rules},
        error::RingError,
        RingMemory, //
    },
    cursor::{Cursor, PackedSize},
};

/// The device side of a packed virtqueue that runs.
///
/// ```text
///   next_used           next_available
///       |---- in flight ------|  what the driver side may have made available
///       |---------- at most the queue size -----------|
/// ```
///
/// # Invariants
///
/// From `next_used` to `next_available` there are at most as many descriptors as the ring has.
pub struct PackedQueue<M: RingMemory> {
    pub(super) memory: M,
    pub(super) size: PackedSize,
    pub(super) rules: Rules,
    /// Where the next used descriptor goes.
    pub(super) next_used: Cursor,
    /// The descriptor that will be available next.
    pub(super) next_available: Cursor,
    /// How far the driver side said that it is, in a kick: a place to stop at.
    pub(super) hint: Option<Cursor>,
    broken: bool,
}

impl<M: RingMemory> PackedQueue<M> {
    /// Makes a queue that goes on at a place, if the ring has it.
    pub(in super::super) fn new(
        size: PackedSize,
        rules: Rules,
        start: Position,
        memory: M,
    ) -> Result<Self, RingError<M::Error>> {
        let at = Self::cursor(size, start)?;
        // INVARIANT: nothing is in flight.
        Ok(Self {
            memory,
            size,
            rules,
            next_used: at,
            next_available: at,
            hint: None,
            broken: false,
        })
    }

    /// Returns the place that a position is, when nothing is in flight there.
    fn cursor(size: PackedSize, at: Position) -> Result<Cursor, RingError<M::Error>> {
        let Position { available, used } = at;
        let cursor = Cursor::from_word(available, size).filter(|_| available == used);
        cursor.ok_or(RingError::Position {
            available,
            used,
            size: size.get(),
        })
    }

    /// See [`Queue::memory`](super::super::Queue::memory).
    #[inline]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Returns the queue size.
    #[inline]
    pub fn size(&self) -> PackedSize {
        self.size
    }

    /// See [`Queue::is_broken`](super::super::Queue::is_broken).
    #[inline]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// See [`Queue::position`](super::super::Queue::position).
    pub fn position(&self) -> Position {
        Position {
            available: self.next_available.to_word(),
            used: self.next_used.to_word(),
        }
    }

    /// See [`Queue::in_flight`](super::super::Queue::in_flight).
    #[inline]
    pub fn in_flight(&self) -> u16 {
        // CAST: at most the queue size, by the type invariant.
        self.next_used.distance(self.next_available, self.size) as u16
    }

    /// See [`Queue::go_on_at`](super::super::Queue::go_on_at).
    pub fn go_on_at(&mut self, position: Position) -> Result<(), RingError<M::Error>> {
        let at = Self::cursor(self.size, position)?;
        self.memory.discard();
        // INVARIANT: nothing is in flight.
        self.next_used = at;
        self.next_available = at;
        self.hint = None;
        Ok(())
    }

    /// See [`Queue::rewind`](super::super::Queue::rewind).
    pub fn rewind(&mut self) {
        self.memory.discard();
        // INVARIANT: nothing is in flight.
        self.next_available = self.next_used;
    }

    /// See [`Queue::hint`](super::super::Queue::hint).
    pub fn hint(&mut self, next: u16) {
        self.hint = Cursor::from_word(next, self.size);
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
