// SPDX-License-Identifier: GPL-2.0
//! A device that is in use, and an endpoint that does not keep to a session, its status, its config
//! space or its interrupts.

use anyhow::{ensure, Result};
use transport::{offset, CommandError, DeviceStatus, Offset, Opcode};

use super::attack::{self, Attack, Attacked, Course};
use super::Machines;
use crate::commands::forger::{Kind, Lie, Word};
use crate::runner::Record;

pub fn run(machines: &mut Machines, record: &mut Record) -> Result<()> {
    attack::run(machines, record, Kind::Net, ATTACKS)
}

const fn shows(offset: Offset, value: u32) -> Lie {
    Lie::Hold(Word::Identity(offset), value)
}

/// What the status is of a device in use.
pub const IN_USE: u32 = 15;

const ATTACKS: &[Attack] = &[
    Attack {
        name: "epoch_changes",
        lies: &[shows(offset::EPOCH, 0x1234_5678)],
        course: Course::During(
            |attacked| attacked.wait_for_message("Endpoint lost (Restarted)"),
            "",
        ),
    },
    Attack {
        name: "epoch_becomes_all_ones",
        lies: &[shows(offset::EPOCH, u32::MAX)],
        course: Course::During(
            |attacked| attacked.wait_for_message("Endpoint lost (LinkDead)"),
            "",
        ),
    },
    Attack {
        name: "heartbeat_stops",
        lies: &[shows(offset::HEARTBEAT, 7)],
        course: Course::During(
            |attacked| attacked.wait_for_message("Endpoint lost (Silent)"),
            "",
        ),
    },
    Attack {
        name: "does_not_come_back_while_the_device_is_deleted",
        lies: &[shows(offset::EPOCH, 0x1234_5678), shows(offset::READY, 0)],
        course: Course::During(
            |attacked| attacked.rc("vdpa dev del vdpa0").map(drop),
            "Endpoint not ready within",
        ),
    },
    Attack {
        name: "comes_back_as_another_device",
        lies: &[
            shows(offset::EPOCH, 0x1234_5678),
            shows(offset::DEVICE_ID, 2),
        ],
        course: Course::During(
            |attacked| attacked.rc("vdpa dev del vdpa0").map(drop),
            "came back as another device",
        ),
    },
    Attack {
        name: "comes_back_with_other_regions",
        lies: &[
            shows(offset::EPOCH, 0x1234_5678),
            shows(offset::CONFIG_REGION, 0x8000),
        ],
        course: Course::During(
            |attacked| attacked.rc("vdpa dev del vdpa0").map(drop),
            "came back as another device",
        ),
    },
    Attack {
        name: "reset_is_refused_while_the_device_is_deleted",
        lies: &[Lie::HoldDuring(
            Opcode::Reset,
            Word::Command(offset::command::CMD_STATUS),
            CommandError::Failed as u32,
        )],
        course: Course::During(
            |attacked| attacked.rc("vdpa dev del vdpa0").map(drop),
            "Reset was refused: Refused(Failed)",
        ),
    },
    Attack {
        name: "status_stays_while_the_device_is_deleted",
        lies: &[shows(offset::DEVICE_STATUS, IN_USE)],
        course: Course::During(|attacked| attacked.rc("vdpa dev del vdpa0").map(drop), ""),
    },
    Attack {
        name: "status_is_there_before_the_driver",
        lies: &[shows(offset::DEVICE_STATUS, IN_USE)],
        course: Course::Add(""),
    },
    Attack {
        name: "status_has_all_bits",
        lies: &[shows(offset::DEVICE_STATUS, u32::MAX)],
        course: Course::Add(""),
    },
    Attack {
        name: "needs_reset_storm",
        lies: &[],
        course: Course::During(needs_reset_storm, ""),
    },
    Attack {
        name: "config_generation_stays_odd",
        lies: &[shows(offset::CONFIG_GENERATION, 7)],
        course: Course::During(
            config_is_read_in_time,
            "Reading the device config failed: ETIMEDOUT",
        ),
    },
    Attack {
        name: "config_generation_is_odd_when_the_driver_reads",
        lies: &[shows(offset::CONFIG_GENERATION, 7)],
        course: Course::Add("Reading the device config failed: ETIMEDOUT"),
    },
    Attack {
        name: "config_generation_changes_all_the_time",
        lies: &[Lie::Churn(Word::Identity(offset::CONFIG_GENERATION))],
        course: Course::Add(""),
    },
    Attack {
        name: "config_changes_without_a_generation",
        lies: &[Lie::Churn(Word::Config(0)), Lie::Raise(0, 100)],
        course: Course::During(config_is_read_in_time, ""),
    },
    Attack {
        name: "config_interrupt_storm",
        lies: &[Lie::Raise(0, 5000)],
        course: Course::During(config_is_read_in_time, ""),
    },
    Attack {
        name: "queue_interrupt_storm_without_buffers",
        lies: &[Lie::Raise(1, 5000), Lie::Raise(2, 5000)],
        course: Course::During(config_is_read_in_time, ""),
    },
    Attack {
        name: "interrupts_before_the_driver",
        lies: &[Lie::Raise(0, 100), Lie::Raise(1, 100), Lie::Raise(2, 100)],
        course: Course::Add(""),
    },
    Attack {
        name: "vectors_that_do_not_exist",
        lies: &[],
        course: Course::During(vectors_that_do_not_exist, ""),
    },
];

fn config_is_read_in_time(attacked: &mut Attacked) -> Result<()> {
    attacked.rc("vdpa dev config show vdpa0").map(drop)
}

fn needs_reset_storm(attacked: &mut Attacked) -> Result<()> {
    let status = Word::Identity(offset::DEVICE_STATUS);
    let needs_reset = IN_USE | u32::from(DeviceStatus::DEVICE_NEEDS_RESET.bits());
    let storm = [
        Lie::Poke(status, needs_reset),
        Lie::Raise(0, 10),
        Lie::Poke(status, IN_USE),
        Lie::Raise(0, 10),
    ];
    // Until the RC cuts it off, when interrupts are not raised any more.
    attacked.try_tell(&storm.repeat(50))?;
    config_is_read_in_time(attacked)
}

/// The controller raises what the RC enabled and nothing else; the rest must not reach the RC.
fn vectors_that_do_not_exist(attacked: &mut Attacked) -> Result<()> {
    for vector in [3, 2047] {
        let is_raised = attacked.try_tell(&[Lie::Raise(vector, 1)])?;
        ensure!(!is_raised, "vector {vector} was raised");
    }
    config_is_read_in_time(attacked)
}
