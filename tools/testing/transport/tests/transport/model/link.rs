// SPDX-License-Identifier: GPL-2.0

//! The link: writes of the RC are posted, stay in order, and are pushed by its reads.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use transport::{Offset, Registers};

/// Number of words of the register BAR.
pub const WORDS: usize = 0x4000;

/// The register BAR and the writes on their way to it.
pub struct Link {
    memory: RefCell<Vec<u32>>,
    posted: RefCell<VecDeque<(Offset, u32)>>,
    is_dead: Cell<bool>,
    /// Reads of the RC do not push posted writes: the EP sees them when the test delivers them.
    is_slow: Cell<bool>,
    /// Number of accesses by the EP, each numbered from 1, and the deliveries before some of them.
    ep_accesses: Cell<usize>,
    deliveries: RefCell<Vec<(usize, usize)>>,
    /// Number of reads of the RC, and what the memory becomes before some of them.
    rc_reads: Cell<usize>,
    changes: RefCell<Vec<(usize, Offset, u32)>>,
    /// Writes of the EP since the test asked for them.
    ep_writes: RefCell<Option<Vec<(Offset, u32)>>>,
}

impl Link {
    pub fn new() -> Self {
        Self {
            memory: RefCell::new(vec![0; WORDS]),
            posted: RefCell::default(),
            is_dead: Cell::new(false),
            is_slow: Cell::new(false),
            ep_accesses: Cell::new(0),
            deliveries: RefCell::default(),
            rc_reads: Cell::new(0),
            changes: RefCell::default(),
            ep_writes: RefCell::default(),
        }
    }

    pub fn rc(&self) -> RcSide<'_> {
        RcSide(self)
    }

    pub fn ep(&self) -> EpSide<'_> {
        EpSide(self)
    }

    pub fn set_dead(&self, is_dead: bool) {
        self.is_dead.set(is_dead);
    }

    pub fn set_slow(&self, is_slow: bool) {
        self.is_slow.set(is_slow);
    }

    /// Lets the next `count` posted writes arrive.
    pub fn deliver(&self, count: usize) {
        for _ in 0..count {
            let Some((offset, value)) = self.posted.borrow_mut().pop_front() else {
                return;
            };
            self.store(offset, value);
        }
    }

    /// Loses the posted writes that have not arrived.
    pub fn lose_posted(&self) {
        self.posted.borrow_mut().clear();
    }

    /// Remembers the writes of the EP from now on.
    pub fn record_ep_writes(&self) {
        self.ep_writes.replace(Some(Vec::new()));
    }

    /// The writes of the EP since they are remembered.
    pub fn take_ep_writes(&self) -> Vec<(Offset, u32)> {
        self.ep_writes.take().unwrap_or_default()
    }

    /// Plans that `count` writes arrive right before the EP's access number `access` from now on.
    pub fn deliver_before(&self, access: usize, count: usize) {
        self.deliveries
            .borrow_mut()
            .push((self.ep_accesses.get() + access, count));
    }

    /// Plans that the word becomes `value` right before the RC's read number `read` from now on.
    pub fn change_before(&self, read: usize, offset: Offset, value: u32) {
        self.changes
            .borrow_mut()
            .push((self.rc_reads.get() + read, offset, value));
    }

    /// The word in memory.
    pub fn peek(&self, offset: Offset) -> u32 {
        let index = offset.bytes() as usize / 4;
        self.memory.borrow().get(index).copied().unwrap_or(u32::MAX)
    }

    /// Changes the word in memory.
    pub fn store(&self, offset: Offset, value: u32) {
        let index = offset.bytes() as usize / 4;
        if let Some(word) = self.memory.borrow_mut().get_mut(index) {
            *word = value;
        }
    }

    fn rc_read(&self) {
        let read = self.rc_reads.get() + 1;
        self.rc_reads.set(read);
        for (at, offset, value) in &*self.changes.borrow() {
            if *at == read {
                self.store(*offset, *value);
            }
        }
    }

    fn ep_access(&self) {
        let access = self.ep_accesses.get() + 1;
        self.ep_accesses.set(access);
        let counts: usize = self
            .deliveries
            .borrow()
            .iter()
            .filter(|(at, _)| *at == access)
            .map(|(_, count)| count)
            .sum();
        self.deliver(counts);
    }
}

/// The RC's end of the link.
#[derive(Clone, Copy)]
pub struct RcSide<'a>(&'a Link);

impl Registers for RcSide<'_> {
    fn read32(&self, offset: Offset) -> u32 {
        if self.0.is_dead.get() {
            return u32::MAX;
        }
        self.0.rc_read();
        if !self.0.is_slow.get() {
            self.0.deliver(usize::MAX);
        }
        self.0.peek(offset)
    }

    fn write32(&self, offset: Offset, value: u32) {
        if !self.0.is_dead.get() {
            self.0.posted.borrow_mut().push_back((offset, value));
        }
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
}

/// The EP's end of the link: the memory itself.
#[derive(Clone, Copy)]
pub struct EpSide<'a>(&'a Link);

impl Registers for EpSide<'_> {
    fn read32(&self, offset: Offset) -> u32 {
        self.0.ep_access();
        self.0.peek(offset)
    }

    fn write32(&self, offset: Offset, value: u32) {
        self.0.ep_access();
        if let Some(writes) = self.0.ep_writes.borrow_mut().as_mut() {
            writes.push((offset, value));
        }
        self.0.store(offset, value);
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
}
