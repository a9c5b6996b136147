// SPDX-License-Identifier: GPL-2.0
//! A virtqueue of either layout, for users that need not know which.

use super::{
    batch::Batch,
    config::Position,
    error::RingError,
    packed::PackedQueue,
    split::SplitQueue,
    used::Used,
    RingMemory, //
};

/// The device side of a virtqueue that runs.
pub enum Queue<M: RingMemory> {
    /// A split one.
    Split(SplitQueue<M>),
    /// A packed one.
    Packed(PackedQueue<M>),
}

/// Does the same with a queue of either layout.
macro_rules! of {
    ($queue:expr, $is:ident => $operation:expr) => {
        match $queue {
            Queue::Split($is) => $operation,
            Queue::Packed($is) => $operation,
        }
    };
}

impl<M: RingMemory> Queue<M> {
    /// Returns the memory, for [`Chain::read`](super::Chain::read) and
    /// [`Chain::write`](super::Chain::write).
    #[inline]
    pub fn memory(&self) -> &M {
        of!(self, queue => queue.memory())
    }

    /// Returns the number of descriptors.
    #[inline]
    pub fn size(&self) -> u16 {
        of!(self, queue => queue.size().get())
    }

    /// Returns whether an error broke the queue; only a new one helps.
    #[inline]
    pub fn is_broken(&self) -> bool {
        of!(self, queue => queue.is_broken())
    }

    /// Returns where the queue is: what [`QueueConfig::start_at`](super::QueueConfig::start_at) takes.
    ///
    /// A saved queue resumes there correctly when no chain is in flight; [`rewind`](Self::rewind) first.
    #[inline]
    pub fn position(&self) -> Position {
        of!(self, queue => queue.position())
    }

    /// Returns how much was popped and not pushed: chains of a split queue, descriptors of a packed one.
    #[inline]
    pub fn in_flight(&self) -> u16 {
        of!(self, queue => queue.in_flight())
    }

    /// Goes on at another position, as [`QueueConfig::start_at`](super::QueueConfig::start_at) has it.
    ///
    /// What is in flight is forgotten.
    ///
    /// # Errors
    ///
    /// [`RingError::Position`]: the queue cannot go on there; nothing changed.
    pub fn go_on_at(&mut self, position: Position) -> Result<(), RingError<M::Error>> {
        of!(self, queue => queue.go_on_at(position))
    }

    /// Gives all chains in flight back, to be popped again.
    ///
    /// All before them must have been pushed in the order in which they were popped, and they must not
    /// be pushed any more.
    pub fn rewind(&mut self) {
        of!(self, queue => queue.rewind());
    }

    /// Says how far the driver side is by its kick, [`NotificationData::next`](super::NotificationData).
    ///
    /// The ring alone tells what is available. A packed queue does not look for more once it is there,
    /// which saves a read per batch; a split one, whose index tells it, has no use for it.
    pub fn hint(&mut self, next: u16) {
        if let Self::Packed(queue) = self {
            queue.hint(next);
        }
    }

    /// Fills the batch with the next available chains and returns how many there are.
    ///
    /// Zero means that the driver side had nothing more when the queue looked last, after the chains of the last pop
    /// were made available; [`enable_notification`](Self::enable_notification) looks again. Any other number does not
    /// say. What the batch held before is forgotten.
    ///
    /// # Errors
    ///
    /// The driver side broke a rule, or its memory cannot be reached. The batch is then empty, no chain
    /// was popped, and the queue is broken.
    pub fn pop(&mut self, batch: &mut Batch) -> Result<usize, RingError<M::Error>> {
        of!(self, queue => queue.pop(batch))
    }

    /// Hands chains back, in this order, and returns whether the driver side is to be signalled.
    ///
    /// With [`IN_ORDER`](crate::features::IN_ORDER) it has to be the order in which they were popped, and
    /// those that are filled are told of together with the next one.
    ///
    /// None may be handed back, to learn whether a signal is owed from before (see
    /// [`QueueConfig::take_over`](super::QueueConfig::take_over)).
    ///
    /// The payload is flushed before ([`RingMemory::flush`]). What somebody else than this processor wrote has to be
    /// complete in memory. Nothing is read across the link but the words that tell whether to signal.
    ///
    /// # Errors
    ///
    /// [`RingError::UsedTooMany`] and [`RingError::UsedHead`]: the caller's fault; nothing was written
    /// and the queue goes on. Otherwise the ring cannot be reached, and the queue is broken.
    pub fn push(&mut self, used: &[Used]) -> Result<bool, RingError<M::Error>> {
        of!(self, queue => queue.push(used))
    }

    /// Returns whether the driver side made more available, by a single read; it is not asked to kick.
    ///
    /// # Errors
    ///
    /// The driver side broke a rule, or its memory cannot be reached; the queue is broken.
    pub fn poll(&mut self) -> Result<bool, RingError<M::Error>> {
        of!(self, queue => queue.poll())
    }

    /// Asks the driver side to kick for the next chain and returns whether it made some available
    /// meanwhile, for which it may not kick: then pop again.
    ///
    /// # Errors
    ///
    /// The driver side broke a rule, or its memory cannot be reached; the queue is broken.
    pub fn enable_notification(&mut self) -> Result<bool, RingError<M::Error>> {
        of!(self, queue => queue.enable_notification())
    }

    /// Tells the driver side that no kick is needed; some may come all the same.
    ///
    /// # Errors
    ///
    /// The memory cannot be reached; the queue is broken.
    pub fn disable_notification(&mut self) -> Result<(), RingError<M::Error>> {
        of!(self, queue => queue.disable_notification())
    }

    /// Stops the queue and returns its memory.
    pub fn stop(self) -> M {
        of!(self, queue => queue.stop())
    }
}
