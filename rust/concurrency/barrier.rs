// SPDX-License-Identifier: GPL-2.0

//! Barriers that order accesses as a device sees them.
//!
//! `kernel::sync::barrier` has the `smp_*` ones, which order accesses as other processors see them:
//! they are nothing on a single processor and too weak towards devices on arm64. The rules are
//! those of Documentation/memory-barriers.txt, section "Kernel memory barriers". All functions may
//! be called from any context.

use crate::bindings;

/// Orders all earlier accesses before all later ones, memory and I/O alike.
#[inline]
pub fn mb() {
    // SAFETY: A barrier has no preconditions.
    unsafe { bindings::concurrency_mb() }
}

/// Orders all earlier reads before all later ones, memory and I/O alike.
#[inline]
pub fn rmb() {
    // SAFETY: A barrier has no preconditions.
    unsafe { bindings::concurrency_rmb() }
}

/// Orders all earlier writes before all later ones, memory and I/O alike.
#[inline]
pub fn wmb() {
    // SAFETY: A barrier has no preconditions.
    unsafe { bindings::concurrency_wmb() }
}

/// Orders reads of coherent memory that a device writes.
#[inline]
pub fn dma_rmb() {
    // SAFETY: A barrier has no preconditions.
    unsafe { bindings::concurrency_dma_rmb() }
}

/// Orders writes of coherent memory that a device reads.
#[inline]
pub fn dma_wmb() {
    // SAFETY: A barrier has no preconditions.
    unsafe { bindings::concurrency_dma_wmb() }
}
