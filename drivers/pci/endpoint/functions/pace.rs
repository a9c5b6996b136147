// SPDX-License-Identifier: GPL-2.0

//! How often the worker looks: without a pause while there is something to do, ever less often
//! afterwards, but never less often than the protocol says.

use kernel::time::{
    Delta,
    Instant,
    Monotonic, //
};
use transport::time::POLL_MS;

/// The first pause after a busy time, and what each further one is doubled from.
const FIRST_PAUSE: Delta = Delta::from_micros(50);

/// The longest pause (`POLL`), which is also the longest between two tries of an interrupt (V4).
const LONGEST_PAUSE: Delta = Delta::from_millis(POLL_MS as i64);

/// When to look next.
pub(crate) struct Pace {
    /// How long to go on without a pause.
    busy: Delta,
    last_active: Instant<Monotonic>,
    pause: Delta,
}

impl Pace {
    /// A pace that begins with a busy time of `busy`.
    pub(crate) fn new(busy: Delta) -> Self {
        Self {
            busy,
            last_active: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    /// There was something to do.
    pub(crate) fn active(&mut self) {
        *self = Self::new(self.busy);
    }

    /// Returns how long to pause before the next look.
    pub(crate) fn next(&mut self) -> Delta {
        if self.last_active.elapsed() < self.busy {
            return Delta::ZERO;
        }
        let pause = self.pause;
        let doubled = pause + pause;
        self.pause = if doubled < LONGEST_PAUSE {
            doubled
        } else {
            LONGEST_PAUSE
        };
        pause
    }
}
