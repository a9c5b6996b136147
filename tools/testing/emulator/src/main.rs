// SPDX-License-Identifier: GPL-2.0
//! Command line of the emulator.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use epc_emulator::emulator::{Emulator, Endpoints};
use epc_emulator::fabric::{Settings, WindowMode};
use epc_emulator::trace::Trace;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

/// Joins two QEMU virtual machines as a PCI Express link.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Listens on the sockets and serves both virtual machines until interrupted.
    Run(Run),
}

#[derive(Debug, Args)]
struct Run {
    /// Socket of the endpoint function: vfio-user, for the RC's virtual machine.
    #[arg(long, value_name = "PATH")]
    rc_socket: PathBuf,
    /// Socket of the endpoint controller: vfio-user, for the EP's virtual machine.
    #[arg(long, value_name = "PATH")]
    ep_socket: PathBuf,
    /// Socket of the outbound window: vhost-user, for the EP's virtual machine.
    #[arg(long, value_name = "PATH")]
    window_socket: PathBuf,
    /// Socket to which the QMP monitor of the RC's virtual machine connects.
    #[arg(long, value_name = "PATH")]
    rc_qmp: PathBuf,
    /// Id of the root port in the RC's virtual machine that takes the function.
    #[arg(long, value_name = "ID", default_value = "rp1")]
    rc_bus: String,
    /// How the outbound window reaches RC memory.
    #[arg(long, value_enum, default_value_t = WindowMode::Mapped)]
    window: WindowMode,
    /// Size of the outbound window: bytes, or with a suffix K, M, G.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size)]
    window_size: u64,
    /// Trap every access of the RC to a BAR, so that its backing can be moved at any time.
    #[arg(long)]
    trap_bars: bool,
    /// Number of doorbells.
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    doorbells: u16,
    /// File that gets one line per transaction.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

fn parse_size(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) if text.ends_with('K') => (number, 10),
        Some(number) if text.ends_with('M') => (number, 20),
        Some(number) => (number, 30),
        None => (text, 0),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text} is not a size"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("{text} is too large"))
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let Arguments {
        command: Command::Run(run),
    } = Arguments::parse();
    match serve(&run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = error.source().map(|source| format!(": {source}"));
            tracing::error!("{error}{}", reason.unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn serve(run: &Run) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let trace = match &run.trace {
        Some(path) => Trace::to_file(path)
            .map_err(|error| format!("cannot write the trace to {}: {error}", path.display()))?,
        None => Trace::off(),
    };
    let endpoints = Endpoints {
        rc: run.rc_socket.clone(),
        ep: run.ep_socket.clone(),
        window: run.window_socket.clone(),
        rc_qmp: run.rc_qmp.clone(),
        rc_bus: run.rc_bus.clone(),
    };
    let settings = Settings {
        window_size: run.window_size,
        window_mode: run.window,
        trap_bars: run.trap_bars,
        doorbells: run.doorbells,
    };
    let _emulator = Emulator::start(&endpoints, settings, trace)?;
    tracing::info!("Ready");
    if let Some(signal) = signals.forever().next() {
        tracing::info!("Signal {signal}, leaving");
    }
    Ok(())
}
