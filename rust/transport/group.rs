// SPDX-License-Identifier: GPL-2.0

//! Groups of queues: those of one group are in one address space, which the RC chooses.

use crate::layout::MAX_QUEUES;
use crate::queue::QueueIndex;

/// Most groups of queues of a device in this version.
pub const MAX_GROUPS: u16 = 8;
/// Most address spaces of a device in this version.
pub const MAX_SPACES: u16 = 8;

/// How many groups and address spaces a device has; without
/// [`GROUPS`](crate::TransportFeatures::GROUPS) one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupCounts {
    /// Number of groups, 1 to [`MAX_GROUPS`].
    pub groups: u16,
    /// Number of address spaces, 1 to [`MAX_SPACES`].
    pub spaces: u16,
}

impl GroupCounts {
    /// All queues in one address space.
    pub const ONE: Self = Self {
        groups: 1,
        spaces: 1,
    };

    /// Whether the numbers are in their range.
    pub(crate) const fn is_legal(self) -> bool {
        self.groups >= 1
            && self.groups <= MAX_GROUPS
            && self.spaces >= 1
            && self.spaces <= MAX_SPACES
    }
}

/// The group of each queue, and the address space of each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Groups {
    counts: GroupCounts,
    of_queues: [u8; MAX_QUEUES],
    spaces: [u8; MAX_GROUPS as usize],
}

impl Groups {
    /// All groups are in address space 0; `None` if a group does not exist.
    pub(crate) fn new(counts: GroupCounts, of_queues: impl Iterator<Item = u16>) -> Option<Self> {
        let mut groups = Self {
            counts,
            of_queues: [0; MAX_QUEUES],
            spaces: [0; MAX_GROUPS as usize],
        };
        for (to, group) in groups.of_queues.iter_mut().zip(of_queues) {
            *to = u8::try_from(group).ok().filter(|_| group < counts.groups)?;
        }
        counts.is_legal().then_some(groups)
    }

    pub(crate) fn counts(&self) -> GroupCounts {
        self.counts
    }

    /// Puts a group into an address space; `None` if one of them does not exist.
    pub(crate) fn set_space(&mut self, group: u32, space: u32) -> Option<()> {
        let is_legal =
            group < u32::from(self.counts.groups) && space < u32::from(self.counts.spaces);
        let slot = self.spaces.get_mut(usize::try_from(group).ok()?)?;
        *slot = u8::try_from(space).ok().filter(|_| is_legal)?;
        Some(())
    }

    pub(crate) fn of(&self, queue: QueueIndex) -> u16 {
        let group = self.of_queues.get(usize::from(queue.get()));
        group.copied().unwrap_or(0).into()
    }

    /// The address space that a queue is in.
    pub(crate) fn space_of(&self, queue: QueueIndex) -> u16 {
        let space = self.spaces.get(usize::from(self.of(queue)));
        space.copied().unwrap_or(0).into()
    }
}
