// SPDX-License-Identifier: GPL-2.0

//! Storage that a block backend serves: a regular file or a block device, through one path.
//!
//! All I/O is synchronous and goes through the page cache, so that a block device and a file behave
//! alike. It is not a block layer: no bio, no direct I/O, no queue.
//!
//! Context: process, everywhere.

#[path = "../bindings.rs"]
mod bindings;
mod file;
mod store;

pub use store::{
    Access,
    Store, //
};
