// SPDX-License-Identifier: GPL-2.0

//! What user space is told about a device.
//!
//! C header: `include/linux/kobject.h`.

use crate::{
    bindings,
    vectors::as_raw, //
};
use core::ptr;
use kernel::{
    error::to_result,
    pci,
    prelude::*, //
};

/// Sends an event `change` of `pdev`; `variable`, as in `c"NAME=value"`, says what changed.
///
/// Context: process; sleeps.
///
/// # Errors
///
/// `ENOMEM`: no memory.
pub fn tell_change(pdev: &pci::Device, variable: &'static CStr) -> Result {
    let mut variables = [variable.as_char_ptr().cast_mut(), ptr::null_mut()];
    // SAFETY: The device is valid and was registered, so its kobject is in a kset. The array ends with null,
    // and the strings in it are only read.
    to_result(unsafe {
        bindings::kobject_uevent_env(
            &raw mut (*as_raw(pdev)).dev.kobj,
            bindings::kobject_action_KOBJ_CHANGE,
            variables.as_mut_ptr(),
        )
    })
}
