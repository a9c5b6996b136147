// SPDX-License-Identifier: GPL-2.0

//! What the endpoint was told to lie about.
//!
//! Locks: `rules`, a mutex; nothing is taken inside it. Context: process.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::Delta, //
};
use transport::Offset;

/// A word that keeps its value, whatever the protocol writes there.
#[derive(Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) offset: Offset,
    pub(crate) value: u32,
    /// Only while this is the command.
    pub(crate) opcode: Option<u8>,
}

/// A command that is answered late.
#[derive(Clone, Copy)]
pub(crate) struct Delay {
    pub(crate) opcode: u8,
    pub(crate) ms: u32,
}

/// All lies.
#[pin_data]
pub(crate) struct Lies {
    #[pin]
    rules: Mutex<Rules>,
}

struct Rules {
    holds: KVec<Hold>,
    delays: KVec<Delay>,
    churned: KVec<Offset>,
    is_stalled: bool,
}

impl Rules {
    const NONE: Self = Self {
        holds: KVec::new(),
        delays: KVec::new(),
        churned: KVec::new(),
        is_stalled: false,
    };
}

impl Lies {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let lies = pin_init!(Self {
            rules <- new_mutex!(Rules::NONE, "pci_epf_forger::Lies::rules"),
        });
        Arc::pin_init(lies, GFP_KERNEL)
    }

    pub(crate) fn hold(&self, hold: Hold) -> Result {
        Ok(self.rules.lock().holds.push(hold, GFP_KERNEL)?)
    }

    pub(crate) fn delay(&self, delay: Delay) -> Result {
        Ok(self.rules.lock().delays.push(delay, GFP_KERNEL)?)
    }

    pub(crate) fn churn(&self, offset: Offset) -> Result {
        Ok(self.rules.lock().churned.push(offset, GFP_KERNEL)?)
    }

    /// Leaves all buffers where they are from now on.
    pub(crate) fn stall(&self) {
        self.rules.lock().is_stalled = true;
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.rules.lock().is_stalled
    }

    pub(crate) fn forget(&self) {
        let old = core::mem::replace(&mut *self.rules.lock(), Rules::NONE);
        drop(old);
    }

    /// Returns what is shown at `offset` instead of `truth` while `opcode` is the command; of
    /// several lies the last one counts.
    pub(crate) fn shown(&self, offset: Offset, truth: u32, opcode: u8) -> u32 {
        let applies = |hold: &&Hold| {
            hold.offset == offset && hold.opcode.is_none_or(|wanted| wanted == opcode)
        };
        let rules = self.rules.lock();
        let hold = rules.holds.iter().rev().find(applies);
        hold.map_or(truth, |hold| hold.value)
    }

    /// Returns how much later `opcode` is answered.
    pub(crate) fn delay_of(&self, opcode: u8) -> Option<Delta> {
        let rules = self.rules.lock();
        let delay = rules.delays.iter().find(|delay| delay.opcode == opcode)?;
        Some(Delta::from_millis(delay.ms.into()))
    }

    /// Calls `change` with the words that change all the time; returns whether there are any.
    pub(crate) fn each_churned(&self, mut change: impl FnMut(Offset)) -> bool {
        let rules = self.rules.lock();
        rules.churned.iter().for_each(|offset| change(*offset));
        !rules.churned.is_empty()
    }
}
