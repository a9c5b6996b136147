// SPDX-License-Identifier: GPL-2.0
//! Orders of accesses, each with all barriers and with one left out.

mod commands;
mod config;
mod doorbells;
mod ends;
mod packed;
mod publication;
mod pushed;
mod sessions;
mod suppression;
