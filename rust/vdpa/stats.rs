// SPDX-License-Identifier: GPL-2.0

//! What a driver counts of a virtqueue: `vdpa dev vstats show NAME qidx N`.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A message to the user that takes names with numbers.
///
/// # Invariants
///
/// `message` is the message of a `get_vendor_vq_stats` that has not returned.
pub struct VendorStats {
    message: *mut bindings::sk_buff,
}

impl VendorStats {
    /// # Safety
    ///
    /// `message` must be the argument of `get_vendor_vq_stats`, and the result must not outlive the
    /// call.
    pub(crate) unsafe fn from_raw(message: *mut bindings::sk_buff) -> Self {
        // INVARIANT: The caller's promise.
        Self { message }
    }

    /// Adds a number with its name.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the message is full.
    pub fn put(&mut self, name: &CStr, value: u64) -> Result {
        // SAFETY: The message is valid by the type invariant, and the name is copied into it.
        to_result(unsafe {
            bindings::vdpa_put_vendor_stat(self.message, name.as_char_ptr(), value)
        })
    }
}
