// SPDX-License-Identifier: GPL-2.0

//! What is explored: small bounds in each test run, large ones on demand, and for each fault the
//! smallest ones in which it matters.

use crate::commands::{Bounds, Commands, Disturbances, Order};
use crate::explore::{self, Counterexample, Figures};
use crate::fault::Fault;
use crate::kicks::{KickBounds, Kicks, Source};
use crate::lives::{LifeBounds, Lives};

/// A model within bounds.
#[derive(Clone, Debug)]
pub enum Configuration {
    Commands(Bounds),
    Kicks(KickBounds),
    Lives(LifeBounds),
}

impl Configuration {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Commands(bounds) => bounds.name,
            Self::Kicks(bounds) => bounds.name,
            Self::Lives(bounds) => bounds.name,
        }
    }

    /// Explores all states; calls `progress` from time to time.
    pub fn explore(&self, threads: usize, progress: impl FnMut(Figures)) -> Figures {
        match self {
            Self::Commands(bounds) => {
                explore::all(Commands::new(bounds.clone()), threads, progress)
            }
            Self::Kicks(bounds) => explore::all(Kicks::new(bounds.clone()), threads, progress),
            Self::Lives(bounds) => explore::all(Lives::new(bounds.clone()), threads, progress),
        }
    }

    /// The shortest way to a violation.
    pub fn shortest(&self) -> Option<Counterexample> {
        match self {
            Self::Commands(bounds) => explore::shortest(&Commands::new(bounds.clone())),
            Self::Kicks(bounds) => explore::shortest(&Kicks::new(bounds.clone())),
            Self::Lives(bounds) => explore::shortest(&Lives::new(bounds.clone())),
        }
    }
}

const NEGOTIATION: &[Order] = &[Order::Reset, Order::SetFeatures, Order::FeaturesOk];
const QUEUE: &[Order] = &[
    Order::Reset,
    Order::SetFeatures,
    Order::FeaturesOk,
    Order::SetUp(0),
    Order::Enable(0),
    Order::DriverOk,
];
const QUEUE_CYCLE: &[Order] = &[
    Order::Reset,
    Order::SetFeatures,
    Order::FeaturesOk,
    Order::SetUp(0),
    Order::Enable(0),
    Order::DriverOk,
    Order::Disable(0),
    Order::Enable(0),
];
const TWO_QUEUES: &[Order] = &[
    Order::Reset,
    Order::SetFeatures,
    Order::FeaturesOk,
    Order::SetUp(0),
    Order::SetUp(1),
    Order::Enable(0),
    Order::Enable(1),
    Order::DriverOk,
    Order::Disable(0),
];

const NONE: Disturbances = Disturbances::NONE;

const fn commands(
    name: &'static str,
    program: &'static [Order],
    prepared: usize,
    disturbances: Disturbances,
    work: u8,
) -> Configuration {
    Configuration::Commands(Bounds {
        name,
        program,
        prepared,
        disturbances,
        work,
        is_weak: true,
        fault: None,
    })
}

const fn kicks(
    name: &'static str,
    source: Source,
    event_idx: bool,
    buffers: u8,
    cycles: u8,
    reloads: u8,
) -> Configuration {
    Configuration::Kicks(KickBounds {
        name,
        source,
        event_idx,
        pushed: false,
        buffers,
        cycles,
        reloads,
        fault: None,
    })
}

const fn pushes(
    name: &'static str,
    source: Source,
    buffers: u8,
    cycles: u8,
    reloads: u8,
) -> Configuration {
    match kicks(name, source, false, buffers, cycles, reloads) {
        Configuration::Kicks(bounds) => Configuration::Kicks(KickBounds {
            pushed: true,
            ..bounds
        }),
        other => other,
    }
}

const fn lives(name: &'static str, ticks: u64, commands: u8, dies: bool) -> Configuration {
    Configuration::Lives(LifeBounds {
        name,
        ticks,
        commands,
        dies,
        hangs: false,
        fault: None,
    })
}

const fn hangs(name: &'static str, ticks: u64) -> Configuration {
    Configuration::Lives(LifeBounds {
        name,
        ticks,
        commands: 1,
        dies: false,
        hangs: true,
        fault: None,
    })
}

/// In each test run: every disturbance once, the dangerous ones in pairs.
pub const SMALL: &[Configuration] = &[
    commands("timeouts", NEGOTIATION, 0, NONE.timeouts(2), 0),
    commands("restart", NEGOTIATION, 0, NONE.restarts(1), 0),
    commands(
        "crash, timeout",
        NEGOTIATION,
        0,
        NONE.crashes(1).timeouts(1),
        0,
    ),
    commands(
        "reboots, timeout",
        NEGOTIATION,
        0,
        NONE.reboots(2).timeouts(1),
        0,
    ),
    commands(
        "restart, reboot",
        &[Order::Reset],
        0,
        NONE.restarts(1).reboots(1),
        0,
    ),
    commands("link loss", NEGOTIATION, 1, NONE.losses(1), 0),
    commands(
        "reloads, timeout, at work",
        QUEUE_CYCLE,
        3,
        NONE.reloads(2).timeouts(1),
        1,
    ),
    commands(
        "failures, timeout, at work",
        QUEUE_CYCLE,
        3,
        NONE.failures(2).timeouts(1),
        1,
    ),
    commands(
        "timeout, two queues at work",
        TWO_QUEUES,
        5,
        NONE.timeouts(1),
        2,
    ),
    kicks("kicks, polled", Source::Polled, false, 3, 1, 1),
    kicks("kicks, polled, EVENT_IDX", Source::Polled, true, 3, 1, 1),
    kicks("kicks, interrupts", Source::Interrupt, false, 3, 1, 1),
    kicks(
        "kicks, interrupts, EVENT_IDX",
        Source::Interrupt,
        true,
        3,
        1,
        1,
    ),
    pushes("kicks, pushed, polled", Source::Polled, 3, 1, 1),
    pushes("kicks, pushed, interrupts", Source::Interrupt, 3, 1, 1),
    lives("lives", 140, 0, true),
    lives("lives, a command", 14, 1, true),
    hangs("lives, a command hangs", 24),
];

/// On demand.
pub const LARGE: &[Configuration] = &[
    commands(
        "crash, reboot, at work",
        QUEUE,
        4,
        NONE.crashes(1).reboots(1),
        1,
    ),
    commands(
        "restart, timeout",
        NEGOTIATION,
        0,
        NONE.restarts(1).timeouts(1),
        0,
    ),
    commands(
        "restart, reboot",
        NEGOTIATION,
        0,
        NONE.restarts(1).reboots(1),
        0,
    ),
    commands("restart, at work", QUEUE, 4, NONE.restarts(1), 1),
    commands(
        "link loss, reboot",
        NEGOTIATION,
        0,
        NONE.losses(1).reboots(1),
        0,
    ),
    commands("link loss, at work", QUEUE, 4, NONE.losses(1), 1),
    commands("losses", &[Order::Reset], 0, NONE.losses(2), 0),
    commands("restarts", NEGOTIATION, 0, NONE.restarts(2), 0),
    commands(
        "timeout, reboot, two queues at work",
        TWO_QUEUES,
        5,
        NONE.timeouts(1).reboots(1),
        2,
    ),
    commands(
        "timeouts, reload, failure, at work",
        QUEUE_CYCLE,
        3,
        NONE.timeouts(2).reloads(1).failures(1),
        2,
    ),
    commands(
        "reboots, timeouts, at work",
        QUEUE,
        3,
        NONE.reboots(2).timeouts(2),
        1,
    ),
    commands(
        "restart, reboot, timeout",
        NEGOTIATION,
        0,
        NONE.restarts(1).reboots(1).timeouts(1),
        0,
    ),
    kicks("kicks, polled", Source::Polled, false, 4, 1, 1),
    kicks("kicks, polled, EVENT_IDX", Source::Polled, true, 4, 2, 1),
    kicks("kicks, interrupts", Source::Interrupt, false, 4, 2, 1),
    kicks(
        "kicks, interrupts, EVENT_IDX",
        Source::Interrupt,
        true,
        5,
        2,
        1,
    ),
    pushes("kicks, pushed, polled", Source::Polled, 4, 1, 1),
    pushes("kicks, pushed, interrupts", Source::Interrupt, 4, 2, 1),
    lives("lives, a command", 44, 1, true),
    hangs("lives, a command hangs", 56),
];

/// Where a fault is looked for: the smallest bounds in which it matters.
pub fn of_fault(fault: Fault) -> Configuration {
    use Fault as F;
    let small = |program, prepared, disturbances, work| {
        commands("fault", program, prepared, disturbances, work)
    };
    let configuration = match fault {
        F::EpochUnchecked
        | F::CopyUnchecked
        | F::EpochKept
        | F::RestartUnseen
        | F::EpochReadOnce => small(NEGOTIATION, 0, NONE.restarts(1), 0),
        F::OpcodeCompared => small(NEGOTIATION, 0, NONE.timeouts(2), 0),
        F::RfcNoSequence | F::RfcCommandErased => small(NEGOTIATION, 0, NONE.timeouts(1), 0),
        F::NumberErased | F::NumberNotTakenOver => small(NEGOTIATION, 0, NONE.reboots(1), 0),
        F::FailureSwallowed => small(QUEUE, 3, NONE.failures(1), 0),
        F::ResetWaitsForNobody => small(QUEUE, 5, NONE.timeouts(1), 1),
        F::StopLeavesQueues => small(QUEUE, 5, NONE.restarts(1), 0),
        F::RfcResetOnlyTold => small(QUEUE, 5, NONE.reloads(1), 0),
        F::RfcRingFreedAtOnce => small(QUEUE_CYCLE, 6, NONE, 1),
        F::PublishedLate | F::SequenceFirst => small(QUEUE, 0, NONE, 0),
        F::WordForgotten | F::StatusClearedLate | F::AnswerUnordered | F::ReadyFirst => {
            small(NEGOTIATION, 0, NONE, 0)
        }
        F::EpBeatsNot => lives("fault", 10, 0, false),
        F::EpPauses => lives("fault", 10, 1, false),
        F::EpBeatsForEver => hangs("fault", 24),
        F::RcBeatsNot => lives("fault", 124, 0, true),
        F::PushedLate => pushes("fault", Source::Polled, 2, 0, 0),
        F::StartNotPushed => pushes("fault", Source::Polled, 2, 1, 0),
        F::CounterRestarted => kicks("fault", Source::Polled, false, 3, 0, 1),
        F::EnabledWithoutLook => kicks("fault", Source::Polled, false, 2, 1, 0),
        F::CounterMissing
        | F::DoorbellFirst
        | F::SlotTakenLate
        | F::RearmedAfterLook
        | F::RearmedWithoutBarrier
        | F::RfcSlotCleared => kicks("fault", Source::Polled, false, 3, 0, 0),
    };
    with_fault(configuration, fault)
}

fn with_fault(configuration: Configuration, fault: Fault) -> Configuration {
    let fault = Some(fault);
    match configuration {
        Configuration::Commands(bounds) => Configuration::Commands(Bounds { fault, ..bounds }),
        Configuration::Kicks(bounds) => Configuration::Kicks(KickBounds { fault, ..bounds }),
        Configuration::Lives(bounds) => Configuration::Lives(LifeBounds { fault, ..bounds }),
    }
}
