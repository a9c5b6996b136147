// SPDX-License-Identifier: GPL-2.0

//! Kicks (D1 to D6): the value that the RC writes, and how the EP sees a write to a polled slot.
//!
//! Not here: the write itself, one posted 32-bit write by the RC's driver.

use core::sync::atomic::{
    AtomicU32,
    Ordering, //
};

use crate::{
    layout::DoorbellKind,
    queue::QueueIndex, //
};

/// The doorbell of one queue, on the RC.
///
/// Shared by all CPUs that kick. Lives for as long as the driver has the device, whatever happens
/// to the queue.
#[derive(Debug)]
pub struct Doorbell {
    bar: u8,
    offset: u64,
    value: DoorbellValue,
}

#[derive(Debug)]
enum DoorbellValue {
    Fixed(u32),
    Counter(AtomicU32),
}

impl Doorbell {
    /// The doorbell at `offset` of BAR `bar`; `word` is the value in the slot (polled), or the
    /// `doorbell` word of the queue table (other kinds).
    pub(crate) fn new(bar: u8, offset: u64, kind: DoorbellKind, word: u32) -> Self {
        let value = match kind {
            DoorbellKind::Polled => DoorbellValue::Counter(AtomicU32::new(word)),
            DoorbellKind::Embedded | DoorbellKind::Msi => DoorbellValue::Fixed(word),
        };
        Self { bar, offset, value }
    }

    /// BAR of the slot.
    pub fn bar(&self) -> u8 {
        self.bar
    }

    /// Place of the slot in the BAR, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether user space, which writes what a virtio driver does, the index of the queue, kicks
    /// `queue` by that.
    ///
    /// True for each value where the EP polls, if it scans the queues besides
    /// ([`is_mappable`](crate::Doorbells::is_mappable)).
    pub fn is_rung_by_index(&self, queue: QueueIndex) -> bool {
        match &self.value {
            DoorbellValue::Fixed(value) => *value == u32::from(queue.get()),
            DoorbellValue::Counter(_) => true,
        }
    }

    /// The value of the next kick, which the caller writes to the slot (D2).
    ///
    /// Any context, any CPU; no lock.
    pub fn next_value(&self) -> u32 {
        match &self.value {
            DoorbellValue::Fixed(value) => *value,
            // ORDERING: Only that each kick gets a value of its own matters. The available index
            // is ordered before the write to the slot by the driver side's barrier (D1).
            DoorbellValue::Counter(last) => last.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
        }
    }
}

/// What the EP saw last in a polled slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PolledSlot {
    seen: u32,
}

impl PolledSlot {
    /// Takes `word` as seen (D5). The caller then looks at the available index in any case.
    pub const fn new(word: u32) -> Self {
        Self { seen: word }
    }

    /// Whether `word`, just read from the slot, tells of a kick (D3).
    pub fn is_kicked(&mut self, word: u32) -> bool {
        core::mem::replace(&mut self.seen, word) != word
    }
}
