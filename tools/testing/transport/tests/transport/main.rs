// SPDX-License-Identifier: GPL-2.0

//! Tests of the protocol: both ends, joined by a model of the link.

mod address_space;
mod comeback;
mod commands;
mod config;
mod doorbells;
mod faults;
mod identity;
mod interleavings;
mod liveness;
mod model;
mod overwritten;
mod plans;
mod properties;
