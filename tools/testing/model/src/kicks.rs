// SPDX-License-Identifier: GPL-2.0

//! The model of kicks: doorbells, polled slots, and the notifications of a split queue.
//!
//! One queue, all of whose data path is there: the driver side makes buffers available and kicks as
//! mainline's virtio ring does, several of its processors at once; the shipped [`Doorbell`],
//! [`PolledSlot`] and [`Queue`] do the rest. Commands are taken for done at once.
//!
//! [`Doorbell`]: transport::Doorbell
//! [`PolledSlot`]: transport::PolledSlot
//! [`Queue`]: virtio::ring::Queue

mod driver;
mod endpoint;
mod state;
mod trace;

pub use state::{KickBounds, Kicks, Source};
