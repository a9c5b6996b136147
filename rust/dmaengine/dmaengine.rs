// SPDX-License-Identifier: GPL-2.0

//! DMA engines, for their clients: channels that move data while processors do something else.
//!
//! A [`Channel`] moves what is at addresses of a device from or to a [buffer](Channel::buffer) of its own.
//! Drivers of engines use the crate `virt_dma`.
//!
//! ```text
//! Channel::transfer: prepare -> submit, for each piece -> issue -> engine -> callback of each piece
//!                                                           |                     |
//!                                                           `---- waits, TRANSFER, until the last
//! ```
//!
//! Limits: slave channels; a channel has one caller at a time.
//!
//! C header: `include/linux/dmaengine.h`. Contracts: `Documentation/driver-api/dmaengine/client.rst`.

mod batch;
#[path = "../bindings.rs"]
mod bindings;
mod buffer;
mod channel;
mod direction;

pub use self::{
    channel::{
        Channel,
        Piece, //
    },
    direction::Direction, //
};
