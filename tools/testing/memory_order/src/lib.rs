// SPDX-License-Identifier: GPL-2.0
//! Memory that two processors share, for `rust/virtio` and `rust/transport` to run on under loom.
//!
//! Each word is a relaxed atomic, a copy is one access per word in order, and barriers are fences of C11:
//! so loom lets each load return every value that hardware may give. A side may lack one of its
//! barriers, which must be noticed: a check that cannot fail proves nothing.

pub mod area;
pub mod push;
pub mod words;

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
};

use loom::sync::atomic::fence;

/// Which barrier one side leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// None: as shipped.
    Nothing,
    /// Read barriers.
    Read,
    /// Write barriers.
    Write,
    /// Full barriers.
    Full,
}

impl Missing {
    /// Lets no later read pass an earlier read.
    pub fn read_barrier(self) {
        if self != Self::Read {
            fence(Ordering::Acquire);
        }
    }

    /// Lets no later write pass an earlier write.
    pub fn write_barrier(self) {
        if self != Self::Write {
            fence(Ordering::Release);
        }
    }

    /// Lets no later access pass an earlier access.
    pub fn full_barrier(self) {
        if self != Self::Full {
            fence(Ordering::SeqCst);
        }
    }
}

/// Preemptions of one interleaving. All faults of two processors that share a few words show with fewer;
/// without a bound the checks take hours.
const PREEMPTIONS: usize = 3;

/// Whether a check holds under all interleavings; the first under which it does not ends it.
///
/// # Panics
///
/// As the check does.
pub fn holds(check: impl Fn() -> bool + Sync + Send + 'static) -> bool {
    let has_failed = Arc::new(AtomicBool::new(false));
    let failed = has_failed.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    // Accesses of one interleaving; those that set up a BAR are the most.
    builder.max_branches = 100_000;
    let all = panic::catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            if !check() {
                failed.store(true, Ordering::Relaxed);
                panic!("the check does not hold");
            }
        });
    }));
    match all {
        Ok(()) => true,
        Err(_) if has_failed.load(Ordering::Relaxed) => false,
        Err(other) => panic::resume_unwind(other),
    }
}
