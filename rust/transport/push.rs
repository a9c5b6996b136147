// SPDX-License-Identifier: GPL-2.0

//! Where the push areas are: EP memory that the RC copies its half of a queue to.
//!
//! What is where in one, and how it is used, is `virtio::ring::PushArea`.

use crate::layout::Region;
use crate::queue::QueueIndex;

/// What push areas are aligned to: the most that a processor writes at once.
pub(crate) const PUSH_ALIGN: u32 = 64;

/// The push areas of all queues, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PushAreas {
    /// Their BAR.
    pub bar: u8,
    /// All of them.
    pub region: Region,
    /// Bytes from area to area, and of each.
    pub stride: u32,
    /// Buffers of so many bytes and more are not to be pushed, as the EP fetches them by other means than loads;
    /// 0: all are.
    pub below: u32,
}

impl PushAreas {
    /// No push areas, as the words have it.
    pub(crate) const NONE: Self = Self {
        bar: 0,
        region: Region { offset: 0, size: 0 },
        stride: 0,
        below: 0,
    };

    /// Place of the push area of `queue`, in bytes from the start of the BAR.
    pub const fn offset(&self, queue: QueueIndex) -> u64 {
        self.region.offset as u64 + self.stride as u64 * queue.get() as u64
    }

    /// Whether the areas of `num_queues` queues are aligned and in the region.
    pub(crate) fn is_legal(&self, num_queues: u16) -> bool {
        let size = u64::from(self.stride) * u64::from(num_queues);
        self.stride != 0
            && (self.region.offset | self.stride) % PUSH_ALIGN == 0
            && size <= u64::from(self.region.size)
    }
}
