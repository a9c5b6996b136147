// SPDX-License-Identifier: GPL-2.0

//! Which transfers of a channel failed last.
//!
//! The framework knows of a cookie only that its transfer has ended; clients without a callback that
//! takes a result ask for `DMA_ERROR`.

use kernel::prelude::*;

/// How many failures are remembered: clients ask when the callback runs, or wait for one transfer.
pub(super) const FAILURES: usize = 16;

/// The cookies of the transfers that failed last.
#[derive(Default)]
pub(super) struct Failures {
    /// Cookies are above 0, so 0 is none.
    cookies: [i32; FAILURES],
    next: usize,
}

impl Failures {
    pub(super) fn add(&mut self, cookie: i32) {
        if let Some(slot) = self.cookies.get_mut(self.next) {
            *slot = cookie;
        }
        self.next = (self.next + 1) % FAILURES;
    }

    pub(super) fn contains(&self, cookie: i32) -> bool {
        cookie > 0 && self.cookies.contains(&cookie)
    }
}

#[kunit_tests(virt_dma_failures)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered() {
        let mut failures = Failures::default();
        assert!(!failures.contains(0));
        assert!(!failures.contains(2));
        for cookie in 2..2 + FAILURES as i32 {
            failures.add(cookie);
        }
        assert!(failures.contains(2));
        assert!(failures.contains(1 + FAILURES as i32));
        failures.add(i32::MAX);
        assert!(!failures.contains(2));
        assert!(failures.contains(3));
        assert!(failures.contains(i32::MAX));
    }
}
