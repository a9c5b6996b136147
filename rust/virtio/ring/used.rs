// SPDX-License-Identifier: GPL-2.0
//! What is handed back, and what goes together.

/// A chain that is handed back; [`Chain::used`](super::Chain::used) makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What names the chain.
    pub head: u16,
    /// How many bytes the device wrote, from the start of the writable part.
    pub len: u32,
    /// How many descriptors of the ring, or of the descriptor table, the chain has.
    pub(super) slots: u16,
    /// Whether the device wrote all of the writable part.
    pub(super) is_filled: bool,
}

impl Used {
    /// Returns a chain of one descriptor, of which not all may be written.
    pub const fn new(head: u16, len: u32) -> Self {
        Self {
            head,
            len,
            slots: 1,
            is_filled: false,
        }
    }
}

impl Default for Used {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

/// Splits used chains in those of which the driver side is told at once, and returns these with the last
/// of each, which is what it is told.
///
/// In order, all but the last of such a group need not be named, as the driver side knows what came
/// before that; it takes them for filled (sections 2.7.9 and 2.8.8).
pub(super) fn groups(used: &[Used], in_order: bool) -> impl Iterator<Item = (&[Used], Used)> {
    used.split_inclusive(move |used| !(in_order && used.is_filled))
        .filter_map(|group| Some((group, *group.last()?)))
}
