// SPDX-License-Identifier: GPL-2.0

//! The workspace of a backend's queue, `virtio::ring::Batch`, in kernel memory.
//!
//! The crate `virtio` is pure and cannot allocate, and a batch is larger than a kernel stack.

use kernel::prelude::*;
use virtio::ring::Batch;

/// Makes an empty batch. Context: process.
///
/// # Errors
///
/// `ENOMEM`: no memory.
pub fn new() -> Result<KBox<Batch>> {
    let batch = KBox::<Batch>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: The memory is all zeroes, of which `Batch` guarantees that it is an empty batch.
    Ok(unsafe { batch.assume_init() })
}
