// SPDX-License-Identifier: GPL-2.0
//! What is fixed before a queue starts: layout, features that it obeys, and where it begins.

use crate::features;

use super::{
    error::RingError,
    layout::Layout,
    packed::PackedQueue,
    queue::Queue,
    split::SplitQueue,
    RingMemory, //
};

/// Where a queue goes on.
///
/// Words as those of `vhost` and of the transports: of a split queue the available index, and 0; of a
/// packed one the offset in bits 14:0 and the wrap counter in bit 15, for available and for used
/// descriptors (section 2.8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Of the next chain to pop.
    pub available: u16,
    /// Of the next chain to push; the same in a packed queue unless chains are in flight.
    pub used: u16,
}

impl Position {
    /// Returns the position of a split queue at this index.
    pub const fn split(index: u16) -> Self {
        Self {
            available: index,
            used: 0,
        }
    }

    /// Returns the position of a packed queue at this offset in the round of this wrap counter.
    pub const fn packed(place: u16) -> Self {
        Self {
            available: place,
            used: place,
        }
    }

    /// Returns where a queue begins that was never used.
    ///
    /// Of the features, [`features::RING_PACKED`] counts.
    pub const fn first(negotiated: u64) -> Self {
        if negotiated & features::RING_PACKED != 0 {
            // Offset 0, wrap counter 1.
            Self::packed(1 << 15)
        } else {
            Self::split(0)
        }
    }
}

/// Which rules were negotiated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) indirect: bool,
    pub(super) event_idx: bool,
    pub(super) in_order: bool,
    /// The driver side pushes the queue: see [`QueueConfig::pushed`].
    pub(super) pushed: bool,
}

impl Rules {
    const fn new(negotiated: u64) -> Self {
        Self {
            indirect: negotiated & features::INDIRECT_DESC != 0,
            event_idx: negotiated & features::EVENT_IDX != 0,
            in_order: negotiated & features::IN_ORDER != 0,
            pushed: false,
        }
    }
}

/// A queue that does not run yet.
///
/// # Examples
///
/// ```
/// use virtio::{features, ring::QueueConfig};
///
/// let negotiated = features::VERSION_1 | features::EVENT_IDX;
/// let config = QueueConfig::new(256, negotiated).ok_or("not a power of two")?;
/// # let _ = config;
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct QueueConfig {
    pub(super) layout: Layout,
    pub(super) rules: Rules,
    start: Position,
}

impl QueueConfig {
    /// Returns the configuration of a queue of this size that obeys the negotiated features, from its
    /// beginning; or none when the size is not legal (see [`Layout::new`]).
    ///
    /// Of the features, [`features::RING_PACKED`], [`features::IN_ORDER`], [`features::INDIRECT_DESC`]
    /// and [`features::EVENT_IDX`] count.
    pub const fn new(size: u16, negotiated: u64) -> Option<Self> {
        match Layout::new(size, negotiated) {
            Some(layout) => Some(Self {
                layout,
                rules: Rules::new(negotiated),
                start: Position::first(negotiated),
            }),
            None => None,
        }
    }

    /// Returns how the areas are laid out.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Starts at a position saved by [`Queue::position`].
    ///
    /// All chains before it must have been used.
    pub const fn start_at(mut self, position: Position) -> Self {
        self.start = position;
        self
    }

    /// Takes the driver side's half of the queue from a push area ([`Mirror`](super::Mirror)), not from
    /// the driver side's memory; of a split queue without [`features::EVENT_IDX`].
    ///
    /// Only a kick brings there what became available, so kicks are always wanted. What the driver side wants of
    /// signals is not there, so there is one for each push.
    pub const fn pushed(mut self) -> Self {
        self.rules.pushed = true;
        self
    }

    /// Starts the queue over the memory that the driver side gave it.
    ///
    /// Notifications are as the memory has them; ask for them with [`Queue::enable_notification`].
    ///
    /// # Errors
    ///
    /// [`RingError::Position`]: the queue cannot go on there.
    pub fn start<M: RingMemory>(self, memory: M) -> Result<Queue<M>, RingError<M::Error>> {
        let Self { rules, start, .. } = self;
        match self.layout {
            Layout::Split(size) => SplitQueue::new(size, rules, start, memory).map(Queue::Split),
            Layout::Packed(size) => PackedQueue::new(size, rules, start, memory).map(Queue::Packed),
        }
    }
}
