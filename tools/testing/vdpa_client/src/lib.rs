// SPDX-License-Identifier: GPL-2.0
//! A process that uses vDPA devices in ways that no program at hand does.
//!
//! It runs on the driver side: in the guests, as `vdpa-client`.

pub mod control;
pub mod disk;
pub mod doorbell;
pub mod groups;
pub mod management;
pub mod misuse;
pub mod node;
pub mod requests;
