// SPDX-License-Identifier: GPL-2.0

//! Workqueues: one of one's own, or the system's.

use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// A workqueue.
///
/// # Invariants
///
/// `ptr` is a workqueue that lives as long as this object, which owns it if `is_own`.
pub struct Queue {
    ptr: NonNull<bindings::workqueue_struct>,
    is_own: bool,
}

// SAFETY: A workqueue may be used and destroyed by any thread.
unsafe impl Send for Queue {}

// SAFETY: A workqueue has its own locks.
unsafe impl Sync for Queue {}

impl Queue {
    /// Makes a workqueue for data paths; `name` is that of its rescuer thread.
    ///
    /// It is unbound, because the processor that takes the interrupts should not do all the work,
    /// of high priority, and has a rescuer (`WQ_MEM_RECLAIM`), because a block device must make
    /// progress when memory is short.
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
            is_own: true,
        })
    }

    /// Returns the system's unbound workqueue, for what is rare and not urgent.
    ///
    /// Context: any.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the system has none yet.
    pub fn system() -> Result<Self> {
        // SAFETY: The variable is set while the kernel boots and not changed later.
        let ptr = unsafe { bindings::system_dfl_wq };
        // INVARIANT: The system's workqueues are never destroyed.
        Ok(Self {
            ptr: NonNull::new(ptr).ok_or(ENODEV)?,
            is_own: false,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::workqueue_struct {
        self.ptr.as_ptr()
    }
}

impl Drop for Queue {
    /// Destroys the workqueue. Context: process.
    fn drop(&mut self) {
        if self.is_own {
            // SAFETY: The object owns the workqueue; each `Worker` keeps its queue, so none is left.
            unsafe { bindings::destroy_workqueue(self.as_ptr()) }
        }
    }
}
