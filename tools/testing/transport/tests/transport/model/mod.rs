// SPDX-License-Identifier: GPL-2.0

//! A model of the link and of a device.

mod backend;
mod link;
mod rig;

pub use backend::{Backend, Call};
pub use link::Link;
pub use rig::{
    layout, layout_with, setup_request, Rig, BARS, CONFIG_SIZE, EPOCH, FEATURES, GROUPS,
    NUM_QUEUES, PUSH_BELOW,
};
