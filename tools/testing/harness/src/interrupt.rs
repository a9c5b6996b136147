// SPDX-License-Identifier: GPL-2.0
//! Ctrl-C and bounded waits.
//!
//! A signal only sets a flag; every wait of the harness looks at it and ends with an error, so
//! that guards stop the processes that were started. A second signal ends the harness at once;
//! its processes follow, since they are tied to it (see `process`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;

/// Exit status after a second signal, as shells report SIGINT.
const STATUS_INTERRUPTED: i32 = 130;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Starts to listen for signals.
pub fn listen() -> Result<()> {
    let interrupted = INTERRUPTED.get_or_init(Default::default);
    for signal in TERM_SIGNALS {
        flag::register_conditional_shutdown(*signal, STATUS_INTERRUPTED, interrupted.clone())
            .and_then(|_| flag::register(*signal, interrupted.clone()))
            .context("cannot listen for signals")?;
    }
    Ok(())
}

/// Says whether the user asked to stop.
pub fn happened() -> bool {
    INTERRUPTED
        .get()
        .is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Fails when the user asked to stop.
pub fn check() -> Result<()> {
    if happened() {
        bail!("interrupted");
    }
    Ok(())
}

/// Waits until `look` finds something, at most for `bound`.
pub fn wait_for<T>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + bound;
    loop {
        check()?;
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("{what} did not happen within {} s", bound.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
}
