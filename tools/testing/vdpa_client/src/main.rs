// SPDX-License-Identifier: GPL-2.0
//! The command line of the client.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use vdpa_client::management::{self, Mac};
use vdpa_client::{control, doorbell, groups, packed, station};
use vdpa_client::{misuse, operations};

/// Asks vDPA devices for what no other program does.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Give a network device another MAC address
    SetMac {
        /// Name of the device
        name: String,
        /// The address
        mac: Mac,
    },
    /// Map the doorbell of a disk, and kick its requests by that
    Doorbell {
        /// Path of the device node
        node: String,
        /// Expect that it cannot be mapped
        #[arg(long)]
        refused: bool,
    },
    /// Put the queues of a device into address spaces
    Groups {
        /// Path of the device node
        node: String,
        /// Expect that the control queue is apart from the others, and not one group
        #[arg(long)]
        control: bool,
    },
    /// Ask by a network device who has an address, and say each time that somebody has
    Ask {
        /// Path of the device node
        node: String,
        /// The address
        address: Ipv4Addr,
        #[command(flatten)]
        times: Times,
    },
    /// Give commands to a network device, and say each time that one was done
    Command {
        /// Path of the device node
        node: String,
        #[command(flatten)]
        times: Times,
    },
    /// Drive a disk by a packed ring, and suspend and resume it meanwhile
    Packed {
        /// Path of the device node
        node: String,
        /// Have the buffers used in order
        #[arg(long)]
        in_order: bool,
        /// How often
        #[arg(long, default_value_t = 200)]
        cycles: u32,
    },
    /// Use an operation of a disk as it is meant, and see what it promises
    Operation {
        /// Which one
        name: String,
        /// Path of the device node
        node: String,
    },
    /// Use a device node of vhost_vdpa wrongly
    Misuse {
        /// In which way
        name: String,
        /// Path of the device node
        node: String,
    },
}

/// How often something is done.
#[derive(Args)]
struct Times {
    /// How often; until the device does it no more, unless given
    #[arg(long)]
    count: Option<u64>,
}

impl Times {
    fn get(&self) -> u64 {
        self.count.unwrap_or(u64::MAX)
    }
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
        Action::SetMac { name, mac } => management::set_mac(&name, mac),
        Action::Doorbell { node, refused } if refused => doorbell::is_refused(&node),
        Action::Doorbell { node, .. } => doorbell::kick_requests(&node),
        Action::Groups { node, control } if control => groups::control_queue_is_apart(&node),
        Action::Groups { node, .. } => groups::is_one(&node),
        Action::Ask {
            node,
            address,
            times,
        } => station::ask(&node, address, times.get()),
        Action::Command { node, times } => control::command(&node, times.get()),
        Action::Packed {
            node,
            in_order,
            cycles,
        } => packed::is_suspended_under_load(&node, in_order, cycles),
        Action::Operation { name, node } => {
            let mut known = operations::catalogue().into_iter();
            let operation = known.find(|operation| operation.name == name);
            operation
                .with_context(|| format!("'{name}' is not one of the known ones"))?
                .run(&node)
        }
        Action::Misuse { name, node } => {
            let known = misuse::catalogue().into_iter();
            let misuse = known
                .chain(misuse::of_translation())
                .find(|misuse| misuse.name == name);
            misuse
                .with_context(|| format!("'{name}' is not one of the known ways"))?
                .run(&node)
        }
    }
}
