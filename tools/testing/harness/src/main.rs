// SPDX-License-Identifier: GPL-2.0
//! The harness: boots an endpoint (EP) and a root complex (RC) in virtual machines, runs the
//! demonstration or the tests on them, and reports.
//!
//! What it is: the program behind `make demo` and `make test`; see Documentation/testing.rst.
//! What it is not: a test itself. Cases are in `suite`, and what they say to the two machines
//! is in `commands` and `workload`.
//! Limits: it runs inside the build sysroot, with what `make vms` built.

mod bench;
mod census;
mod cli;
mod commands;
mod crossings;
mod demo;
mod fork;
mod guest;
mod interrupt;
mod kernels;
mod ktap;
mod layout;
mod leaks;
mod link;
mod process;
mod progress;
mod runner;
mod shell;
mod suite;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
