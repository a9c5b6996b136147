// SPDX-License-Identifier: GPL-2.0

//! The link: posted writes to the EP, the memory behind the BAR, and the EP's own writes to it.

use transport::Offset;

use crate::memory::{Memory, Posted, Tag, Write};

/// What a dead link answers.
const ALL_ONES: u32 = u32::MAX;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    pub is_up: bool,
    pub memory: Memory,
    /// Writes of the RC on their way.
    pub posted: Posted,
    /// Writes of the EP that are not visible to the RC yet.
    pub stores: Posted,
    /// Writes of the RC were lost since it issued a command.
    pub has_lost: bool,
}

impl Link {
    pub fn new() -> Self {
        Self {
            is_up: true,
            memory: Memory::default(),
            posted: Posted::default(),
            stores: Posted::default(),
            has_lost: false,
        }
    }

    /// A read of the RC, which all its posted writes went before.
    pub fn rc_read(&self, offset: Offset) -> (u32, Option<Tag>) {
        debug_assert!(self.posted.is_empty());
        match self.is_up {
            true => self.memory.get(offset),
            false => (ALL_ONES, None),
        }
    }

    /// A read of the EP, which sees its own writes at once.
    pub fn ep_read(&self, offset: Offset) -> (u32, Option<Tag>) {
        match self.stores.latest(offset) {
            Some(write) => (write.value, write.tag),
            None => self.memory.get(offset),
        }
    }

    pub fn rc_write(&mut self, write: Write) {
        if !self.is_up {
            self.has_lost = true;
        } else if is_change(write, &self.posted, &self.stores, &self.memory) {
            self.posted.post(write);
        }
    }

    pub fn ep_write(&mut self, write: Write) {
        if is_change(write, &self.stores, &self.posted, &self.memory) {
            self.stores.post(write);
        }
    }

    /// Writes on their way are lost.
    pub fn go_down(&mut self) {
        self.is_up = false;
        self.lose_posted();
    }

    pub fn lose_posted(&mut self) {
        self.has_lost |= !self.posted.is_empty();
        self.posted.clear();
    }
}

/// Whether a write makes a difference to anybody, ever: it is left out if not.
fn is_change(write: Write, own: &Posted, other: &Posted, memory: &Memory) -> bool {
    let before = own.latest(write.offset).map_or_else(
        || memory.get(write.offset),
        |before| (before.value, before.tag),
    );
    other.latest(write.offset).is_some() || before != (write.value, write.tag)
}
