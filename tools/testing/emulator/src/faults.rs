// SPDX-License-Identifier: GPL-2.0
//! Faults on request: what is to go wrong, and when.
//!
//! A [`Rule`] names a kind of transaction, how many to let pass, and what becomes of those after them.
//! Whoever carries a transaction out asks [`Faults::strike`] first. What is mapped is not seen, so rules
//! for that are refused. Errors that the RC's bus reports are another thing, see `link`.
//!
//! Locking: a leaf, held for no longer than a look at the rules. A delay is slept through in `strike`,
//! which must therefore be called without any lock.

mod rule;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::fabric::{Settings, WindowMode};
use crate::sync::lock;

pub use rule::{Effect, ParseEffectError, Rule, RuleError, Target};

/// Rules at most: so many that a script which never clears them is noticed.
const MAX_RULES: usize = 64;

/// A rule, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// Transactions that it was asked about.
    pub seen: u64,
    /// Transactions that it struck.
    pub struck: u64,
}

/// What is to go wrong in one emulator.
#[derive(Debug)]
pub struct Faults {
    bars_are_seen: bool,
    window_is_seen: bool,
    /// Whether there are rules, so that nobody takes a lock if not.
    any: AtomicBool,
    rules: Mutex<Vec<Progress>>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn new(settings: &Settings) -> Self {
        Self {
            bars_are_seen: settings.trap_bars,
            window_is_seen: settings.window_mode == WindowMode::Trapped,
            any: AtomicBool::new(false),
            rules: Mutex::default(),
        }
    }

    /// Adds a rule; earlier ones for the same transactions are used up first.
    ///
    /// # Errors
    ///
    /// See [`RuleError`].
    pub fn add(&self, rule: Rule) -> Result<(), RuleError> {
        rule.check()?;
        match rule.on {
            Target::BarRead | Target::BarWrite if !self.bars_are_seen => {
                return Err(RuleError::BarsAreMapped)
            }
            Target::WindowRead | Target::WindowWrite if !self.window_is_seen => {
                return Err(RuleError::WindowIsMapped)
            }
            _ => {}
        }
        let mut rules = lock(&self.rules);
        if rules.len() >= MAX_RULES {
            return Err(RuleError::TooMany(MAX_RULES));
        }
        rules.push(Progress {
            rule,
            seen: 0,
            struck: 0,
        });
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes all rules; what they delay already is still delayed.
    pub fn clear(&self) {
        let mut rules = lock(&self.rules);
        rules.clear();
        self.any.store(false, Ordering::Release);
    }

    /// The rules, and how far they have come.
    pub fn list(&self) -> Vec<Progress> {
        lock(&self.rules).clone()
    }

    /// Whether there are rules.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Says what becomes of a transaction that is about to be carried out; sleeps if it is late.
    pub fn strike(&self, target: Target) -> Option<Effect> {
        if !self.any() {
            return None;
        }
        let effect = self.next_effect(target)?;
        tracing::info!("Fault: {target} {effect}");
        match effect {
            Effect::Delay(time) => {
                thread::sleep(time);
                None
            }
            effect => Some(effect),
        }
    }

    fn next_effect(&self, target: Target) -> Option<Effect> {
        let mut rules = lock(&self.rules);
        let mut rules = rules.iter_mut();
        let active = rules.find(|progress| progress.rule.on == target && !progress.is_used_up())?;
        active.seen += 1;
        let strikes = active.seen > active.rule.skip;
        active.struck += u64::from(strikes);
        strikes.then_some(active.rule.effect)
    }
}

impl Progress {
    fn is_used_up(&self) -> bool {
        self.rule.count.is_some_and(|count| self.struck >= count)
    }
}
