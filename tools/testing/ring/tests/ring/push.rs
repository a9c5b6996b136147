// SPDX-License-Identifier: GPL-2.0
//! Queues that the driver side pushes to memory of the device.

mod ends;

mod budget;
mod properties;
mod restart;
mod revoked;
mod room;
mod rules;
