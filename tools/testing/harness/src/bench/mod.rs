// SPDX-License-Identifier: GPL-2.0
//! Measures ours and its peers side by side, on the same emulator: how fast each is, which says something only
//! beside the others, and what crosses the link, which is exact.
//!
//! ```text
//! peers, plan -> machines -> measurement -> prediction -> results -> report, plot
//!      growth -----------------------^                              report, curves
//! ```

mod curves;
mod growth;
mod machines;
mod measurement;
mod peers;
mod plan;
mod plot;
mod prediction;
mod report;
mod results;

use std::path::Path;

use anyhow::{ensure, Result};
use clap::{Args, ValueEnum};

use crate::crossings::Crossings;
use crate::layout::Layout;
use crate::link::Speed;
use crate::progress::Progress;
use crate::workload::network;
use machines::{Machines, Place};
use measurement::Device;
use peers::{Peer, Serve, PEERS};
use plan::{Plan, Transfer, TRANSFERS};
use results::{Counted, Results, Timed};

/// What is asked for.
#[derive(Args)]
pub struct Options {
    /// One run of each load, and fewer loads; twenty minutes instead of an hour
    #[arg(long)]
    quick: bool,
    /// Only what is counted, how that grows, or only what is timed
    #[arg(long)]
    only: Option<Kind>,
    /// Only peers whose name contains this
    #[arg(long, default_value = "")]
    peer: String,
    /// Leave the tables and plots that were made in Documentation/bench as well
    #[arg(long, conflicts_with = "peer")]
    publish: bool,
}

/// How figures come about.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The emulator counts each access.
    Counted,
    /// The same for more and more of something, on our paths.
    Grown,
    /// By the clock.
    Timed,
}

/// Measures, and leaves results, tables and plots in build/bench.
pub fn run(layout: &Layout, options: &Options) -> Result<()> {
    let plan = if options.quick {
        Plan::QUICK
    } else {
        Plan::FULL
    };
    let chosen: Vec<_> = PEERS
        .iter()
        .filter(|peer| peer.name.contains(&options.peer))
        .collect();
    ensure!(
        !chosen.is_empty(),
        "there is no peer '{}'; there are: {}",
        options.peer,
        PEERS
            .iter()
            .map(|peer| peer.name)
            .collect::<Vec<_>>()
            .join("; ")
    );
    let wants = |kind| options.only.is_none_or(|only| only == kind);
    let progress = Progress::new();
    let mut results = Results::new(plan.runs);
    for peer in chosen {
        progress.say(&format!("{}: {}", peer.name, peer.about));
        if wants(Kind::Counted) && peer.place != Place::Alone {
            count(layout, &progress, peer, &mut results)?;
        }
        if wants(Kind::Timed) {
            time(layout, &progress, peer, plan, &mut results)?;
        }
        // What was measured is kept if a later peer fails.
        results.write(&layout.bench()?)?;
    }
    if wants(Kind::Grown) && options.peer.is_empty() {
        results.grown = growth::count(layout, &progress)?;
        results.write(&layout.bench()?)?;
    }
    drop(progress);
    show(&results, &layout.bench()?)?;
    if options.publish {
        show(&results, &layout.tree().join("Documentation/bench"))?;
    }
    print!("{}", report::text(&results));
    Ok(())
}

/// Leaves tables and plots in a directory.
fn show(results: &Results, directory: &Path) -> Result<()> {
    report::write(results, directory)?;
    plot::draw(results, directory)?;
    curves::draw(&results.grown, directory)
}

fn count(layout: &Layout, progress: &Progress, peer: &Peer, results: &mut Results) -> Result<()> {
    progress.step(&format!("{}: starting, to be counted", peer.name));
    let mut machines = Machines::boot(layout, peer.place, Speed::Counted)?;
    let (device, transfers) = match peer.serve {
        Serve::Disk(serve) => (
            Device::Disk(serve(&mut machines)?),
            Transfer::OF_DISK.to_vec(),
        ),
        Serve::Network(serve) => {
            let nodes = serve(&mut machines)?;
            network::introduce(&mut machines, &nodes[0], &nodes[1])?;
            let mut transfers = [&Transfer::OF_NETWORK[..], &Transfer::STREAMS].concat();
            transfers.push(Transfer::ROUND_TRIP);
            (Device::Network(nodes), transfers)
        }
    };
    for transfer in transfers {
        let what = transfer.name();
        progress.step(&format!("{}: {what}", peer.name));
        let report = measurement::count(&mut machines, &device, transfer)?;
        let counted = Counted {
            peer: peer.name,
            what,
            transfer,
            crossings: Crossings::of_each(&report, TRANSFERS),
            predictions: prediction::predict(&report, transfer)?,
        };
        progress.say(&format!("  {counted}"));
        results.counted.push(counted);
    }
    Ok(())
}

fn time(
    layout: &Layout,
    progress: &Progress,
    peer: &Peer,
    plan: Plan,
    results: &mut Results,
) -> Result<()> {
    progress.step(&format!("{}: starting, to be timed", peer.name));
    let mut machines = Machines::boot(layout, peer.place, Speed::Fast)?;
    let (device, loads) = match peer.serve {
        Serve::Disk(serve) => (Device::Disk(serve(&mut machines)?), plan.of_disk()),
        Serve::Network(serve) => {
            let nodes = serve(&mut machines)?;
            network::acquaint(&mut machines, &nodes[0], &nodes[1])?;
            (Device::Network(nodes), plan.of_network())
        }
    };
    for load in loads {
        let what = load.name();
        progress.step(&format!("{}: {what}", peer.name));
        let timed = Timed {
            peer: peer.name,
            what,
            timing: measurement::time(&mut machines, &device, load, plan)?,
        };
        progress.say(&format!("  {timed}"));
        results.timed.push(timed);
    }
    Ok(())
}
