// SPDX-License-Identifier: GPL-2.0
//! Suspends and resumes a vhost-vdpa device, as a virtual machine monitor would, under a process that
//! knows nothing of it.
//!
//! `device` has the device, `holder` finds it in another process, `check` has what is tried.

mod check;
mod device;
mod holder;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use holder::Holder;

/// Suspends and resumes a vhost-vdpa device that another process drives.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Suspend the device of a process
    Suspend {
        /// Its device node
        node: PathBuf,
    },
    /// Resume the device of a process
    Resume {
        /// Its device node
        node: PathBuf,
    },
    /// Suspend and resume a device under load, and see that no request ends in between
    Cycles {
        /// Its device node
        node: PathBuf,
        /// How often
        #[arg(long, default_value_t = 200)]
        count: u32,
    },
    /// Take a device that no process drives, and suspend and resume it in every wrong order
    Order {
        /// Its device node
        node: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<()> {
    match action {
        Action::Suspend { node } => Holder::find(&node)?.device.suspend(),
        Action::Resume { node } => Holder::find(&node)?.device.resume(),
        Action::Cycles { node, count } => check::cycles(&node, count),
        Action::Order { node } => check::order(&node),
    }
}
