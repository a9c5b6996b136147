// SPDX-License-Identifier: GPL-2.0
//! The QEMUs of both machines: which will do, and with which arguments they join the emulator.
//!
//! What it is: the one place that knows these arguments; `run TOPOLOGY` and the test harness take them from
//! here. What it is not: it knows nothing of what else a machine consists of.

mod arguments;
mod version;

pub use arguments::{share_memory, value};
pub use version::{check, VersionError, NEEDED};
