// SPDX-License-Identifier: GPL-2.0
//! A process that uses vDPA devices in ways that no program at hand does.
//!
//! It runs on the driver side: in the guests, as `vdpa-client`.

pub mod control;
pub mod disk;
pub mod doorbell;
pub mod groups;
pub mod ioctl;
pub mod management;
pub mod misuse;
pub mod node;
pub mod operations;
pub mod packed;
pub mod requests;
pub mod station;

// The driver side of the ring's own tests.
#[expect(dead_code, reason = "they need more of it")]
#[path = "../../ring/tests/ring/driver.rs"]
mod driver;
#[expect(dead_code, reason = "they need more of it")]
#[path = "../../ring/tests/ring/packed/driver.rs"]
mod packed_driver;
