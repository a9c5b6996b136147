// SPDX-License-Identifier: GPL-2.0

//! `model check` proves, `model faults` shows that it would find what is wrong.

use std::time::Duration;

use anyhow::{bail, Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::configurations::{of_fault, Configuration, LARGE, SMALL};
use crate::explore::{Counterexample, Figures};
use crate::fault::Fault;

/// Model checker of the transport between root complex and endpoint.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Explore all states and say whether a property is violated.
    Check {
        /// The large bounds: minutes and gigabytes.
        #[arg(long)]
        large: bool,
        /// Only configurations whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Say which property catches each planted fault; with a name, show how.
    Faults { name: Option<Fault> },
}

/// Does what the command line asks for.
pub fn run() -> Result<()> {
    match Arguments::parse().action {
        Action::Check {
            large,
            only,
            threads,
        } => check(if large { LARGE } else { SMALL }, &only, threads),
        Action::Faults { name: None } => list_faults(),
        Action::Faults { name: Some(fault) } => show(fault),
    }
}

fn check(configurations: &[Configuration], only: &str, threads: usize) -> Result<()> {
    println!(
        "{:30} {:>13} {:>13} {:>6} {:>7}",
        "configuration", "generated", "distinct", "depth", "time"
    );
    let mut total = Figures::default();
    for configuration in configurations {
        if !configuration.name().contains(only) {
            continue;
        }
        let figures = explore(configuration, threads)?;
        total.generated += figures.generated;
        total.distinct += figures.distinct;
        total.depth = total.depth.max(figures.depth);
        total.took += figures.took;
    }
    print("no violation in all of them", total);
    Ok(())
}

/// Explores one configuration, and shows the way to a violation if there is one.
fn explore(configuration: &Configuration, threads: usize) -> Result<Figures> {
    let name = configuration.name();
    let bar = progress_bar(name);
    let figures = configuration.explore(threads, |figures| {
        bar.set_message(HumanCount(figures.distinct as u64).to_string());
    });
    bar.finish_and_clear();
    print(name, figures);
    if figures.is_good {
        return Ok(figures);
    }
    let Some(found) = configuration.shortest() else {
        bail!("{name}: the exploration did not come to its end");
    };
    println!("{}", found.steps.join("\n"));
    bail!("{name}: {} is violated", found.violated.name());
}

fn print(name: &str, figures: Figures) {
    println!(
        "{name:30} {:>13} {:>13} {:>6} {:>5} s",
        HumanCount(figures.generated as u64).to_string(),
        HumanCount(figures.distinct as u64).to_string(),
        figures.depth,
        figures.took.as_secs(),
    );
}

fn progress_bar(name: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:30} {msg:>27} distinct so far {elapsed}");
    let bar = ProgressBar::new_spinner().with_prefix(name);
    bar.enable_steady_tick(Duration::from_secs(1));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn list_faults() -> Result<()> {
    for fault in Fault::value_variants() {
        let found = find(*fault)?;
        let (name, steps) = (fault.name(), found.steps.len());
        println!("{name:24} {steps:>3} steps  {}", found.violated.name());
    }
    Ok(())
}

fn show(fault: Fault) -> Result<()> {
    println!("{}", find(fault)?.steps.join("\n"));
    Ok(())
}

fn find(fault: Fault) -> Result<Counterexample> {
    let found = of_fault(fault).shortest();
    found.with_context(|| format!("{} is not found, which it must be", fault.name()))
}
