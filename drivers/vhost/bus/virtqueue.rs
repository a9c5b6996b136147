// SPDX-License-Identifier: GPL-2.0

//! A virtqueue as a backend sees it: chains out, used buffers in.
//!
//! Where the rings and buffers are is the transport's business.

use core::fmt;
use kernel::prelude::*;
use virtio::ring::{
    Batch,
    Chain,
    Used, //
};

/// How far a queue is in its life.
///
/// ```text
///                activate             rule broken
///   Configured ------------> Ready ----------------> Broken
///                            ^   |                     |
///                   activate |   | deactivate          | deactivate
///                            |   v                     |
///                          Stopped <-------------------+
///
///           suspend                deactivate
///   Ready <---------> Suspended ---------------> Stopped
///           resume
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// The backend asked for it; the driver side has not set it up yet.
    Configured,
    /// The driver side set it up and it works.
    Ready,
    /// It works, and the device is suspended: the backend is kept from it until that resumes.
    Suspended,
    /// It worked and has been taken away from the backend, by a reset or a queue reset.
    Stopped,
    /// A side broke a rule of the ring, or its memory cannot be reached; a reset is needed.
    Broken,
}

impl QueueState {
    /// Returns the word for it in sysfs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Ready => "ready",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
            Self::Broken => "broken",
        }
    }
}

/// A virtqueue in the hands of its backend.
///
/// Context: process, unless stated. A backend that has returned from
/// [`Backend::stop`](crate::Backend::stop) must not use its queues before the next start, nor one that
/// has returned from [`Backend::suspend`](crate::Backend::suspend) before it resumes; if it does, they
/// answer `EPIPE`.
///
/// After `EPIPE` a backend forgets what it took: the driver side may have set the queue up again, in
/// other memory, and this is the only word of it. What was not given back is then available again.
pub trait Virtqueue: Send + Sync {
    /// Returns the index of the queue. Context: any.
    fn index(&self) -> u16;

    /// Returns what the queue is for. Context: any.
    fn name(&self) -> &'static CStr;

    /// Returns the number of descriptors: as set up by the driver side, else the most there can be.
    fn size(&self) -> u16;

    /// Returns how far the queue is in its life; it may be further by now.
    fn state(&self) -> QueueState;

    /// Returns whether the queue works; it may not any more.
    fn is_ready(&self) -> bool {
        self.state() == QueueState::Ready
    }

    /// Takes the chains that are available, as many as `batch` has room for, and returns how many.
    ///
    /// The chains that were in `batch` before are forgotten.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is not ready or is broken.
    fn pop(&self, batch: &mut Batch) -> Result<usize>;

    /// Copies from the readable part of a chain, at `offset` bytes, and returns how many bytes there
    /// were.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is not ready or is broken; `EIO`: the buffer cannot be reached, and this
    /// request alone fails.
    fn read(&self, chain: &Chain<'_>, offset: usize, to: &mut [u8]) -> Result<usize>;

    /// Copies to the writable part of a chain, at `offset` bytes, and returns how many bytes had room.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    fn write(&self, chain: &Chain<'_>, offset: usize, from: &[u8]) -> Result<usize>;

    /// Gives chains back, in the order in which they were taken, and signals the driver side at most
    /// once, if it wants to know.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is not ready or is broken; `EINVAL`: these chains were not taken, and
    /// nothing was given back.
    fn push(&self, used: &[Used]) -> Result;

    /// Looks for more, for as long as the transport holds it to be worth the time, and returns whether something is
    /// available. For backends that have nothing else to do, before they ask for kicks.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is not ready or is broken.
    fn poll(&self) -> Result<bool> {
        Ok(false)
    }

    /// Asks the driver side not to kick; it may do so all the same.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is not ready or is broken.
    fn disable_notification(&self) -> Result;

    /// Asks the driver side to kick again. `true`: buffers came meanwhile without a kick, poll again.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is not ready or is broken.
    fn enable_notification(&self) -> Result<bool>;

    /// Breaks the queue: the driver side sent what makes no sense. The device then needs a reset.
    ///
    /// `why` is a clause without a stop, e.g. `fmt!("request of {} bytes, expected 16", len)`.
    fn fail(&self, why: fmt::Arguments<'_>);
}
