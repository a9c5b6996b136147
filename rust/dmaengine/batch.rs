// SPDX-License-Identifier: GPL-2.0

//! The pieces of a transfer that an engine has, and how they ended.
//!
//! Context: any, but for [`Batch::wait`]. No locks: each callback says its piece, and the last one ends the wait.

use crate::bindings;
use concurrency::Event;
use kernel::{
    ffi::c_void,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
    time::Delta, //
};

/// How long a transfer may take: a thousand times what 128 KiB take at 250 MB/s, the least of PCIe.
const TRANSFER: Delta = Delta::from_millis(1000);

/// What waits for the callbacks of a transfer.
#[pin_data]
pub(crate) struct Batch {
    #[pin]
    ended: Event,
    /// Pieces whose callbacks are to come.
    left: Atomic<u32>,
    /// Pieces that were not moved, or not wholly.
    failed: Atomic<u32>,
}

impl Batch {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let batch = pin_init!(Self {
            ended <- Event::new(),
            left: Atomic::new(0),
            failed: Atomic::new(0),
        });
        Arc::pin_init(batch, GFP_KERNEL)
    }

    /// Begins with `count` pieces, which have not been issued; no callback of others is to come.
    pub(crate) fn begin(&self, count: u32) {
        self.ended.reset();
        self.failed.store(0, Relaxed);
        self.left.store(count, Relaxed);
    }

    /// Waits for the last callback, without a sleep at first, for `poll`; returns whether it came in time. Context:
    /// process.
    pub(crate) fn wait(&self, poll: Delta) -> bool {
        self.ended.poll_for(poll) || self.ended.wait_for(TRANSFER)
    }

    /// Returns whether the last callback has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.left.load(Relaxed) == 0
    }

    /// Returns whether all that ended have moved everything.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.failed.load(Relaxed) == 0
    }

    /// What callbacks are given.
    pub(crate) fn param(self: &Arc<Self>) -> *mut c_void {
        Arc::as_ptr(self).cast_mut().cast()
    }

    fn end_one(&self, result: &bindings::dmaengine_result) {
        let is_whole =
            result.result == bindings::dmaengine_tx_result_DMA_TRANS_NOERROR && result.residue == 0;
        if !is_whole {
            self.failed.add(1, Relaxed);
        }
        // ORDERING: Whoever sees that none is left sees what each of them had to say.
        if self.left.fetch_sub(1, Full) == 1 {
            self.ended.signal();
        }
    }

    /// The callback of each piece.
    ///
    /// # Safety
    ///
    /// `param` must be [`param`](Self::param) of a batch that exists, `result` null or valid.
    pub(crate) unsafe extern "C" fn ended(
        param: *mut c_void,
        result: *const bindings::dmaengine_result,
    ) {
        // SAFETY: By the requirements of this function.
        let (batch, result) = unsafe { (&*param.cast::<Self>(), result.as_ref()) };
        // Drivers that have no result to tell give one that says so; the framework never gives null.
        if let Some(result) = result {
            batch.end_one(result);
        }
    }
}

#[kunit_tests(dmaengine_batch)]
mod tests {
    use super::*;

    fn result(result: u32, residue: u32) -> bindings::dmaengine_result {
        bindings::dmaengine_result { result, residue }
    }

    #[test]
    fn the_last_piece_ends_it() -> Result {
        let batch = Batch::new()?;
        batch.begin(2);
        let moved = result(bindings::dmaengine_tx_result_DMA_TRANS_NOERROR, 0);
        batch.end_one(&moved);
        assert!(!batch.has_ended());
        batch.end_one(&moved);
        assert!(batch.has_ended() && batch.wait(Delta::ZERO) && batch.has_succeeded());
        Ok(())
    }

    #[test]
    fn one_piece_that_failed_is_enough() -> Result {
        let batch = Batch::new()?;
        for failed in [
            result(bindings::dmaengine_tx_result_DMA_TRANS_READ_FAILED, 0),
            result(bindings::dmaengine_tx_result_DMA_TRANS_NOERROR, 1),
        ] {
            batch.begin(2);
            batch.end_one(&failed);
            batch.end_one(&result(bindings::dmaengine_tx_result_DMA_TRANS_NOERROR, 0));
            assert!(batch.has_ended() && !batch.has_succeeded());
        }
        batch.begin(1);
        assert!(batch.has_succeeded() && !batch.has_ended());
        Ok(())
    }
}
