// SPDX-License-Identifier: GPL-2.0
//! A split queue that is pushed: the driver side's half of it is copied to memory of the device.
//!
//! Where a read across the link is dear and a write is cheap, the device side should read nothing there. So
//! what the driver side makes available is written to the device at each kick: descriptors, available
//! ring, and the payload that the device is to read. The used ring stays where the driver side has it.
//!
//! ```text
//!   driver side                  Mirror::sync, at each kick       memory of the device: PushArea
//!   descriptor table   -----------------------------------------> descriptor table
//!   available ring     -----------------------------------------> available ring
//!   readable buffers   -----------------------------------------> room
//!   indirect tables    -----------------------------------------> room
//!   used ring          <-------------------------------------------- device side
//! ```
//!
//! To the device side that is a queue like others: descriptor and driver area are in the push area, and
//! addresses of what lies in the room are those of [`PushArea::address`].

mod area;
mod lines;
mod mirror;
mod room;

pub use self::{
    area::{PushArea, MOST_PUSHED},
    mirror::{Mirror, PushMemory}, //
};
