// SPDX-License-Identifier: GPL-2.0
//! Tests of the device side of the ring against a driver side that can do wrong.
//!
//! Section numbers are those of VIRTIO 1.2. One binary, so that the driver side is compiled once.

mod driver;
mod link;
mod packed;
mod peer;

mod ahead;
mod budget;
mod changing;
mod control;
mod core_only;
mod differential;
mod in_order;
mod indexes;
mod layouts;
mod notification;
mod offloads;
mod payload;
mod posted;
mod properties;
mod provision;
mod push;
mod restore;
mod shapes;
mod suppression;
mod violations;
mod wire;
