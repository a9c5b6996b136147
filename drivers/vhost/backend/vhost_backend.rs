// SPDX-License-Identifier: GPL-2.0

//! What the backends on the vhost bus have in common: named configurations in configfs, a driver
//! whose devices each claim one, and workers that serve queues.
//!
//! It knows no device type, and is linked into each backend's module: it has no state of its own.

mod directory;
mod driver;
mod queue_worker;
mod registry;
#[cfg(CONFIG_KUNIT = "y")]
pub mod testing;
pub mod text;

pub use directory::{
    Attribute,
    Directory,
    DirectoryType,
    Item,
    ItemType,
    Settings, //
};
pub use driver::{
    BackendModule,
    InstanceBackend, //
};
pub use queue_worker::{
    QueueWorker,
    Serve,
    StopFlag, //
};
pub use registry::Claim;
