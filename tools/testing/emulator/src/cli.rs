// SPDX-License-Identifier: GPL-2.0
//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use epc_emulator::emulator::{Endpoints, ROOT_PORT};
use epc_emulator::fabric::WindowMode;
use epc_emulator::faults::{Effect, Target};
use epc_emulator::link::BusError;
use epc_emulator::profile::{self, Size};

/// Joins two QEMU virtual machines as a PCI Express link.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves both virtual machines until interrupted; starts them as well, if a file describes them.
    Run(Run),
    /// Lists the board profiles, or prints one in full.
    Profiles {
        /// The profile to print.
        name: Option<String>,
    },
    /// Shows what crossed the link of a running emulator: exactly, where BARs and window are trapped.
    Counters(Counters),
    /// Lets something go wrong on the link of a running emulator.
    Fault {
        /// Socket of the emulator: its option --control.
        #[arg(long, value_name = "PATH")]
        control: PathBuf,
        /// What to do.
        #[command(subcommand)]
        action: FaultAction,
    },
    /// Converts a trace to a file that Perfetto opens (ui.perfetto.dev).
    Trace {
        /// The file that `run --trace` wrote.
        file: PathBuf,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        perfetto: PathBuf,
    },
}

/// What `fault` does.
#[derive(Debug, Subcommand)]
pub enum FaultAction {
    /// Chooses transactions, and what becomes of them.
    Add {
        /// Which transactions.
        #[arg(value_enum)]
        on: Target,
        /// lose, repeat, delay=MILLISECONDS, ones, flip or refuse.
        effect: Effect,
        /// How many of them to spare before that.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        skip: u64,
        /// To how many of them it happens; to all that follow, if this is not given.
        #[arg(long, value_name = "NUMBER")]
        count: Option<u64>,
    },
    /// Shows what is to go wrong, and how often it did.
    List,
    /// Lets nothing more go wrong.
    Clear,
    /// Has the root port of the RC report an error (PCIe Advanced Error Reporting).
    BusError {
        /// How bad it is.
        #[arg(value_enum)]
        error: BusError,
    },
}

/// Options of `counters`.
#[derive(Debug, Args)]
pub struct Counters {
    /// Socket of the emulator: its option --control.
    #[arg(long, value_name = "PATH")]
    pub control: PathBuf,
    /// Set the counters to zero.
    #[arg(long)]
    pub take: bool,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Show what crosses the link in each second, until interrupted; with --json the counters.
    #[arg(long, conflicts_with = "take")]
    pub watch: bool,
}

/// What `run` takes: a file with all of it, or options for two machines that others start.
#[derive(Debug, Args)]
pub struct Run {
    /// File that describes both machines and the link between them: starts all of it.
    #[arg(value_name = "TOPOLOGY", conflicts_with = "Alone")]
    pub topology: Option<PathBuf>,
    /// The emulator alone.
    #[command(flatten)]
    pub alone: Alone,
}

/// Options of the emulator alone.
#[derive(Debug, Args)]
pub struct Alone {
    /// Socket of the endpoint function: vfio-user, for the RC's virtual machine.
    #[arg(long, value_name = "PATH", required_unless_present = "topology")]
    pub rc_socket: Option<PathBuf>,
    /// Socket of the endpoint controller: vfio-user, for the EP's virtual machine.
    #[arg(long, value_name = "PATH", required_unless_present = "topology")]
    pub ep_socket: Option<PathBuf>,
    /// Socket of the outbound window: vhost-user, for the EP's virtual machine.
    #[arg(long, value_name = "PATH", required_unless_present = "topology")]
    pub window_socket: Option<PathBuf>,
    /// Socket to which the QMP monitor of the RC's virtual machine connects.
    #[arg(long, value_name = "PATH", required_unless_present = "topology")]
    pub rc_qmp: Option<PathBuf>,
    /// Id of the root port in the RC's virtual machine that takes the function.
    #[arg(long, value_name = "ID", default_value = ROOT_PORT)]
    pub rc_bus: String,
    /// How the outbound window reaches RC memory.
    #[arg(long, value_enum, default_value_t = WindowMode::Mapped)]
    pub window: WindowMode,
    /// The board: a profile of the program, or a file whose name ends in .toml.
    #[arg(long, value_name = "NAME|FILE", default_value = profile::DEFAULT)]
    pub profile: String,
    /// Size of the outbound window instead of the profile's: bytes, or with a suffix K, M, G.
    #[arg(long, value_name = "SIZE")]
    pub window_size: Option<Size>,
    /// Trap every access of the RC to a BAR, so that its backing can be moved at any time.
    #[arg(long)]
    pub trap_bars: bool,
    /// Number of doorbells instead of the profile's.
    #[arg(long, value_name = "COUNT")]
    pub doorbells: Option<u16>,
    /// No DMA engine, whatever the profile has.
    #[arg(long)]
    pub no_dma: bool,
    /// File that gets one line per transaction.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Socket that answers questions, as those of `counters`.
    #[arg(long, value_name = "PATH")]
    pub control: Option<PathBuf>,
}

impl Alone {
    /// The sockets, none of which may be missing.
    pub fn endpoints(&self) -> Option<Endpoints> {
        Some(Endpoints {
            rc: self.rc_socket.clone()?,
            ep: self.ep_socket.clone()?,
            window: self.window_socket.clone()?,
            rc_qmp: self.rc_qmp.clone()?,
            rc_bus: self.rc_bus.clone(),
            control: self.control.clone(),
        })
    }
}
