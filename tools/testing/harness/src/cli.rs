// SPDX-License-Identifier: GPL-2.0
//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{ensure, Result};
use clap::{Parser, Subcommand};

use crate::bench;
use crate::demo;
use crate::interrupt;
use crate::kernels::Kernels;
use crate::ktap::{Tally, Writer};
use crate::layout::Layout;
use crate::progress::Progress;
use crate::runner::AnySuite;
use crate::shell;
use crate::suite;

/// Runs the demonstration and the tests on two virtual machines joined by PCI Express.
#[derive(Parser)]
struct Arguments {
    /// Has the modules (rc/, ep/) and takes results; build/ in the tree unless given
    #[arg(long, global = true)]
    build: Option<PathBuf>,
    /// Run kernels that look for faults; 'make vms-debug' builds them
    #[arg(long, global = true)]
    debug: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show disk and network I/O between the two machines
    Demo,
    /// Run the tests, all suites unless some are named; all_boards takes long and is not among them
    Test {
        /// Suites to run
        suites: Vec<String>,
        /// Run only cases whose "suite.case" contains this
        #[arg(long, default_value = "")]
        filter: String,
        /// Say what there is, and run nothing
        #[arg(long)]
        list: bool,
    },
    /// Measure ours and its peers side by side: results, tables and plots in build/bench
    Bench(bench::Options),
    /// Boot machines and run the commands that are typed, each line after the side: "ep ls"
    Shell {
        /// The machines: ep, rc, or link and link-arm64 for both with the emulator between
        machines: shell::Machines,
    },
}

/// Does what the command line says.
pub fn run() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let kernels = match arguments.debug {
        false => Kernels::Ordinary,
        true => Kernels::Debug,
    };
    let layout = Layout::from_environment(arguments.build, kernels)?;
    interrupt::listen()?;
    match arguments.action {
        Action::Demo => {
            let _lock = layout.lock()?;
            demo::run(&layout)
        }
        Action::Bench(options) => {
            let _lock = layout.lock()?;
            bench::run(&layout, &options).map(|()| ExitCode::SUCCESS)
        }
        Action::Test {
            suites,
            filter,
            list,
        } => {
            let chosen = choose(kernels, &suites, &filter)?;
            if list {
                print_list(&chosen, &filter);
                return Ok(ExitCode::SUCCESS);
            }
            let _lock = layout.lock()?;
            test(&layout, &chosen, &filter)
        }
        Action::Shell { machines } => {
            let _lock = layout.lock()?;
            shell::run(&layout, machines).map(|()| ExitCode::SUCCESS)
        }
    }
}

fn wants(suite: &str, case: &str, filter: &str) -> bool {
    format!("{suite}.{case}").contains(filter)
}

fn choose(kernels: Kernels, names: &[String], filter: &str) -> Result<Vec<Box<dyn AnySuite>>> {
    let mut all = suite::all(kernels);
    if !names.is_empty() {
        all.extend(suite::on_demand(kernels));
    }
    for name in names {
        ensure!(
            all.iter().any(|suite| suite.name() == name),
            "there is no suite '{name}'; there are {}",
            all.iter()
                .map(|suite| suite.name())
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    let chosen: Vec<_> = all
        .into_iter()
        .filter(|suite| names.is_empty() || names.iter().any(|name| suite.name() == name))
        .filter(|suite| {
            suite
                .list()
                .iter()
                .any(|(case, _)| wants(suite.name(), case, filter))
        })
        .collect();
    ensure!(!chosen.is_empty(), "no case matches '{filter}'");
    Ok(chosen)
}

fn print_list(suites: &[Box<dyn AnySuite>], filter: &str) {
    for suite in suites {
        println!("{}: {}", suite.name(), suite.about());
        for (case, about) in suite.list() {
            if wants(suite.name(), case, filter) {
                println!("  {}.{case}: {about}", suite.name());
            }
        }
    }
}

fn test(layout: &Layout, suites: &[Box<dyn AnySuite>], filter: &str) -> Result<ExitCode> {
    let progress = Progress::new();
    let mut tally = Tally::default();
    Writer::begin_document(&progress, suites.len());
    for (index, suite) in suites.iter().enumerate() {
        let wanted = |case: &str| wants(suite.name(), case, filter);
        let result = suite.run(layout, &progress, &wanted)?;
        Writer::end_suite(&progress, index + 1, suite.name(), &result.verdict());
        tally.add(result);
    }
    drop(progress);
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
