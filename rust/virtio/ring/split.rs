// SPDX-License-Identifier: GPL-2.0
//! The device side of a split virtqueue (section 2.7).

mod available;
mod descriptor;
mod notification;
mod push;
mod queue;
mod size;
mod takeover;
mod used;
mod walk;

pub use self::{
    push::{Mirror, PushArea, PushMemory, MOST_PUSHED},
    queue::SplitQueue,
    size::SplitSize, //
};
