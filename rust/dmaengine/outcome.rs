// SPDX-License-Identifier: GPL-2.0

//! How a transfer that an engine has ends.
//!
//! Context: any, but for [`Outcome::wait`]. No locks: the callback says how it was, and ends the wait.

use crate::bindings;
use concurrency::Event;
use kernel::{
    ffi::c_void,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Delta, //
};

/// How long a transfer may take: a thousand times what 128 KiB take at 250 MB/s, the least of PCIe.
const TRANSFER: Delta = Delta::from_millis(1000);

/// What waits for the callback of a transfer.
#[pin_data]
pub(crate) struct Outcome {
    #[pin]
    ended: Event,
    /// Everything was moved.
    is_whole: Atomic<bool>,
}

impl Outcome {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let outcome = pin_init!(Self {
            ended <- Event::new(),
            is_whole: Atomic::new(false),
        });
        Arc::pin_init(outcome, GFP_KERNEL)
    }

    /// Begins with a transfer, which has not been issued; no callback of another one is to come.
    pub(crate) fn begin(&self) {
        self.ended.reset();
    }

    /// Waits for the callback, without a sleep at first, for `poll`. Returns whether everything was moved, if it came in
    /// time. Context: process.
    pub(crate) fn wait(&self, poll: Delta) -> Option<bool> {
        let has_ended = self.ended.poll_for(poll) || self.ended.wait_for(TRANSFER);
        // ORDERING: Whoever sees the event sees what was stored before it.
        has_ended.then(|| self.is_whole.load(Relaxed))
    }

    /// Returns whether everything was moved, if the callback has come.
    pub(crate) fn result(&self) -> Option<bool> {
        let has_ended = self.ended.poll_for(Delta::ZERO);
        has_ended.then(|| self.is_whole.load(Relaxed))
    }

    /// What the callback is given.
    pub(crate) fn param(self: &Arc<Self>) -> *mut c_void {
        Arc::as_ptr(self).cast_mut().cast()
    }

    fn end(&self, result: &bindings::dmaengine_result) {
        let is_whole =
            result.result == bindings::dmaengine_tx_result_DMA_TRANS_NOERROR && result.residue == 0;
        self.is_whole.store(is_whole, Relaxed);
        self.ended.signal();
    }

    /// The callback.
    ///
    /// # Safety
    ///
    /// `param` must be [`param`](Self::param) of an outcome that exists, `result` null or valid.
    pub(crate) unsafe extern "C" fn ended(
        param: *mut c_void,
        result: *const bindings::dmaengine_result,
    ) {
        // SAFETY: By the requirements of this function.
        let (outcome, result) = unsafe { (&*param.cast::<Self>(), result.as_ref()) };
        // Drivers that have no result to tell give one that says so; the framework never gives null.
        if let Some(result) = result {
            outcome.end(result);
        }
    }
}

#[kunit_tests(dmaengine_outcome)]
mod tests {
    use super::*;

    #[test]
    fn the_callback_tells_what_was_moved() -> Result {
        let outcome = Outcome::new()?;
        for (result, residue, is_whole) in [
            (bindings::dmaengine_tx_result_DMA_TRANS_NOERROR, 0, true),
            (bindings::dmaengine_tx_result_DMA_TRANS_NOERROR, 1, false),
            (
                bindings::dmaengine_tx_result_DMA_TRANS_READ_FAILED,
                0,
                false,
            ),
        ] {
            outcome.begin();
            assert_eq!(outcome.result(), None);
            outcome.end(&bindings::dmaengine_result { result, residue });
            assert_eq!(outcome.wait(Delta::ZERO), Some(is_whole));
            assert_eq!(outcome.result(), Some(is_whole));
        }
        Ok(())
    }
}
