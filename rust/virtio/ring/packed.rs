// SPDX-License-Identifier: GPL-2.0
//! The device side of a packed virtqueue (section 2.8).
//!
//! There is one ring. The driver side writes descriptors into it, and the device side writes over them
//! what it used; two bits of the flags tell which of both a descriptor is, and in which round.

mod available;
mod cursor;
mod descriptor;
mod notification;
mod queue;
mod used;

pub use self::{
    cursor::PackedSize,
    queue::PackedQueue, //
};
