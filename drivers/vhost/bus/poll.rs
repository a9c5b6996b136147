// SPDX-License-Identifier: GPL-2.0

//! For how long a queue is looked at, when nothing is available, before the driver side is asked to kick.
//!
//! To look takes a processor, to be kicked takes an interrupt and a wake-up. So the time is fitted to what comes, as
//! KVM does for processors that halt (`virt/kvm/kvm_main.c`, `halt_poll_ns`): it grows while more comes a little later
//! than it lasted, and is nothing once more comes so late that looking was in vain.

use kernel::{
    prelude::kunit_tests,
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
};

/// The first time that is not nothing: about what an interrupt and a wake-up take.
const SHORTEST: Delta = Delta::from_micros(10);

/// How long to look, and what that is fitted to.
pub(crate) struct Poll {
    /// Nothing: never.
    longest: Delta,
    time: Delta,
    /// When there was nothing available any more.
    since: Option<Instant<Monotonic>>,
}

impl Poll {
    /// Returns one that looks for `longest` at most, and not at first.
    pub(crate) const fn new(longest: Delta) -> Self {
        Self {
            longest,
            time: Delta::ZERO,
            since: None,
        }
    }

    /// Nothing is available at `now`; returns how long to look for it.
    pub(crate) fn nothing(&mut self, now: Instant<Monotonic>) -> Delta {
        self.since.get_or_insert(now);
        self.time
    }

    /// Something is available; `now` is asked for the time if there was nothing before.
    pub(crate) fn something(&mut self, now: impl FnOnce() -> Instant<Monotonic>) {
        let Some(since) = self.since.take() else {
            return;
        };
        let waited = now() - since;
        if waited > self.longest {
            self.time = Delta::ZERO;
        } else if waited > self.time {
            self.time = self.longer();
        }
    }

    fn longer(&self) -> Delta {
        let doubled = self.time + self.time;
        let longer = if doubled > SHORTEST {
            doubled
        } else {
            SHORTEST
        };
        if longer < self.longest {
            longer
        } else {
            self.longest
        }
    }
}

#[kunit_tests(vhost_bus_poll)]
mod tests {
    use super::*;

    const LONGEST: Delta = Delta::from_micros(50);

    /// Has something come so long after nothing was there, and returns how long is looked next time.
    fn after(poll: &mut Poll, micros: i64) -> Delta {
        let now = Instant::now();
        poll.nothing(now);
        poll.something(|| now + Delta::from_micros(micros));
        let time = poll.nothing(now);
        poll.since = None;
        time
    }

    #[test]
    fn the_time_grows_while_more_comes_soon() {
        let mut poll = Poll::new(LONGEST);
        assert!(poll.nothing(Instant::now()).is_zero());
        poll.since = None;
        for expected in [10, 20, 40, 50, 50] {
            assert!(after(&mut poll, 50) == Delta::from_micros(expected));
        }
    }

    #[test]
    fn the_time_stays_while_it_is_enough() {
        let mut poll = Poll::new(LONGEST);
        assert!(after(&mut poll, 10) == SHORTEST);
        for _ in 0..3 {
            assert!(after(&mut poll, 10) == SHORTEST);
        }
        assert!(after(&mut poll, 11) == SHORTEST + SHORTEST);
    }

    #[test]
    fn nothing_is_looked_for_that_comes_late() {
        let mut poll = Poll::new(LONGEST);
        assert!(after(&mut poll, 50) == SHORTEST);
        assert!(after(&mut poll, 51).is_zero());
    }

    #[test]
    fn time_without_anything_counts_from_its_beginning() {
        let mut poll = Poll::new(LONGEST);
        let now = Instant::now();
        poll.nothing(now);
        poll.nothing(now + Delta::from_micros(45));
        poll.something(|| now + Delta::from_micros(55));
        assert!(poll.nothing(now).is_zero());
    }

    #[test]
    fn none_is_none() {
        let mut poll = Poll::new(Delta::ZERO);
        assert!(after(&mut poll, 0).is_zero());
        assert!(after(&mut poll, 1).is_zero());
    }
}
