// SPDX-License-Identifier: GPL-2.0

//! Drivers of DMA engines: what an engine does for its channels, and its registration.
//!
//! The driver of the hardware implements [`Engine`], keeps a [`Registration`] while it is bound, and
//! tells it of interrupts by [`Registration::interrupt`]. Everything between the framework and
//! the hardware is here, over the kernel's virtual channels: clients' descriptors are queued in
//! software, the engine has one of them at a time, and callbacks run in a tasklet. Clients use the crate
//! [`dmaengine`].
//!
//! ```text
//! prepare -> submit -> issue ->  Engine::start  -> interrupt: Engine::progress -> callback
//!                                     Engine::abort <- terminate
//! ```
//!
//! A transfer that fails is told by the result that its callback is given, and by `DMA_ERROR` of
//! `dmaengine_tx_status()` for the last [`FAILURES`](failures::FAILURES) that did. Those after it are
//! carried out.
//!
//! Limits: slave, memcpy and interleaved transfers; no cyclic ones, no pause, no metadata, no reuse of
//! descriptors.
//!
//! Locking: one spinlock for each channel, that of the virtual channel, taken with interrupts off.
//! All calls of [`Engine`] are under it.
//!
//! C headers: `include/linux/dmaengine.h`, `drivers/dma/virt-dma.h`. Contracts:
//! `Documentation/driver-api/dmaengine/provider.rst`.

use kernel::{
    prelude::*,
    ThisModule, //
};

#[path = "../bindings.rs"]
mod bindings;
mod channel;
mod descriptor;
mod failures;
mod operations;
mod registration;
mod segment;

pub use self::{
    registration::{
        Config,
        InterruptHandler,
        Registration, //
    },
    segment::Segment, //
};
pub use dmaengine::Direction;

/// What an engine does for a channel, by its number.
///
/// All are called with a lock of the channel held and interrupts off, hence one at a time, and must
/// not sleep.
pub trait Engine: Send + Sync + Sized + 'static {
    /// The module with the driver; it stays loaded as long as a client has a channel.
    const OWNER: &'static ThisModule;

    /// Starts a transfer. None runs on this channel; there are one to [`Config::max_segments`]
    /// segments, of [`Config::max_size`] bytes together at most.
    ///
    /// # Errors
    ///
    /// The engine cannot do it; the transfer has failed then.
    fn start(&self, channel: usize, segments: &[Segment]) -> Result;

    /// Says how the transfer that was started last fares.
    fn progress(&self, channel: usize) -> Progress;

    /// Ends that transfer; when this returns, it touches no memory any more.
    fn abort(&self, channel: usize);
}

/// How a transfer fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes it has moved.
    pub moved: u32,
    /// Whether it runs, or how it ended.
    pub state: State,
}

impl Progress {
    /// Of a transfer that the engine could not begin.
    pub const NONE: Self = Self {
        moved: 0,
        state: State::Failed(Fault::Aborted),
    };
}

/// Whether a transfer runs, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// Everything was moved.
    Done,
    /// It ended before everything was moved.
    Failed(Fault),
}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was to be read is not there.
    Read,
    /// What was to be written is not there.
    Write,
    /// The engine or the link does not work.
    Aborted,
}
