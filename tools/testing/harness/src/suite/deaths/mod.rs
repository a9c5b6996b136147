// SPDX-License-Identifier: GPL-2.0
//! The endpoint dies under what the RC does, cause by cause and activity by activity. What is outstanding ends
//! in time, and the device can be had back.

mod activities;
mod causes;
mod processes;

use std::time::Instant;

use anyhow::{ensure, Result};

use crate::commands::served::ServedTo;
use crate::commands::{endpoint, modules, vdpa, vhost_vdpa};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link, Pair};
use crate::runner::{AnySuite, Case, Record, Suite};

use super::prepared::{Joined, Preparation, Prepared};
use activities::{Activity, Adding, Blocks, Commands, Copies, Flushes, Frames};
use causes::{Cause, CutOff, FailedBus, Frozen, Left, NoLink, NoPower, Reset};
use processes::{ProcessBlocks, ProcessCommands, ProcessFrames};

/// The endpoint has a disk that outlives its power.
const MODELS: Pair = Pair {
    ep: Model::EP_WITH_DISK,
    rc: Model::RC,
};

struct AsShipped;

impl Preparation for AsShipped {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::boot(layout, MODELS, Bars::Mapped)?;
        load_drivers(&mut link.rc)?;
        vhost_vdpa::load_driver(&mut link.rc)?;
        Ok(link)
    }
}

/// The same, with queues that the RC pushes.
struct Pushed;

impl Preparation for Pushed {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = AsShipped::prepare(layout)?;
        link.attributes = &[("data_path", "push")];
        Ok(link)
    }
}

/// Loads what the RC needs of drivers, with their own patience.
pub fn load_drivers(rc: &mut Guest) -> Result<()> {
    modules::load_epf_vdpa_as_shipped(rc)?;
    vdpa::load_drivers(rc)
}

/// Writes a case for each cause under an activity.
macro_rules! deaths {
    ($($activity:ident: $($name:literal $cause:ident),*;)*) => {
        vec![$($(case::<$activity, $cause, _>($name),)*)*]
    };
}

/// What is to end on a root complex whose kernel does not notice that the endpoint is gone.
pub fn unnoticed<B: Joined>() -> Vec<Case<B>> {
    deaths! {
        Copies: "copies_without_power" NoPower, "copies_without_link" NoLink, "copies_while_frozen" Frozen;
        Frames: "frames_without_power" NoPower, "frames_without_link" NoLink, "frames_while_frozen" Frozen;
    }
}

/// The suite of a few.
pub fn suite() -> impl AnySuite {
    let mut cases = under_processes();
    cases.extend(under_drivers());
    Suite::<Prepared<AsShipped>> {
        name: "deaths",
        about: "the endpoint dies under blocks, frames, commands and a process of the root complex",
        cases,
    }
}

/// The suite of processes whose queues are pushed.
pub fn pushed_suite() -> impl AnySuite {
    Suite::<Prepared<Pushed>> {
        name: "deaths_pushed",
        about:
            "the endpoint dies under processes of the root complex that it is pushed the queues of",
        cases: under_processes(),
    }
}

/// What is to end for processes.
fn under_processes<B: Joined>() -> Vec<Case<B>> {
    deaths! {
        ProcessBlocks:
            "process_without_power" NoPower,
            "process_without_link" NoLink,
            "process_while_frozen" Frozen,
            "process_on_a_failed_bus" FailedBus,
            "process_through_a_reset" Reset;
        ProcessFrames: "process_frames_while_frozen" Frozen, "process_frames_without_power" NoPower;
        ProcessCommands: "process_commands_while_frozen" Frozen;
    }
}

/// What is to end for drivers of the kernel.
fn under_drivers<B: Joined>() -> Vec<Case<B>> {
    deaths! {
        Blocks: "blocks_without_power" NoPower;
        Frames:
            "frames_without_power" NoPower,
            "frames_without_link" NoLink,
            "frames_while_frozen" Frozen,
            "frames_on_a_failed_bus" FailedBus,
            "frames_through_a_reset" Reset;
        Commands:
            "commands_without_power" NoPower,
            "commands_without_link" NoLink,
            "commands_while_frozen" Frozen,
            "commands_on_a_failed_bus" FailedBus,
            "commands_through_a_reset" Reset;
        Flushes: "flushes_without_power" NoPower, "flushes_while_frozen" Frozen;
        Adding: "adding_while_frozen" Frozen, "adding_without_link" NoLink;
    }
}

/// The whole table.
pub fn all_suite() -> impl AnySuite {
    Suite::<Prepared<AsShipped>> {
        name: "all_deaths",
        about: "the endpoint dies in each way under all that the root complex does",
        cases: deaths! {
            Blocks:
                "blocks_without_power" NoPower,
                "blocks_without_link" NoLink,
                "blocks_while_frozen" Frozen,
                "blocks_on_a_failed_bus" FailedBus,
                "blocks_through_a_reset" Reset,
                "blocks_without_bus_mastering" CutOff;
            Frames:
                "frames_without_power" NoPower,
                "frames_without_link" NoLink,
                "frames_while_frozen" Frozen,
                "frames_on_a_failed_bus" FailedBus,
                "frames_through_a_reset" Reset,
                "frames_without_bus_mastering" CutOff;
            Commands:
                "commands_without_power" NoPower,
                "commands_without_link" NoLink,
                "commands_while_frozen" Frozen,
                "commands_on_a_failed_bus" FailedBus,
                "commands_through_a_reset" Reset,
                "commands_without_bus_mastering" CutOff;
            ProcessBlocks:
                "process_without_power" NoPower,
                "process_without_link" NoLink,
                "process_while_frozen" Frozen,
                "process_on_a_failed_bus" FailedBus,
                "process_through_a_reset" Reset,
                "process_without_bus_mastering" CutOff;
            ProcessFrames:
                "process_frames_without_power" NoPower,
                "process_frames_without_link" NoLink,
                "process_frames_while_frozen" Frozen,
                "process_frames_on_a_failed_bus" FailedBus,
                "process_frames_through_a_reset" Reset,
                "process_frames_without_bus_mastering" CutOff;
            ProcessCommands:
                "process_commands_without_power" NoPower,
                "process_commands_without_link" NoLink,
                "process_commands_while_frozen" Frozen,
                "process_commands_on_a_failed_bus" FailedBus,
                "process_commands_through_a_reset" Reset,
                "process_commands_without_bus_mastering" CutOff;
            Flushes:
                "flushes_without_power" NoPower,
                "flushes_without_link" NoLink,
                "flushes_while_frozen" Frozen,
                "flushes_on_a_failed_bus" FailedBus,
                "flushes_through_a_reset" Reset,
                "flushes_without_bus_mastering" CutOff;
            Adding:
                "adding_without_power" NoPower,
                "adding_without_link" NoLink,
                "adding_while_frozen" Frozen,
                "adding_on_a_failed_bus" FailedBus,
                "adding_through_a_reset" Reset,
                "adding_without_bus_mastering" CutOff;
        },
    }
}

fn case<A: Activity, C: Cause, B: Joined>(name: &'static str) -> Case<B> {
    Case {
        name,
        about: "what is outstanding ends in time, and the device can be had back",
        run: |bench, record| dies::<A, C>(bench.link(), record),
    }
}

fn dies<A: Activity, C: Cause>(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = ServedTo::<A::Device>::start(link, A::INSTANCE)?;
    A::begin(link, &served)?;
    C::happen(link, &served)?;
    let happened = Instant::now();
    A::wait_for_end(link, &served)?;
    let ended = happened.elapsed();
    C::mend(link)?;
    let mended = Instant::now();
    let served = match C::LEFT {
        Left::Device if A::RESETS => served,
        Left::Device => served.replace_vdpa(link)?,
        Left::Function => {
            endpoint::finish_stop(link)?;
            served.clean_up(link)?;
            ServedTo::start(link, A::INSTANCE)?
        }
        Left::Nothing => {
            endpoint::finish_stop(link)?;
            ServedTo::start(link, A::INSTANCE)?
        }
    };
    A::works(link, &served)?;
    let back = mended.elapsed();
    record.note(format!(
        "ended after {ended:.1?}, had back after {back:.1?}"
    ));
    let bound = link.rc.kernels().bound(A::END_BOUND);
    ensure!(
        ended <= bound,
        "what was outstanding ended after {ended:.1?}, expected {bound:.1?} at most"
    );
    served.stop(link)
}
