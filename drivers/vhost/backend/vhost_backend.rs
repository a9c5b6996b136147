// SPDX-License-Identifier: GPL-2.0

//! What the backends on the vhost bus have in common: named configurations in configfs, the text of
//! their attributes, and workers that serve queues.
//!
//! It knows no device type, and is linked into each backend's module: it has no state of its own.

mod queue_worker;
mod registry;
#[cfg(CONFIG_KUNIT = "y")]
pub mod testing;
pub mod text;

pub use queue_worker::{
    QueueWorker,
    Serve,
    StopFlag, //
};
pub use registry::{
    Claim,
    Entry,
    Instance,
    Registry, //
};
