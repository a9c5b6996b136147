// SPDX-License-Identifier: GPL-2.0
//! A file that describes the machines and the links between them, and a run of all of it.
//!
//! What it is: the keys of the file, checks that tell file and line, QEMU's command lines, and the processes.
//! What it is not: how a machine joins the emulator is in [`qemu`](crate::qemu).

mod console;
mod file;
mod machine;
mod session;

pub use console::Console;
pub use file::{Emulator, Endpoint, Topology, TopologyError};
pub use machine::Machine;
pub use session::{run, RunError};
