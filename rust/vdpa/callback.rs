// SPDX-License-Identifier: GPL-2.0

//! The callbacks by which a device signals its user: one per virtqueue, one for the configuration.
//!
//! A callback is set from process context while interrupt handlers call the one before, so it sits
//! in a [`CallbackSlot`]. The slot's lock is held during the call: when [`CallbackSlot::set`] or
//! [`CallbackSlot::clear`] returns, the callback before is not running and will not be called.
//!
//! Lock order: a slot's lock is taken inside any lock of the driver, and the callback takes locks
//! of the virtio driver inside it. A driver's `kick_vq` may be called from the callback, thus must
//! not touch a slot.

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use crate::bindings;
use concurrency::{
    new_irq_lock,
    IrqLock, //
};
use core::ptr::NonNull;
use kernel::{
    ffi::c_void,
    prelude::*, //
};

/// What to call when a used buffer, or a change of the configuration, is to be signalled.
///
/// # Invariants
///
/// `function` may be called with `private`, from hard interrupt, soft interrupt and process
/// context, until the user of the device replaces the callback or resets the device.
pub struct Callback {
    function: unsafe extern "C" fn(*mut c_void) -> bindings::irqreturn_t,
    private: *mut c_void,
}

// SAFETY: By the type invariant the function may be called from any context, hence any thread.
unsafe impl Send for Callback {}

impl Callback {
    /// Returns the callback that `raw` describes, or `None` when the user wants none.
    ///
    /// The `trigger` is ignored: callers leave it uninitialised for the configuration callback,
    /// and an eventfd behind it is signalled by the function as well.
    ///
    /// # Safety
    ///
    /// `raw` must be the argument of `set_vq_cb` or `set_config_cb` of a `vdpa_config_ops`.
    pub(crate) unsafe fn from_raw(raw: NonNull<bindings::vdpa_callback>) -> Option<Self> {
        let raw = raw.as_ptr();
        // SAFETY: The caller passes a callback, the first two members of which are initialised.
        let (function, private) = unsafe { ((*raw).callback, (*raw).private) };
        // INVARIANT: This is what `struct vdpa_callback` promises to the device.
        function.map(|function| Self { function, private })
    }

    fn call(&self) {
        // The result tells an interrupt handler nothing: whether the interrupt was ours is known.
        //
        // SAFETY: Allowed by the type invariant.
        let _ = unsafe { (self.function)(self.private) };
    }
}

/// A place for a [`Callback`], from which it is called while others may replace it.
#[pin_data]
pub struct CallbackSlot {
    #[pin]
    state: IrqLock<State>,
}

/// What is in a slot.
#[derive(Default)]
struct State {
    callback: Option<Callback>,
    calls: u64,
    is_held: bool,
    /// A call was held back.
    is_owed: bool,
}

impl State {
    fn call(&mut self) {
        self.is_owed = self.is_held;
        if let Some(callback) = self.callback.as_ref().filter(|_| !self.is_held) {
            callback.call();
            self.calls = self.calls.wrapping_add(1);
        }
    }
}

impl CallbackSlot {
    /// Returns an initialiser of an empty slot.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_irq_lock!(State::default(), "vdpa::CallbackSlot"),
        })
    }

    /// Replaces the callback; when this returns, the one before is not called any more.
    ///
    /// Context: any, but not from a callback.
    pub fn set(&self, callback: Option<Callback>) {
        self.state.lock().callback = callback;
    }

    /// Takes the callback out; when this returns, it is not called any more.
    ///
    /// Context: any, but not from a callback.
    pub fn clear(&self) {
        self.set(None);
    }

    /// Calls the callback, if there is one.
    ///
    /// Context: hard interrupt, or with bottom halves off. Never from `kick_vq`: `vhost_vdpa` drops
    /// an event that is signalled from within another one.
    pub fn call(&self) {
        self.state.lock().call();
    }

    /// Holds calls back from now on; when this returns, the callback is not running.
    ///
    /// Context: any, but not from a callback.
    pub fn hold(&self) {
        self.state.lock().is_held = true;
    }

    /// Calls again, at once if a call was held back.
    ///
    /// Context: process, with interrupts on.
    pub fn release(&self) {
        let is_owed = {
            let mut state = self.state.lock();
            state.is_held = false;
            core::mem::take(&mut state.is_owed)
        };
        if is_owed {
            self.call_from_process();
        }
    }

    /// Returns how many calls were made, of all callbacks that were in here.
    ///
    /// Context: any, but not from a callback.
    pub fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// Calls the callback, if there is one, with bottom halves off as virtio drivers expect it;
    /// those it raises run before this returns.
    ///
    /// Context: process, with interrupts on.
    pub fn call_from_process(&self) {
        // SAFETY: May be called from process context; undone below.
        unsafe { bindings::vdpa_local_bh_disable() };
        self.call();
        // SAFETY: Undoes the above.
        unsafe { bindings::vdpa_local_bh_enable() };
    }
}
