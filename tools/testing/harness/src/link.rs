// SPDX-License-Identifier: GPL-2.0
//! The two machines, joined by the PCI endpoint emulator (tools/testing/emulator/README.md).

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use epc_emulator::control::{self, Request};
use epc_emulator::emulator::Endpoints;
use epc_emulator::faults::{Progress, Rule};
use epc_emulator::link::BusError;
use epc_emulator::traffic::Report;
use serde::de::DeserializeOwned;

use crate::guest::{Guest, Model, Starting};
use crate::interrupt::wait_for;
use crate::layout::Layout;
use crate::process::{command, Holdings, Process};
use crate::workload::Ends;

/// For the emulator to listen on its sockets.
const EMULATOR_BOUND: Duration = Duration::from_secs(10);

/// Outbound window of the endpoint: as much as the better boards have, and as the RC has memory.
pub(super) const WINDOW_SIZE: &str = "1G";

/// An endpoint and a root complex with a link between them.
///
/// The fields are in the order in which they end: the machines before what joins them.
pub struct Link {
    /// The root complex.
    pub rc: Guest,
    /// The endpoint.
    pub ep: Guest,
    /// Attributes that the functions of virtio devices get.
    pub attributes: &'static [(&'static str, &'static str)],
    layout: Layout,
    models: Pair,
    sockets: Endpoints,
    emulator: Process,
}

/// Which machines a link joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The endpoint.
    pub ep: Model,
    /// The root complex.
    pub rc: Model,
}

/// A root complex, with the endpoint of most.
impl From<Model> for Pair {
    fn from(rc: Model) -> Self {
        Self { ep: Model::EP, rc }
    }
}

/// How the RC reaches the BARs of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bars {
    /// As memory. What is behind a BAR stays as it is while the link is up.
    Mapped,
    /// By traps, 50 us each. The endpoint may change what is behind a BAR at any time.
    Trapped,
}

/// What is to be known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// How fast it is: memory is mapped.
    Fast,
    /// What crosses it: the emulator sees each access, 50 us each.
    Counted,
}

/// What the endpoint has besides its processors to move data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dma {
    /// An engine with channels for both directions.
    Engine,
    /// Nothing.
    None,
}

impl Link {
    /// Starts a link without the limits of a board.
    pub fn boot(layout: &Layout, models: impl Into<Pair>, bars: Bars) -> Result<Self> {
        let mut options = vec!["--window-size", WINDOW_SIZE];
        if bars == Bars::Trapped {
            options.push("--trap-bars");
        }
        Self::boot_with(layout, models.into(), &options)
    }

    /// Starts a link whose endpoint has no doorbells, so that functions look for what they are to notice.
    pub fn boot_without_doorbells(layout: &Layout, rc: Model) -> Result<Self> {
        Self::boot_with(
            layout,
            rc.into(),
            &["--window-size", WINDOW_SIZE, "--doorbells", "0"],
        )
    }

    /// Starts a link whose endpoint is that of a board, by the name of the emulator's profile.
    pub fn boot_board(layout: &Layout, rc: Model, profile: &str) -> Result<Self> {
        Self::boot_with(layout, rc.into(), &["--profile", profile])
    }

    /// Starts a link on which the emulator sees each access, 50 us each.
    pub fn boot_counted(layout: &Layout, rc: Model) -> Result<Self> {
        Self::boot_measured(layout, rc, Speed::Counted, Dma::Engine)
    }

    /// Starts a link to be measured.
    pub fn boot_measured(layout: &Layout, rc: Model, speed: Speed, dma: Dma) -> Result<Self> {
        let mut options = vec!["--window-size", WINDOW_SIZE];
        if speed == Speed::Counted {
            options.extend(["--window", "trapped", "--trap-bars"]);
        }
        if dma == Dma::None {
            options.push("--no-dma");
        }
        Self::boot_with(layout, rc.into(), &options)
    }

    /// Says what crossed the link since the last time that this was asked.
    pub fn take_traffic(&self) -> Result<Report> {
        self.ask(Request::TakeCounters)
    }

    /// Has something go wrong.
    pub fn fault(&self, rule: Rule) -> Result<()> {
        let rules: Result<Vec<Progress>> = self.ask(Request::Fault(rule));
        rules.map(drop)
    }

    /// Has nothing more go wrong.
    pub fn clear_faults(&self) -> Result<()> {
        let rules: Result<Vec<Progress>> = self.ask(Request::ClearFaults);
        rules.map(drop)
    }

    /// Has the RC's root port report an error.
    pub fn report(&self, error: BusError) -> Result<()> {
        self.ask(Request::BusError(error))
    }

    fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let control = self.sockets.control.as_deref();
        let control = control.context("the emulator takes no questions")?;
        Ok(control::ask(control, request)?)
    }

    /// Starts the emulator, then the endpoint, then the root complex.
    fn boot_with(layout: &Layout, models: Pair, options: &[&str]) -> Result<Self> {
        let sockets = Endpoints::in_directory(&layout.run()?);
        let emulator = start_emulator(layout, &sockets, options)?;
        let ep = start_ep(layout, models.ep, &sockets)?;
        let starting_rc = start_rc(layout, models.rc, &sockets)?;
        Ok(Self {
            ep: ep.ready()?,
            rc: starting_rc.ready()?,
            attributes: &[],
            layout: layout.clone(),
            models,
            sockets,
            emulator,
        })
    }

    /// Takes the endpoint's power away and gives it back.
    pub fn restart_ep(&mut self) -> Result<()> {
        self.ep.switch_off()?;
        self.ep = start_ep(&self.layout, self.models.ep, &self.sockets)?.ready()?;
        Ok(())
    }

    /// Takes the root complex' power away and gives it back.
    pub fn restart_rc(&mut self) -> Result<()> {
        self.rc.switch_off()?;
        self.rc = start_rc(&self.layout, self.models.rc, &self.sockets)?.ready()?;
        Ok(())
    }

    /// Says what the emulator holds.
    pub fn holdings(&self) -> Result<Holdings> {
        self.emulator.holdings()
    }
}

impl Ends for Link {
    fn driver(&mut self) -> &mut Guest {
        &mut self.rc
    }

    fn backend(&mut self) -> &mut Guest {
        &mut self.ep
    }
}

pub(super) fn start_ep(layout: &Layout, model: Model, sockets: &Endpoints) -> Result<Starting> {
    Starting::new(layout, model, |qemu| sockets.join_ep(qemu))
}

fn start_rc(layout: &Layout, model: Model, sockets: &Endpoints) -> Result<Starting> {
    Starting::new(layout, model, |qemu| sockets.join_rc(qemu, 1))
}

pub(super) fn start_emulator(
    layout: &Layout,
    sockets: &Endpoints,
    options: &[&str],
) -> Result<Process> {
    for path in sockets.sockets() {
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    let mut command = command(layout.emulator()?);
    command.arg("run");
    command.arg("--ep-socket").arg(&sockets.ep);
    command.arg("--window-socket").arg(&sockets.window);
    command.arg("--rc-socket").arg(&sockets.rc);
    command.arg("--rc-qmp").arg(&sockets.rc_qmp);
    if let Some(control) = &sockets.control {
        command.arg("--control").arg(control);
    }
    command.args(["--rc-bus", &sockets.rc_bus]).args(options);
    let log = layout.run()?.join("emulator.log");
    let mut emulator = Process::start("the emulator", command, &log)?;
    wait_for("the start of the emulator", EMULATOR_BOUND, || {
        emulator.check_running()?;
        Ok(sockets.sockets().all(|path| path.exists()).then_some(()))
    })?;
    Ok(emulator)
}
