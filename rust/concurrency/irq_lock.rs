// SPDX-License-Identifier: GPL-2.0

//! A spinlock that is held with local interrupts off, so that interrupt handlers can take it too.
//!
//! The kernel crate's `SpinLock` leaves interrupts alone and deadlocks when a handler takes it on
//! the processor that holds it.
//!
//! Context: any. The holder is atomic and must not sleep. Lock order is up to the user; each lock
//! has the lockdep class of the place that made it.

use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ops::{
        Deref,
        DerefMut, //
    },
};
use kernel::{
    prelude::*,
    sync::LockClassKey,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// A value guarded by a spinlock that is held with local interrupts off.
#[pin_data]
pub struct IrqLock<T> {
    #[pin]
    lock: Opaque<bindings::spinlock_t>,
    #[pin]
    _pinned: PhantomPinned,
    value: UnsafeCell<T>,
}

// SAFETY: The lock may be taken from any thread; moving it moves the value, which is `Send`.
unsafe impl<T: Send> Send for IrqLock<T> {}

// SAFETY: The value is reached through `IrqGuard` alone, by one holder at a time.
unsafe impl<T: Send> Sync for IrqLock<T> {}

impl<T> IrqLock<T> {
    /// Returns an initialiser of a lock around `value`; see [`new_irq_lock!`](crate::new_irq_lock).
    ///
    /// Context: any.
    pub fn new(
        value: T,
        name: &'static CStr,
        key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes and does not move once initialised; the name
                // and the key live for ever.
                unsafe {
                    bindings::__spin_lock_init(slot, name.as_char_ptr(), key.as_ptr())
                }
            }),
            _pinned: PhantomPinned,
            value: UnsafeCell::new(value),
        })
    }

    /// Takes the lock; the guard releases it and restores the interrupt state.
    ///
    /// Context: any. Guards must be dropped in the reverse of the order in which they were taken,
    /// or the interrupt state is restored too early.
    #[inline]
    pub fn lock(&self) -> IrqGuard<'_, T> {
        // SAFETY: `new` initialised the lock, and `self` is pinned since.
        let flags = unsafe { bindings::concurrency_spin_lock_irqsave(self.lock.get()) };
        IrqGuard {
            lock: self,
            flags,
            _not_send: NotThreadSafe,
        }
    }
}

/// The right to use the value of an [`IrqLock`].
#[must_use = "the lock is released when the guard is dropped"]
pub struct IrqGuard<'a, T> {
    lock: &'a IrqLock<T>,
    flags: usize,
    _not_send: NotThreadSafe,
}

// SAFETY: A shared guard hands out `&T` alone.
unsafe impl<T: Sync> Sync for IrqGuard<'_, T> {}

impl<T> Deref for IrqGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: The guard holds the lock, hence nobody else has a reference to the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for IrqGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The guard holds the lock and is borrowed mutably, hence this is the only
        // reference to the value.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for IrqGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The guard was made by `lock` on this processor, which gave these flags.
        unsafe {
            bindings::concurrency_spin_unlock_irqrestore(self.lock.lock.get(), self.flags);
        }
    }
}

/// Returns an initialiser of an [`IrqLock`] with a lockdep class of its own: a value, and optionally a
/// name.
///
/// The name is in a static, like the key: a function with this macro may be compiled into several
/// crates, and lockdep wants one name for one key.
#[macro_export]
macro_rules! new_irq_lock {
    ($value:expr $(, $name:literal)? $(,)?) => {{
        static NAME: &::kernel::str::CStr = ::kernel::optional_name!($($name)?);
        $crate::IrqLock::new($value, NAME, ::kernel::static_lock_class!())
    }};
}
