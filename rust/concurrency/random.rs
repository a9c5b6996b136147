// SPDX-License-Identifier: GPL-2.0

//! Random numbers, for what must differ from whatever there was before, a reboot included.

use crate::bindings;

/// Returns a random number. Context: any.
pub fn random_u32() -> u32 {
    // SAFETY: The function has no preconditions.
    unsafe { bindings::get_random_u32() }
}
