// SPDX-License-Identifier: GPL-2.0

//! A direct transfer between memory and a file, which whoever started it does not wait for.
//!
//! No locks. The end of a transfer comes in any context: it stores the result, wakes the worker, and then says that
//! nothing of the transfer is used any more. So a worker that sees the result waits for no more than these lines.

use crate::{
    bindings,
    file::File, //
};
use concurrency::{
    Event,
    Worker, //
};
use core::ptr::NonNull;
use kernel::{
    ffi::c_long,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc, //
    },
    types::Opaque, //
};

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    FromFile,
    ToFile,
}

/// What stands for a result that is not there yet: no errno and no number of bytes.
const NONE_YET: isize = isize::MIN;

/// What a transfer returns whose end is told later.
const QUEUED: isize = -(bindings::EIOCBQUEUED as isize);

/// One transfer at a time.
///
/// # Invariants
///
/// While a transfer is under way, `inner.left` has not happened.
pub(crate) struct Transfer {
    inner: Pin<KBox<Inner>>,
}

/// What the file system and the callback use, at an address that does not change.
#[pin_data]
struct Inner {
    #[pin]
    iocb: Opaque<bindings::kiocb>,
    #[pin]
    memory: Opaque<bindings::kvec>,
    result: Atomic<isize>,
    /// Nobody else uses this any more.
    #[pin]
    left: Event,
    worker: Arc<Worker>,
}

// SAFETY: The `kiocb` and the `kvec` are used by `Transfer::start` and by what it starts, from any thread, and by no two
// at a time, as `left` tells; the rest is `Send` itself.
unsafe impl Send for Inner {}

// SAFETY: As above; the rest is `Sync` itself.
unsafe impl Sync for Inner {}

impl Transfer {
    /// Makes one that is not under way, whose end wakes `worker`.
    pub(crate) fn new(worker: &Arc<Worker>) -> Result<Self> {
        let inner = pin_init!(Inner {
            iocb: Opaque::uninit(),
            memory: Opaque::uninit(),
            result: Atomic::new(0),
            left <- Event::new(),
            worker: worker.clone(),
        });
        let inner = KBox::pin_init(inner, GFP_KERNEL)?;
        inner.left.signal();
        Ok(Self { inner })
    }

    /// Starts a transfer; the one before has ended. Context: process.
    ///
    /// # Safety
    ///
    /// Until [`wait`](Self::wait) returns, or this is dropped, `file` must stay open, and `memory` must be valid for
    /// reads and writes and used by nobody else.
    pub(crate) unsafe fn start(
        &mut self,
        file: &File,
        way: Way,
        offset: u64,
        memory: NonNull<[u8]>,
    ) -> Result {
        let offset = i64::try_from(offset)?;
        self.wait();
        let inner = &*self.inner;
        inner.left.reset();
        inner.result.store(NONE_YET, Release);
        let vec = bindings::kvec {
            iov_base: memory.as_ptr().cast(),
            iov_len: memory.len(),
        };
        // SAFETY: Nothing is under way, as `wait` has returned; so nobody else uses it.
        unsafe { inner.memory.get().write(vec) };
        // SAFETY: As above for the `kiocb`; both stay, pinned, until the callback was there, which `drop` waits for.
        // File and memory stay by the requirements of this function.
        let result = unsafe {
            file.start(
                inner.iocb.get(),
                way == Way::ToFile,
                offset,
                inner.memory.get(),
                Inner::ended,
            )
        };
        if result != QUEUED {
            inner.end(result);
        }
        Ok(())
    }

    /// Returns whether the transfer has ended, or none was started.
    pub(crate) fn has_ended(&self) -> bool {
        // ORDERING: Whoever sees the end sees the data. Pairs with the store in `Inner::end`.
        self.inner.result.load(Acquire) != NONE_YET
    }

    /// Waits for the end of the transfer; block layer and file system bound the time. Context: process.
    pub(crate) fn wait(&self) {
        self.inner.left.wait();
    }

    /// Waits for the end and returns how many bytes were moved.
    pub(crate) fn result(&self) -> Result<usize> {
        self.wait();
        let result = self.inner.result.load(Acquire);
        // CAST: An errno fits; `from_errno` checks its range.
        usize::try_from(result).map_err(|_| Error::from_errno(result as i32))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.wait();
    }
}

impl Inner {
    /// The transfer has ended. Context: any.
    fn end(&self, result: isize) {
        // SAFETY: `Transfer::start` started the transfer with it, and it was not ended before.
        unsafe { bindings::storage_ended(self.iocb.get()) };
        // ORDERING: The data before the result.
        self.result.store(result, Release);
        self.worker.wake();
        self.left.signal();
    }

    /// The callback.
    ///
    /// # Safety
    ///
    /// `iocb` must be that of an `Inner` whose transfer was started, and this the first call since.
    unsafe extern "C" fn ended(iocb: *mut bindings::kiocb, result: c_long) {
        // CAST: `Opaque` is transparent.
        //
        // SAFETY: `iocb` is the field of an `Inner`, which lives until it has left.
        let inner = unsafe { &*kernel::container_of!(Opaque::cast_from(iocb), Inner, iocb) };
        inner.end(result);
    }
}
