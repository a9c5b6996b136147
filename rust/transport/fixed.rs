// SPDX-License-Identifier: GPL-2.0

//! The EP's words that do not change during a session: what the identity and the queue table offer.
//!
//! They are kept, because the RC is able to overwrite them: the EP writes them at the start of a
//! session (S2), and again with each beat (H5).

use crate::endpoint::{
    Description,
    QueueDescription, //
};
use crate::group::GroupCounts;
use crate::layout::{
    Layout,
    IDENTITY_SIZE,
    MAX_QUEUES, //
};
use crate::offset;
use crate::queue::QueueSize;
use crate::registers::{
    write64,
    Offset,
    Registers, //
};
use crate::words::{
    TransportFeatures,
    Version,
    MAGIC, //
};

/// The fixed words of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FixedWords {
    layout: Layout,
    transport_features: TransportFeatures,
    device_features: u64,
    device_id: u32,
    vendor_id: u32,
    groups: GroupCounts,
    /// As many as the layout has room for.
    queues: [QueueDescription; MAX_QUEUES],
}

impl FixedWords {
    pub(crate) fn new(layout: &Layout, description: &Description<'_>) -> Self {
        let mut queues = [QueueDescription {
            size_max: QueueSize::MIN,
            doorbell: 0,
            group: 0,
        }; MAX_QUEUES];
        for (to, from) in queues.iter_mut().zip(description.queues) {
            *to = *from;
        }
        Self {
            layout: *layout,
            transport_features: description.transport_features,
            device_features: description.device_features,
            device_id: description.device_id,
            vendor_id: description.vendor_id,
            groups: description.groups,
            queues,
        }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Writes all of them.
    pub(crate) fn write(&self, regs: &impl Registers) {
        regs.write32(offset::MAGIC, MAGIC);
        regs.write32(offset::VERSION, Version::CURRENT.word());
        regs.write32(offset::TRANSPORT_FEATURES, self.transport_features.word());
        write64(regs, offset::DEVICE_FEATURES, self.device_features);
        regs.write32(offset::DEVICE_ID, self.device_id);
        regs.write32(offset::VENDOR_ID, self.vendor_id);
        let sizes = self.queues.iter().map(|queue| queue.size_max.get());
        regs.write32(offset::QUEUE_SIZE_MAX, sizes.max().unwrap_or(0).into());
        self.write_groups(regs);
        self.layout.write(regs);
        for (index, queue) in self.layout.queues().zip(&self.queues) {
            let write = |word, value| regs.write32(self.layout.queue_word(index, word), value);
            write(offset::queue::SIZE_MAX, queue.size_max.get().into());
            write(offset::queue::DOORBELL, queue.doorbell);
            write(offset::queue::GROUP, queue.group.into());
        }
        reserved_words().for_each(|word| regs.write32(word, 0));
    }

    /// Reserved words without the feature.
    fn write_groups(&self, regs: &impl Registers) {
        let has_groups = self.transport_features.contains(TransportFeatures::GROUPS);
        let word = |count: u16| if has_groups { count.into() } else { 0 };
        regs.write32(offset::NUM_GROUPS, word(self.groups.groups));
        regs.write32(offset::NUM_SPACES, word(self.groups.spaces));
    }
}

/// The reserved words of the identity.
fn reserved_words() -> impl Iterator<Item = Offset> {
    let behind = offset::RESERVED.bytes()..IDENTITY_SIZE;
    behind.step_by(4).map(Offset::new)
}
