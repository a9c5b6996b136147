// SPDX-License-Identifier: GPL-2.0

//! The clock of the protocol. Context: any.

use kernel::time::{
    Instant,
    Monotonic, //
};

/// A clock that never goes back.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant<Monotonic>);

impl Clock {
    /// A clock that begins at 0.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// Returns the time in milliseconds.
    pub(crate) fn now_ms(self) -> u64 {
        self.0.elapsed().as_millis().try_into().unwrap_or(0)
    }
}
