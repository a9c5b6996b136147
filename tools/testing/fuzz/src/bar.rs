// SPDX-License-Identifier: GPL-2.0
//! A register BAR that the peer writes to whenever the tape says so, with all accesses on record.

use std::cell::{Cell, RefCell};

use transport::{Offset, Registers};

use crate::tape::Tape;

/// An access or a barrier of the side under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The word had this value.
    Read(u32, u32),
    /// The word got this value.
    Write(u32, u32),
    /// A read barrier.
    ReadBarrier,
    /// A write barrier.
    WriteBarrier,
}

/// A write that the peer may make at any time: where, and what.
pub type PeerWrite<'a> = &'a dyn Fn(&Tape<'_>) -> (u32, u32);

/// The BAR. Words outside of it must not be accessed.
pub struct Bar<'a> {
    words: RefCell<Vec<u32>>,
    log: RefCell<Vec<Access>>,
    tape: &'a Tape<'a>,
    peer: PeerWrite<'a>,
    /// Accesses until the peer writes; 0: it does not.
    countdown: Cell<u8>,
    is_dead: Cell<bool>,
}

impl<'a> Bar<'a> {
    /// A BAR of `bytes` bytes, all zero, whose peer is quiet.
    pub fn new(bytes: u64, tape: &'a Tape<'a>, peer: PeerWrite<'a>) -> Self {
        Self {
            words: RefCell::new(vec![0; bytes as usize / 4]),
            log: RefCell::default(),
            tape,
            peer,
            countdown: Cell::new(0),
            is_dead: Cell::new(false),
        }
    }

    /// Lets the peer write between the accesses from now on, as the tape says; at its end it is quiet.
    pub fn disturb(&self) {
        self.countdown.set(self.tape.any::<u8>() % 64);
    }

    /// Keeps the peer quiet.
    pub fn calm(&self) {
        self.countdown.set(0);
    }

    /// All reads answer all-ones from now on, and writes go nowhere; or no longer.
    pub fn set_dead(&self, is_dead: bool) {
        self.is_dead.set(is_dead);
    }

    /// Shows the accesses since the last call, and forgets them.
    pub fn take_log<T>(&self, look: impl FnOnce(&[Access]) -> T) -> T {
        let mut log = self.log.borrow_mut();
        let seen = look(&log);
        log.clear();
        seen
    }

    /// The word at `offset`, as the peer sees it.
    pub fn peek(&self, offset: u32) -> u32 {
        let word = self.words.borrow().get(offset as usize / 4).copied();
        word.unwrap_or(u32::MAX)
    }

    /// Writes as the peer.
    pub fn poke(&self, offset: u32, value: u32) {
        if let Some(word) = self.words.borrow_mut().get_mut(offset as usize / 4) {
            *word = value;
        }
    }

    fn before_access(&self) {
        let left = self.countdown.get();
        self.countdown.set(left.saturating_sub(1));
        if left == 1 {
            let (offset, value) = (self.peer)(self.tape);
            self.poke(offset, value);
            self.disturb();
        }
    }
}

impl Registers for Bar<'_> {
    fn read32(&self, offset: Offset) -> u32 {
        self.before_access();
        let value = if self.is_dead.get() {
            u32::MAX
        } else {
            self.words.borrow()[offset.bytes() as usize / 4]
        };
        self.log
            .borrow_mut()
            .push(Access::Read(offset.bytes(), value));
        value
    }

    fn write32(&self, offset: Offset, value: u32) {
        self.before_access();
        if !self.is_dead.get() {
            self.words.borrow_mut()[offset.bytes() as usize / 4] = value;
        }
        self.log
            .borrow_mut()
            .push(Access::Write(offset.bytes(), value));
    }

    fn read_barrier(&self) {
        self.log.borrow_mut().push(Access::ReadBarrier);
    }

    fn write_barrier(&self) {
        self.log.borrow_mut().push(Access::WriteBarrier);
    }
}
