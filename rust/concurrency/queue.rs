// SPDX-License-Identifier: GPL-2.0

//! A workqueue of one's own.

use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// A workqueue for data paths: unbound, of high priority, with a rescuer.
///
/// Unbound, because the processor that takes the interrupts should not do all the work; with a
/// rescuer (`WQ_MEM_RECLAIM`), because a block device must make progress when memory is short.
///
/// # Invariants
///
/// `ptr` is a workqueue that this object owns.
pub struct Queue {
    ptr: NonNull<bindings::workqueue_struct>,
}

// SAFETY: A workqueue may be used and destroyed by any thread.
unsafe impl Send for Queue {}

// SAFETY: A workqueue has its own locks.
unsafe impl Sync for Queue {}

impl Queue {
    /// Makes a workqueue; `name` is that of its rescuer thread.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the workqueue could not be allocated.
    pub fn new(name: &CStr) -> Result<Self> {
        const FLAGS: bindings::wq_flags = bindings::wq_flags_WQ_UNBOUND
            | bindings::wq_flags_WQ_HIGHPRI
            | bindings::wq_flags_WQ_MEM_RECLAIM;

        // SAFETY: The format takes one C string, and `name` is one.
        let ptr = unsafe {
            bindings::alloc_workqueue_noprof(c"%s".as_char_ptr(), FLAGS, 0, name.as_char_ptr())
        };
        // INVARIANT: A workqueue just allocated belongs to the caller.
        Ok(Self {
            ptr: NonNull::new(ptr).ok_or(ENOMEM)?,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::workqueue_struct {
        self.ptr.as_ptr()
    }
}

impl Drop for Queue {
    /// Waits for the work on the queue and destroys it. Context: process.
    fn drop(&mut self) {
        // SAFETY: The object owns the workqueue; each `Worker` keeps its queue, so none is left.
        unsafe { bindings::destroy_workqueue(self.as_ptr()) }
    }
}
