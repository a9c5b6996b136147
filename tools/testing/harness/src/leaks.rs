// SPDX-License-Identifier: GPL-2.0
//! What debug kernels have to be asked for: memory that nothing points to any more.

use std::time::Duration;

use anyhow::{ensure, Result};

use crate::guest::Guest;
use crate::runner::{Bench, Case};

/// For a scan, which reads all memory that is in use.
const SCAN_BOUND: Duration = Duration::from_secs(60);

/// Scans twice: an object is reported when its contents are the same in two scans, and when it is
/// five seconds old (MSECS_MIN_AGE in the kernel's mm/kmemleak.c).
const SCANS: &str =
    "echo scan >/sys/kernel/debug/kmemleak; sleep 5; echo scan >/sys/kernel/debug/kmemleak";

/// What is reported of an object: size, the process that made it, and from where. 1: no line is left.
const REPORTS: &str = "grep -Ev 'hex dump|^    [0-9a-f]{2} |kmemleak_alloc|slab_post_alloc' /sys/kernel/debug/kmemleak || [ $? -eq 1 ]";

/// How many lines of the reports a message has.
const SHOWN: usize = 40;

/// The last case of a suite.
pub fn case<B: Bench>() -> Case<B> {
    Case {
        name: "leaks",
        about: "nothing is left that nothing points to",
        run: |bench, _| bench.guests().into_iter().try_for_each(find),
    }
}

/// Fails when a machine has memory that nothing points to, or gave up to look at locks, as it does
/// after what it reports about them.
pub fn find(guest: &mut Guest) -> Result<()> {
    guest.sh_within(SCAN_BOUND, SCANS)?;
    let reports = guest.sh(REPORTS)?;
    let side = guest.side();
    ensure!(
        reports.is_empty(),
        "{side}: kmemleak reports\n{}",
        reports.lines().take(SHOWN).collect::<Vec<_>>().join("\n")
    );
    guest
        .sh("grep 'debug_locks: *1' /proc/lockdep_stats")
        .map(drop)
}
