// SPDX-License-Identifier: GPL-2.0

//! A handler of one interrupt line, from request to free.
//!
//! Drivers get one from [`Vectors`](crate::Vectors); a [`Registration`] is for crates that wrap other
//! sources of interrupt numbers.

use crate::{
    bindings,
    vectors::Allocation, //
};
use core::marker::PhantomPinned;
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    irq::IrqReturn,
    prelude::*,
    str::{
        CStr,
        CString, //
    },
    sync::Arc, //
};

/// A requested interrupt; dropping it frees it and waits until its handler no longer runs.
///
/// Process context. The handler itself must not drop it: it would wait for itself.
pub struct IrqHandler {
    allocation: Arc<Allocation>,
    index: u32,
    irq: u32,
}

impl IrqHandler {
    pub(crate) fn new(allocation: Arc<Allocation>, index: u32, irq: u32) -> Self {
        Self {
            allocation,
            index,
            irq,
        }
    }

    /// Returns the Linux interrupt number.
    pub fn irq(&self) -> u32 {
        self.irq
    }

    /// Waits until no call of the handler that began earlier is running.
    pub fn synchronize(&self) {
        // SAFETY: Any number may be given; one that is unused has nothing to wait for.
        unsafe { bindings::synchronize_irq(self.irq) };
    }
}

impl Drop for IrqHandler {
    fn drop(&mut self) {
        self.allocation.free(self.index);
    }
}

/// Where a handler runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// In the interrupt itself.
    Hard,
    /// In a kernel thread that the interrupt wakes.
    Thread,
}

/// What is called when the interrupt fires.
pub type Handler = KBox<dyn Fn() -> IrqReturn + Send + Sync>;

/// A requested interrupt and all that the interrupt core was given pointers to.
///
/// # Invariants
///
/// `irq` was requested with `self` as the cookie, and is freed by nobody else.
#[pin_data(PinnedDrop)]
pub struct Registration {
    irq: u32,
    name: CString,
    handler: Handler,
    #[pin]
    _pin: PhantomPinned,
}

impl Registration {
    /// Requests `irq`; `shared` says that others may use the line as well.
    ///
    /// # Safety
    ///
    /// The interrupt number must remain allocated until the registration is dropped.
    pub unsafe fn new<'a>(
        irq: u32,
        name: &'a CStr,
        context: Context,
        shared: bool,
        handler: Handler,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(&this in Self {
            irq,
            name: CString::try_from(name)?,
            handler,
            _pin: PhantomPinned,
            // INVARIANT: The last step; when it fails, `Self` does not come into being.
            _: {
                // SAFETY: All fields are initialised above, in their final place.
                unsafe { Self::request(this.as_ptr(), context, shared)? }
            },
        })
    }

    /// # Safety
    ///
    /// `this` must be initialised, and be pinned and valid until the interrupt is freed.
    unsafe fn request(this: *mut Self, context: Context, shared: bool) -> Result {
        let callback: bindings::irq_handler_t = Some(Self::callback);
        let (primary, thread, flags) = match context {
            Context::Hard => (callback, None, 0),
            Context::Thread => (None, callback, bindings::IRQF_ONESHOT),
        };
        let shared = if shared { bindings::IRQF_SHARED } else { 0 };
        // SAFETY: By the requirements of this function the name lives as long as the request, and
        // the cookie is a valid `Self` whenever `callback` is called.
        to_result(unsafe {
            bindings::request_threaded_irq(
                (*this).irq,
                primary,
                thread,
                (flags | shared) as c_ulong,
                (*this).name.as_char_ptr(),
                this.cast(),
            )
        })
    }

    /// # Safety
    ///
    /// `cookie` must be a live registration; the interrupt core calls this with the cookie that
    /// [`Registration::request`] gave it, and not after `free_irq()` returned.
    unsafe extern "C" fn callback(_irq: c_int, cookie: *mut c_void) -> c_uint {
        // SAFETY: By the requirements of this function.
        let this = unsafe { &*cookie.cast::<Self>() };
        (this.handler)() as c_uint
    }
}

#[pinned_drop]
impl PinnedDrop for Registration {
    fn drop(self: Pin<&mut Self>) {
        let cookie = core::ptr::from_ref(&*self).cast_mut().cast();
        // SAFETY: By the type invariant, `irq` was requested with this cookie. `free_irq()` waits
        // for running handlers, so the fields may be dropped after it.
        unsafe { bindings::free_irq(self.irq, cookie) };
    }
}
