// SPDX-License-Identifier: GPL-2.0

//! DMA engines, for their clients: channels that move data while processors do something else.
//!
//! A [`Channel`] moves what is at addresses of a device from or to a [`Buffer`], which each of its users has.
//! Drivers of engines use the crate `virt_dma`.
//!
//! ```text
//! Channel::transfer: gather pieces -> prepare, submit -> issue -> engine -> callback
//!                                                          |                   |
//!                                                          `-- waits, TRANSFER, until the last
//! ```
//!
//! A transfer is one descriptor for all pieces, with one interrupt, which takes an engine that can do so
//! (`DMA_INTERLEAVE`), as drivers/dma/dw-edma.
//!
//! Limits: slave channels, on 64-bit kernels; a channel has one caller at a time.
//!
//! C header: `include/linux/dmaengine.h`. Contracts: `Documentation/driver-api/dmaengine/client.rst`.

#[path = "../bindings.rs"]
mod bindings;
mod buffer;
mod channel;
mod direction;
mod outcome;
mod pieces;

pub use self::{
    buffer::Buffer,
    channel::Channel,
    direction::Direction,
    pieces::Piece, //
};
