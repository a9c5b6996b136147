// SPDX-License-Identifier: GPL-2.0

//! DMA engines: channels that move data while processors do something else.
//!
//! [`provider`] is the driver of an engine, which offers channels to clients of the kernel's
//! dmaengine framework. A [`Segment`] says what is moved, a [`Direction`] between what.
//!
//! Limits: slave and memcpy transfers; neither cyclic nor interleaved ones, no pause, no metadata, no
//! reuse of descriptors.
//!
//! C headers: `include/linux/dmaengine.h`, `drivers/dma/virt-dma.h`. Contracts:
//! `Documentation/driver-api/dmaengine/provider.rst`.

#[path = "../bindings.rs"]
mod bindings;
mod direction;
mod segment;

pub mod provider;

pub use self::{
    direction::Direction,
    segment::Segment, //
};
