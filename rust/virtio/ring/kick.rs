// SPDX-License-Identifier: GPL-2.0
//! What a kick says (section 2.9).

/// The value of a kick when [`NOTIFICATION_DATA`](crate::features::NOTIFICATION_DATA) was negotiated.
///
/// The driver side wrote it, and kicks may overtake each other: it is a hint, to be checked against the
/// ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotificationData {
    /// The queue; may not exist.
    pub queue: u16,
    /// How far the driver side is, for [`Queue::hint`](super::Queue::hint): the available index of a split
    /// queue, offset and wrap counter of a packed one.
    pub next: u16,
}

impl NotificationData {
    /// Returns what a word says: the queue in its lower half, how far in its upper one.
    pub const fn from_word(word: u32) -> Self {
        let [q0, q1, n0, n1] = word.to_le_bytes();
        Self {
            queue: u16::from_le_bytes([q0, q1]),
            next: u16::from_le_bytes([n0, n1]),
        }
    }
}
