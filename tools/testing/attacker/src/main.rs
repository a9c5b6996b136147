// SPDX-License-Identifier: GPL-2.0
//! The command line of the attacker: `attacker list`, `attacker run NAME`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use attacker::{catalogue, Target};
use clap::{Parser, Subcommand};

/// Attacks an endpoint function as a hostile root complex, then sees that it still works.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say which attacks there are
    List,
    /// Run one attack on a function that has no driver
    Run {
        /// Its name
        name: String,
        /// Address of the function
        #[arg(long, default_value = "0000:01:00.0")]
        function: String,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().action {
        Action::List => {
            list();
            Ok(())
        }
        Action::Run { name, function } => run(&name, &function),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for attack in catalogue() {
        println!("{} ({}): {}", attack.name, attack.device, attack.about);
    }
}

fn run(name: &str, function: &str) -> Result<()> {
    let attack = catalogue().into_iter().find(|attack| attack.name == name);
    let attack =
        attack.with_context(|| format!("there is no attack '{name}'; see 'attacker list'"))?;
    let target = Target::open(function)?;
    (attack.run)(&target)?;
    target
        .expect_usable()
        .context("after the attack, with an honest driver")
}
