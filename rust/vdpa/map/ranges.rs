// SPDX-License-Identifier: GPL-2.0

//! Areas at addresses of the driver side's choice, which do not overlap within an address space.
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
    space: u32,
    first: u64,
    last: u64,
    node: Node,
}

/// An address space and the highest address of an area in it.
type Key = (u32, u64);

/// What the tree is made of.
type Node = RBTreeNode<Key, Mapping>;

impl Range {
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the area is empty or reaches beyond the highest address; `ENOMEM`.
    pub(super) fn new(space: u32, first: u64, area: Area) -> Result<Self> {
        let reach = (area.size() as u64).checked_sub(1).ok_or(EINVAL)?;
        let last = first.checked_add(reach).ok_or(EINVAL)?;
        let node = Node::new((space, last), Mapping { first, area }, GFP_KERNEL)?;
        Ok(Self {
            space,
            first,
            last,
            node,
        })
    }
}

/// The areas.
pub(super) struct Ranges(RBTree<Key, Mapping>);

impl Ranges {
    pub(super) fn new() -> Self {
        Self(RBTree::new())
    }

    /// Returns the area that `address` of a space is in, and the offset in it.
    pub(super) fn find(&self, space: u32, address: u64) -> Option<(Area, u64)> {
        let cursor = self.0.cursor_lower_bound(&(space, address))?;
        let (&(of, _), mapping) = cursor.current();
        let offset = address.checked_sub(mapping.first)?;
        (of == space).then_some((mapping.area, offset))
    }

    /// # Errors
    ///
    /// `EEXIST`: there is an area at some of the addresses.
    pub(super) fn insert(&mut self, range: Range) -> Result {
        let next = self.0.cursor_lower_bound(&(range.space, range.first));
        let is_hit = |(&(of, _), mapping): (&Key, &Mapping)| {
            of == range.space && mapping.first <= range.last
        };
        if next.is_some_and(|next| is_hit(next.current())) {
            return Err(EEXIST);
        }
        // Nothing is replaced: no area has this address.
        self.0.insert(range.node);
        Ok(())
    }

    /// Takes out an area that has an address of `first..=last` of a space, and returns what it was in.
    pub(super) fn remove_one(&mut self, space: u32, first: u64, last: u64) -> Option<impl Sized> {
        let cursor = self.0.cursor_lower_bound_mut(&(space, first))?;
        let (&(of, _), mapping) = cursor.current();
        let is_within = of == space && mapping.first <= last;
        is_within.then(|| cursor.remove_current().1)
    }
}
