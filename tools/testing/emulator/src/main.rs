// SPDX-License-Identifier: GPL-2.0
//! The program: serves two virtual machines, and tells about itself.

mod cli;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use epc_emulator::control::{self, Request};
use epc_emulator::emulator::Emulator;
use epc_emulator::fabric::Settings;
use epc_emulator::faults::{Progress, Rule};
use epc_emulator::profile::{self, Dma, DoorbellCount, Profile};
use epc_emulator::topology;
use epc_emulator::trace::{perfetto, Trace};
use epc_emulator::traffic::{Rates, Report};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

use cli::{Alone, Arguments, Command, Counters, FaultAction};

/// Between two looks at the counters.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Puts a terminal's cursor home and clears what is there.
const CLEAR: &str = "\x1b[H\x1b[2J";

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let result = match Arguments::parse().command {
        Command::Run(run) => match &run.topology {
            Some(file) => topology::run(file).map_err(Box::from),
            None => serve(&run.alone),
        },
        Command::Profiles { name } => show_profiles(name.as_deref()),
        Command::Counters(counters) => show_counters(&counters),
        Command::Fault { control, action } => fault(&control, &action),
        Command::Trace { file, perfetto } => convert_trace(&file, &perfetto),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = error.source().map(|source| format!(": {source}"));
            tracing::error!("{error}{}", reason.unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn serve(run: &Alone) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let trace = match &run.trace {
        Some(path) => Trace::to_file(path)
            .map_err(|error| format!("cannot write the trace to {}: {error}", path.display()))?,
        None => Trace::off(),
    };
    let endpoints = run
        .endpoints()
        .ok_or("a socket is missing: expected all four")?;
    let settings = Settings {
        profile: board(run)?,
        window_mode: run.window,
        trap_bars: run.trap_bars,
    };
    let _emulator = Emulator::start(&endpoints, settings, trace)?;
    tracing::info!("Ready");
    if let Some(signal) = signals.forever().next() {
        tracing::info!("Signal {signal}, leaving");
    }
    Ok(())
}

/// The profile, with what the command line replaces in it.
fn board(run: &Alone) -> Result<Profile, Box<dyn Error>> {
    let mut profile = Profile::load(&run.profile)?;
    if let Some(size) = run.window_size {
        profile.outbound.resize(size)?;
    }
    if let Some(count) = run.doorbells {
        profile.doorbells = DoorbellCount::try_from(count)?;
    }
    if run.no_dma {
        profile.dma = Dma::default();
    }
    Ok(profile)
}

fn show_profiles(name: Option<&str>) -> Result<(), Box<dyn Error>> {
    let text = match name {
        Some(name) => profile::find(name)?.text.to_owned(),
        None => profile::table()?,
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn show_counters(counters: &Counters) -> Result<(), Box<dyn Error>> {
    if counters.watch {
        return watch_counters(counters);
    }
    let request = match counters.take {
        true => Request::TakeCounters,
        false => Request::Counters,
    };
    let report: Report = control::ask(&counters.control, request)?;
    let text = match counters.json {
        true => serde_json::to_string(&report)? + "\n",
        false => report.to_string(),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Shows the counters each second: in place on a terminal, one table behind the other elsewhere.
fn watch_counters(counters: &Counters) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let clear = if out.is_terminal() { CLEAR } else { "" };
    let look = || control::ask::<Report>(&counters.control, Request::Counters);
    let (mut before, mut since) = (look()?, Instant::now());
    loop {
        thread::sleep(LOOK_AGAIN);
        let (after, now) = (look()?, Instant::now());
        if counters.json {
            writeln!(out, "{}", serde_json::to_string(&after)?)?;
        } else {
            let rates = Rates::between(&before, &after, now - since);
            write!(out, "{clear}{rates}")?;
        }
        out.flush()?;
        (before, since) = (after, now);
    }
}

fn fault(control: &Path, action: &FaultAction) -> Result<(), Box<dyn Error>> {
    let request = match *action {
        FaultAction::BusError { error } => {
            return Ok(control::ask(control, Request::BusError(error))?)
        }
        FaultAction::Add {
            on,
            effect,
            skip,
            count,
        } => Request::Fault(Rule {
            on,
            effect,
            skip,
            count,
        }),
        FaultAction::List => Request::Faults,
        FaultAction::Clear => Request::ClearFaults,
    };
    let rules: Vec<Progress> = control::ask(control, request)?;
    let mut out = io::stdout();
    writeln!(
        out,
        "transactions  effect        skip     count      seen    struck"
    )?;
    for Progress { rule, seen, struck } in rules {
        let count = rule
            .count
            .map_or("all".to_owned(), |count| count.to_string());
        let Rule {
            on, effect, skip, ..
        } = rule;
        writeln!(
            out,
            "{on:12}  {effect:10} {skip:7} {count:>9} {seen:9} {struck:9}"
        )?;
    }
    Ok(())
}

fn convert_trace(file: &Path, perfetto: &Path) -> Result<(), Box<dyn Error>> {
    let cannot = |what, path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("cannot {what} {path}: {error}")
    };
    let input = File::open(file).map_err(cannot("read", file))?;
    let output = File::create(perfetto).map_err(cannot("write", perfetto))?;
    let mut output = BufWriter::new(output);
    let count = perfetto::convert(BufReader::new(input), &mut output)?;
    output.flush()?;
    tracing::info!("{count} transactions in {}", perfetto.display());
    Ok(())
}
