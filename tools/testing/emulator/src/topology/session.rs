// SPDX-License-Identifier: GPL-2.0
//! A run of a topology: the endpoints with their emulators, the root complex, and the end of all of them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{kill_process, Pid, Signal};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use thiserror::Error;

use super::console::copy_lines;
use super::{Machine, Topology, TopologyError};
use crate::emulator::{Emulator, Endpoints, StartError};
use crate::fabric::Settings;
use crate::qemu::{self, VersionError};
use crate::topology;
use crate::trace::Trace;

/// How long QEMU may take to write back its disks after SIGTERM.
const TERM_BOUND: Duration = Duration::from_secs(3);

/// Between two looks whether it has ended.
const TERM_SLICE: Duration = Duration::from_millis(10);

/// Why a run cannot begin, or how it failed.
#[derive(Debug, Error)]
pub enum RunError {
    /// The file will not do.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A QEMU will not do.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The emulator cannot start.
    #[error(transparent)]
    Emulator(#[from] StartError),
    /// The system refuses something else.
    #[error("cannot {what}: {source}")]
    System {
        /// What was to be done.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A machine did not end by itself.
    #[error("QEMU of the {name} failed with {status}: expected a machine that powers off; what it said stands above")]
    Failed {
        /// The machine.
        name: String,
        /// How its QEMU ended.
        status: ExitStatus,
    },
}

/// A QEMU that runs; ends when dropped.
struct Running {
    name: String,
    child: Child,
    /// Copies what the console says, up to the end of the machine.
    console: Option<JoinHandle<()>>,
}

/// Runs a topology until a machine powers off, or until SIGINT or SIGTERM.
///
/// # Errors
///
/// See [`RunError`]; whatever was started has ended then.
pub fn run(file: &Path) -> Result<(), RunError> {
    let topology = Topology::load(file)?;
    let branches = topology.endpoints().enumerate();
    let branches = branches
        .map(|(index, (emulator, machine))| Branch::new(&topology, index, emulator, machine))
        .collect::<Result<Vec<_>, _>>()?;
    let endpoints = branches.iter().map(|branch| branch.machine);
    for machine in endpoints.chain([&topology.rc]) {
        qemu::check(machine.qemu.as_os_str())?;
    }
    // Before the first machine, so that no end is missed.
    let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM])
        .map_err(system(|| "wait for signals".to_owned()))?;
    let _emulators = branches
        .iter()
        .map(Branch::start_emulator)
        .collect::<Result<Vec<_>, _>>()?;
    // Dropped before what joins them.
    let mut machines = Vec::new();
    for branch in &branches {
        machines.push(Running::start(&branch.name, branch.machine, |qemu| {
            branch.sockets.join_ep(qemu);
        })?);
    }
    machines.push(Running::start("RC", &topology.rc, |qemu| {
        for (branch, slot) in branches.iter().zip(1..) {
            branch.sockets.join_rc(qemu, slot);
        }
    })?);
    for branch in &branches {
        tracing::info!("Ready; questions go to {}", branch.control().display());
    }
    supervise(&mut signals, &mut machines)
}

/// An endpoint, and what joins it to its root port.
struct Branch<'a> {
    name: String,
    machine: &'a Machine,
    directory: PathBuf,
    sockets: Endpoints,
    settings: Settings,
    trace: Option<&'a Path>,
}

impl<'a> Branch<'a> {
    /// That of the endpoint with this index.
    fn new(
        topology: &Topology,
        index: usize,
        emulator: &'a topology::Emulator,
        machine: &'a Machine,
    ) -> Result<Self, RunError> {
        let number = index + 1;
        let (name, directory) = match index {
            0 => ("EP".to_owned(), topology.directory.clone()),
            _ => {
                let name = format!("EP{number}");
                let directory = topology.directory.join(&name);
                (name, directory)
            }
        };
        Ok(Self {
            name,
            machine,
            sockets: Endpoints {
                rc_bus: format!("rp{number}"),
                ..Endpoints::in_directory(&directory)
            },
            directory,
            settings: topology.settings(emulator)?,
            trace: emulator.trace.as_deref(),
        })
    }

    fn start_emulator(&self) -> Result<Emulator, RunError> {
        let directory = &self.directory;
        fs::create_dir_all(directory).map_err(system(|| {
            format!("make the directory {}", directory.display())
        }))?;
        let trace = match self.trace {
            Some(path) => Trace::to_file(path)
                .map_err(system(|| format!("write the trace to {}", path.display())))?,
            None => Trace::off(),
        };
        Ok(Emulator::start(
            &self.sockets,
            self.settings.clone(),
            trace,
        )?)
    }

    fn control(&self) -> PathBuf {
        self.directory.join("emulator.control")
    }
}

fn supervise(signals: &mut Signals, machines: &mut [Running]) -> Result<(), RunError> {
    for signal in signals.forever() {
        if signal != SIGCHLD {
            tracing::info!("Signal {signal}, leaving");
            break;
        }
        for machine in &mut *machines {
            let name = machine.name.clone();
            match machine.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) if status.success() => {
                    tracing::info!("The {name} is off, leaving");
                    return Ok(());
                }
                Ok(Some(status)) => return Err(RunError::Failed { name, status }),
                Err(error) => return Err(system(|| format!("wait for the {name}"))(error)),
            }
        }
    }
    Ok(())
}

fn system(what: impl FnOnce() -> String) -> impl FnOnce(io::Error) -> RunError {
    |source| RunError::System {
        what: what(),
        source,
    }
}

impl Running {
    fn start(
        name: &str,
        machine: &Machine,
        join: impl FnOnce(&mut Command),
    ) -> Result<Self, RunError> {
        let mut command = machine.command();
        join(&mut command);
        tracing::debug!("{name}: {command:?}");
        let mut child = command
            .spawn()
            .map_err(system(|| format!("start the {name}")))?;
        let name = name.to_owned();
        let console = child.stdout.take().map(|output| {
            let name = name.clone();
            thread::spawn(move || {
                if let Err(error) = copy_lines(&name, output) {
                    tracing::warn!("{name}: The console is lost: {error}");
                }
            })
        });
        Ok(Self {
            name,
            child,
            console,
        })
    }

    /// Has the machine write back its disks and end, or kills it.
    fn end(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let number = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(Err(error)) = number.map(|pid| kill_process(pid, Signal::TERM)) {
            tracing::warn!("Cannot end the {}: {error}", self.name);
        }
        if !self.is_off_in_time() {
            tracing::warn!("The {} does not end, and is killed", self.name);
            if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
                tracing::error!("Cannot kill the {}: {error}", self.name);
            }
        }
    }

    /// Waits until the machine is off; false when it takes too long.
    fn is_off_in_time(&mut self) -> bool {
        let end = Instant::now() + TERM_BOUND;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(TERM_SLICE);
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        let console = self.console.take().map(JoinHandle::join);
        if matches!(console, Some(Err(_))) {
            tracing::error!("The console of the {} panicked", self.name);
        }
    }
}
