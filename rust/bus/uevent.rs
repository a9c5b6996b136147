// SPDX-License-Identifier: GPL-2.0

//! What user space is told about a device.

use crate::{
    bindings,
    device::Node,
    Bus, //
};
use core::{
    fmt,
    marker::PhantomData,
    ptr, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    ffi,
    prelude::*,
};

/// The variables of an event that is being put together.
///
/// # Invariants
///
/// `raw` is valid for `'a`.
pub struct Uevent<'a> {
    raw: *mut bindings::kobj_uevent_env,
    _raw: PhantomData<&'a mut bindings::kobj_uevent_env>,
}

impl Uevent<'_> {
    /// Adds a variable, e.g. `fmt!("MODALIAS=vhost:d{:08X}", id)`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the event has no room.
    pub fn add(&mut self, variable: fmt::Arguments<'_>) -> Result {
        // SAFETY: `raw` is valid by the type invariant; "%pA" takes a pointer to `fmt::Arguments`.
        to_result(unsafe {
            bindings::add_uevent_var(
                self.raw,
                c"%pA".as_char_ptr(),
                ptr::from_ref(&variable).cast::<ffi::c_void>(),
            )
        })
    }
}

/// # Safety
///
/// Called by the driver core with a device of the bus `B` and an event of its own.
pub(crate) unsafe extern "C" fn uevent<B: Bus>(
    device: *const bindings::device,
    raw: *mut bindings::kobj_uevent_env,
) -> ffi::c_int {
    // SAFETY: A device of this bus is a `Node<B>`.
    let identity = unsafe { Node::<B>::identity(device) };
    // INVARIANT: The event is valid for this call.
    let mut event = Uevent {
        raw,
        _raw: PhantomData,
    };
    from_result(|| B::uevent(identity, &mut event).map(|()| 0))
}
