// SPDX-License-Identifier: GPL-2.0
//! Tests of the device side of the packed ring (VIRTIO 1.2, section 2.8).
//!
//! There is no other device side to compare with, as rust-vmm has none for packed rings and neither has
//! `vringh`: what it is held to is the driver side in `driver`, written from the specification.

pub mod driver;

mod changing;
mod cursors;
mod in_order;
mod notification;
mod properties;
mod restore;
mod shapes;
mod violations;
