// SPDX-License-Identifier: GPL-2.0
//! Command line of the emulator.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use epc_emulator::emulator::{Emulator, Endpoints};
use epc_emulator::fabric::{Settings, WindowMode};
use epc_emulator::profile::{self, DoorbellCount, Profile, Size};
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
    /// Lists the board profiles, or prints one in full.
    Profiles {
        /// The profile to print.
        name: Option<String>,
    },
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
    /// The board: a profile of the program, or a file whose name ends in .toml.
    #[arg(long, value_name = "NAME|FILE", default_value = profile::DEFAULT)]
    profile: String,
    /// Size of the outbound window instead of the profile's: bytes, or with a suffix K, M, G.
    #[arg(long, value_name = "SIZE")]
    window_size: Option<Size>,
    /// Trap every access of the RC to a BAR, so that its backing can be moved at any time.
    #[arg(long)]
    trap_bars: bool,
    /// Number of doorbells instead of the profile's.
    #[arg(long, value_name = "COUNT")]
    doorbells: Option<u16>,
    /// File that gets one line per transaction.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let result = match Arguments::parse().command {
        Command::Run(run) => serve(&run),
        Command::Profiles { name } => show_profiles(name.as_deref()),
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
fn board(run: &Run) -> Result<Profile, Box<dyn Error>> {
    let mut profile = Profile::load(&run.profile)?;
    if let Some(size) = run.window_size {
        profile.outbound.resize(size)?;
    }
    if let Some(count) = run.doorbells {
        profile.doorbells = DoorbellCount::try_from(count)?;
    }
    Ok(profile)
}

fn show_profiles(name: Option<&str>) -> Result<(), Box<dyn Error>> {
    let text = match name {
        Some(name) => profile::find(name)?.text.to_owned(),
        None => profile::table()?,
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
