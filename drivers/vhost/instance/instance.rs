// SPDX-License-Identifier: GPL-2.0

//! The named configurations of a backend: one per directory in configfs, claimed by the device that
//! uses it.
//!
//! A backend module has one [`Registry`]. `mkdir` adds an [`Instance`] to it and `rmdir` takes it
//! away; the probe of a device finds its instance by name and claims it. A claimed instance can not
//! be changed, and lives on without its directory until the claim ends.
//!
//! Context: process. Each lock here is taken last: nothing is called with one held but the closures
//! that the user passes, which must not take a lock that is held around a call of this crate.

mod registry;
pub mod text;

pub use registry::{
    Claim,
    Entry,
    Instance,
    Registry, //
};
