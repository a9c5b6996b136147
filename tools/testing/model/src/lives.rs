// SPDX-License-Identifier: GPL-2.0

//! The model of liveness: heartbeats of both ends on one clock.
//!
//! The clock ticks every `BEAT`, and only when each end that lives has done what it owes (H1, H2).
//! Steps of an end are whole here: they share but single words.

mod memory;
mod state;
mod trace;

pub use state::{LifeBounds, Lives};
