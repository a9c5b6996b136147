// SPDX-License-Identifier: GPL-2.0
//! Waiting for what the endpoint has promised.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};

/// For anything that the endpoint does without a bound in the protocol: requests, packets, stops of
/// queues. It takes milliseconds; a machine that is busy elsewhere gets much longer.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks.
const PAUSE: Duration = Duration::from_micros(200);

/// Looks until there is something.
pub fn wait_for<T>(what: &str, bound: Duration, look: impl FnMut() -> Option<T>) -> Result<T> {
    match watch_for(bound, look) {
        Some(found) => Ok(found),
        None => bail!("{what} did not come within {} s", bound.as_secs()),
    }
}

/// Looks until there is something, or the time is over.
pub fn watch_for<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(PAUSE);
    }
}
