// SPDX-License-Identifier: GPL-2.0

//! Storage that a block backend serves: a regular file or a block device, through one path.
//!
//! A [`Store`] is read and written through the page cache, by whoever waits for it. A [`Pipeline`] has many transfers
//! under way, which go past the page cache where the file can do that. It is not a block layer: no bio, no scheduling.
//!
//! Context: process, everywhere.

#[path = "../bindings.rs"]
mod bindings;
mod file;
mod pipeline;
mod store;
mod transfer;

pub use pipeline::{
    Ended,
    Pipeline,
    Prepared,
    MAX_TRANSFER, //
};
pub use store::{
    Access,
    Caching,
    Store, //
};
