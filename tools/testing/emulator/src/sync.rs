// SPDX-License-Identifier: GPL-2.0
//! Locks of this process.
//!
//! Lock order, outermost first; a thread that holds one takes only those after it:
//!
//! 1. `controller::Controller` registers (EP thread only)
//! 2. `controller::dma` channel, held while it moves one chunk
//! 3. `endpoint::Endpoint` link
//! 4. `function::Function` state, of one function at a time
//! 5. `controller::dma` gates, held for reading while a chunk crosses the link
//! 6. `memory::GuestMemory` mappings
//! 7. `controller::outbound` state
//! 8. leaves: `controller::interrupt`, the send side of a socket, `trace`, `faults`
//!
//! Nobody waits for a virtual machine monitor while holding any of them. An RC thread may wait for
//! the EP's monitor (pages of the window), the EP thread waits for no monitor at all: this
//! is what keeps two monitors which hold their own big locks from waiting for each other.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Takes a mutex; data behind a poisoned one is as good as its last complete statement, and the
/// thread that panicked has reported already.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock for reading; see [`lock`].
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock for writing; see [`lock`].
pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
