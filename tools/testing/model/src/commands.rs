// SPDX-License-Identifier: GPL-2.0

//! The model of commands: both ends, the link between them, and what disturbs them.
//!
//! A state is what both ends, the link and the device are at a moment; an action is one access of one
//! end, the arrival of one posted write, or a disturbance. Both ends are the shipped ones.

mod action;
mod bounds;
mod device;
mod endpoint;
mod link;
mod model;
mod order;
pub(crate) mod place;
mod root_complex;
mod state;
mod trace;

pub use bounds::{Bounds, Disturbances};
pub use model::Commands;
pub use order::Order;
