// SPDX-License-Identifier: GPL-2.0

//! How often the worker looks: without a pause while there is something to do, ever less often
//! afterwards, but never less often than the protocol says.

use kernel::{
    prelude::kunit_tests,
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
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
    /// A pace that begins at `now` with a busy time of `busy`.
    pub(crate) fn new(busy: Delta, now: Instant<Monotonic>) -> Self {
        Self {
            busy,
            last_active: now,
            pause: FIRST_PAUSE,
        }
    }

    /// There was something to do at `now`.
    pub(crate) fn active(&mut self, now: Instant<Monotonic>) {
        *self = Self::new(self.busy, now);
    }

    /// Returns how long to pause at `now`, before the next look.
    pub(crate) fn next(&mut self, now: Instant<Monotonic>) -> Delta {
        if now - self.last_active < self.busy {
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

#[kunit_tests(pci_epf_vhost_pace)]
mod tests {
    use super::*;

    const BUSY: Delta = Delta::from_micros(200);

    #[test]
    fn no_pause_while_busy() {
        let now = Instant::now();
        let mut pace = Pace::new(BUSY, now);
        assert!(pace.next(now).is_zero());
        assert!(pace.next(now + Delta::from_micros(199)).is_zero());
        assert!(!pace.next(now + BUSY).is_zero());
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let now = Instant::now();
        let mut pace = Pace::new(Delta::ZERO, now);
        let mut last = Delta::ZERO;
        for _ in 0..16 {
            let pause = pace.next(now);
            assert!(pause > last || pause == LONGEST_PAUSE);
            assert!(pause <= LONGEST_PAUSE);
            last = pause;
        }
        assert!(last == LONGEST_PAUSE);
    }

    #[test]
    fn activity_begins_anew() {
        let now = Instant::now();
        let mut pace = Pace::new(BUSY, now);
        let later = now + Delta::from_secs(1);
        for _ in 0..16 {
            pace.next(later);
        }
        pace.active(later);
        assert!(pace.next(later).is_zero());
        assert!(pace.next(later + BUSY) == FIRST_PAUSE);
    }
}
