// SPDX-License-Identifier: GPL-2.0

//! The processor that runs, for who uses it without a sleep.

use crate::bindings;

/// Returns whether something else wants the processor. Context: any.
#[inline]
pub fn is_wanted() -> bool {
    // SAFETY: The function has no preconditions.
    unsafe { bindings::concurrency_need_resched() }
}
