// SPDX-License-Identifier: GPL-2.0
//! The words of the register BAR, shared by the RC and the EP.

use std::{
    cell::RefCell,
    sync::{atomic, Arc},
};

use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use transport::{Offset, Registers};

use crate::Missing;

/// A BAR that one thread sets up, before it is shared.
pub struct Private(RefCell<Vec<u32>>);

impl Private {
    /// A BAR of `bytes` bytes, all zero.
    pub fn new(bytes: u64) -> Self {
        Self(RefCell::new(vec![0; bytes as usize / 4]))
    }

    /// The same words, from now on shared.
    pub fn share(self) -> Side {
        let words = self.0.into_inner().into_iter().map(Word::new);
        Side {
            words: Arc::new(words.collect()),
            missing: Missing::Nothing,
        }
    }
}

impl Registers for Private {
    fn read32(&self, offset: Offset) -> u32 {
        let word = self.0.borrow().get(offset.bytes() as usize / 4).copied();
        word.unwrap_or(u32::MAX)
    }

    fn write32(&self, offset: Offset, value: u32) {
        if let Some(word) = self.0.borrow_mut().get_mut(offset.bytes() as usize / 4) {
            *word = value;
        }
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
}

/// A word with the value that its writer wrote last.
///
/// A write that changes nothing is left out: a load may return the old value anyway, which is the same
/// and tells less. What an EP writes again when it starts would otherwise take hours.
struct Word {
    shared: AtomicU32,
    latest: atomic::AtomicU32,
}

impl Word {
    fn new(value: u32) -> Self {
        Self {
            shared: AtomicU32::new(value),
            latest: atomic::AtomicU32::new(value),
        }
    }

    fn store(&self, value: u32) {
        if self.latest.swap(value, Relaxed) != value {
            self.shared.store(value, Relaxed);
        }
    }
}

/// One side's way to the BAR.
#[derive(Clone)]
pub struct Side {
    words: Arc<Vec<Word>>,
    missing: Missing,
}

impl Side {
    /// The same words for a side that leaves out a barrier.
    pub fn without(&self, missing: Missing) -> Self {
        Self {
            words: self.words.clone(),
            missing,
        }
    }

    /// A write that no other write to the word comes between, nor is ordered against: see
    /// `doorbells.rs` of the tests.
    pub fn swap(&self, offset: Offset, value: u32) -> u32 {
        self.words[offset.bytes() as usize / 4]
            .shared
            .swap(value, Relaxed)
    }
}

impl Registers for Side {
    fn read32(&self, offset: Offset) -> u32 {
        let word = self.words.get(offset.bytes() as usize / 4);
        word.map_or(u32::MAX, |word| word.shared.load(Relaxed))
    }

    fn write32(&self, offset: Offset, value: u32) {
        if let Some(word) = self.words.get(offset.bytes() as usize / 4) {
            word.store(value);
        }
    }

    fn read_barrier(&self) {
        self.missing.read_barrier();
    }

    fn write_barrier(&self) {
        self.missing.write_barrier();
    }
}
