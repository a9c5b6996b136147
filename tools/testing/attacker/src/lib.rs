// SPDX-License-Identifier: GPL-2.0
//! A root complex that breaks every rule of `Documentation/transport.rst`, from user space.
//!
//! What it is: a driver that maps the function's BARs by its resource files, puts rings into memory of
//! its own, and misbehaves as an attack wants; after each one, an honest driver that takes the device
//! over and sees that it works. What it is not: a judge of the endpoint's kernel log; whoever starts it
//! reads that.
//!
//! ```text
//!   attack   what is done, and what the protocol says of it
//!   block, packet   requests and packets, honest and not
//!   driver   a driver that keeps to the protocol     wire   commands, word by word
//!   ring     the driver side of a virtqueue
//!   function, bar, dma   the function, its BARs, memory that the endpoint can reach
//! ```
#![forbid(unsafe_code)]

pub mod attack;
mod bar;
mod block;
mod dma;
mod driver;
mod function;
mod packet;
mod patience;
mod ring;
mod target;
mod wire;

pub use attack::{catalogue, Attack, Device};
pub use target::Target;
