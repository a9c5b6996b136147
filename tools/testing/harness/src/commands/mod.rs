// SPDX-License-Identifier: GPL-2.0
//! What a user types, one module for each thing that is operated. No other file of the harness
//! knows the name of an attribute or of a module.

pub mod backend;
pub mod drive;
pub mod endpoint;
pub mod forger;
pub mod modules;
pub mod ntb;
pub mod nvme;
pub mod served;
pub mod several;
pub mod slot;
pub mod upstream;
pub mod vdpa;
pub mod vhost_vdpa;
