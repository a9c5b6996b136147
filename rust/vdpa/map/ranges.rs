// SPDX-License-Identifier: GPL-2.0

//! Areas at addresses of the driver side's choice, which do not overlap.
//!
//! They are few and stay: a virtual machine's memory is mapped when it starts.

use super::area::Area;
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
};

/// An area and its lowest address.
struct Mapping {
    first: u64,
    area: Area,
}

/// An area with its addresses that is not in a tree yet.
pub(super) struct Range {
    first: u64,
    last: u64,
    node: Node,
}

/// What the tree is made of: an area by its highest address.
type Node = RBTreeNode<u64, Mapping>;

impl Range {
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the area is empty or reaches beyond the highest address; `ENOMEM`.
    pub(super) fn new(first: u64, area: Area) -> Result<Self> {
        let reach = (area.size() as u64).checked_sub(1).ok_or(EINVAL)?;
        let last = first.checked_add(reach).ok_or(EINVAL)?;
        let node = Node::new(last, Mapping { first, area }, GFP_KERNEL)?;
        Ok(Self { first, last, node })
    }
}

/// The areas.
pub(super) struct Ranges(RBTree<u64, Mapping>);

impl Ranges {
    pub(super) fn new() -> Self {
        Self(RBTree::new())
    }

    /// Returns the area that `address` is in, and the offset in it.
    pub(super) fn find(&self, address: u64) -> Option<(Area, u64)> {
        let cursor = self.0.cursor_lower_bound(&address)?;
        let (_, mapping) = cursor.current();
        Some((mapping.area, address.checked_sub(mapping.first)?))
    }

    /// # Errors
    ///
    /// `EEXIST`: there is an area at some of the addresses.
    pub(super) fn insert(&mut self, range: Range) -> Result {
        let next = self.0.cursor_lower_bound(&range.first);
        if next.is_some_and(|next| next.current().1.first <= range.last) {
            return Err(EEXIST);
        }
        // Nothing is replaced: no area has this address.
        self.0.insert(range.node);
        Ok(())
    }

    /// Takes out an area that has an address of `first..=last`, and returns what it was in.
    pub(super) fn remove_one(&mut self, first: u64, last: u64) -> Option<impl Sized> {
        let cursor = self.0.cursor_lower_bound_mut(&first)?;
        let is_within = cursor.current().1.first <= last;
        is_within.then(|| cursor.remove_current().1)
    }
}
