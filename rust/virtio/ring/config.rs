// SPDX-License-Identifier: GPL-2.0
//! What is fixed before a queue starts: its size, the features it obeys and its first index.

use crate::features;

use super::{
    memory::{AVAILABLE_ENTRY, RING, USED_ENTRY},
    queue::SplitQueue,
    RingMemory, //
};

/// The number of descriptors of a split virtqueue.
///
/// # Invariants
///
/// A power of two from 1 to [`QueueSize::MAX`] (section 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct QueueSize(u16);

impl QueueSize {
    /// The largest size (section 2.7).
    pub const MAX: u16 = 32768;

    /// Returns the size when it is a legal one.
    pub const fn new(size: u16) -> Option<Self> {
        if size.is_power_of_two() {
            // INVARIANT: the largest power of two in 16 bits is `MAX`, and zero is none.
            Some(Self(size))
        } else {
            None
        }
    }

    /// Returns the number of descriptors.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns the number of descriptors as a count of entries in memory.
    pub(super) const fn entries(self) -> usize {
        // CAST: widens; `usize::from` is not `const`.
        self.0 as usize
    }

    /// Returns the slot of the ring entry that belongs to a free-running index.
    #[inline]
    pub(super) const fn slot(self, index: u16) -> usize {
        // CAST: widens. The size is a power of two, hence the mask.
        (index & self.0.wrapping_sub(1)) as usize
    }

    /// Returns where `used_event` is in the driver area, in bytes.
    pub(super) const fn used_event(self) -> usize {
        RING + AVAILABLE_ENTRY * self.entries()
    }

    /// Returns where `avail_event` is in the device area, in bytes.
    pub(super) const fn avail_event(self) -> usize {
        RING + USED_ENTRY * self.entries()
    }
}

/// A queue that does not run yet.
///
/// # Examples
///
/// ```
/// use virtio::{features, ring::{QueueConfig, QueueSize}};
///
/// let size = QueueSize::new(256).ok_or("not a power of two")?;
/// let config = QueueConfig::new(size, features::VERSION_1 | features::EVENT_IDX).start_at(0);
/// # let _ = config;
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct QueueConfig {
    pub(super) size: QueueSize,
    pub(super) indirect: bool,
    pub(super) event_idx: bool,
    pub(super) start: u16,
}

impl QueueConfig {
    /// Returns the configuration of a queue that obeys the negotiated features, from index 0.
    ///
    /// Of the features, [`features::INDIRECT_DESC`] and [`features::EVENT_IDX`] count.
    pub const fn new(size: QueueSize, negotiated: u64) -> Self {
        Self {
            size,
            indirect: negotiated & features::INDIRECT_DESC != 0,
            event_idx: negotiated & features::EVENT_IDX != 0,
            start: 0,
        }
    }

    /// Starts at an index saved by [`SplitQueue::avail_index`].
    ///
    /// All chains before it must have been used: the used index starts at the same value.
    pub const fn start_at(mut self, index: u16) -> Self {
        self.start = index;
        self
    }

    /// Starts the queue over the memory that the driver side gave it.
    ///
    /// Notifications are as the memory has them; ask for them with
    /// [`SplitQueue::enable_notification`].
    pub const fn start<M: RingMemory>(self, memory: M) -> SplitQueue<M> {
        SplitQueue::new(self, memory)
    }
}
