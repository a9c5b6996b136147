// SPDX-License-Identifier: GPL-2.0
//! A disk that answers nonsense and changes its size.

use anyhow::{ensure, Result};

use super::attack::{self, Attack, Attacked, Course};
use super::{in_flight, Machines};
use crate::commands::forger::{Kind, Lie, Word};
use crate::runner::Record;

pub fn run(machines: &mut Machines, record: &mut Record) -> Result<()> {
    attack::run(
        machines,
        record,
        Kind::Block,
        ATTACKS.iter().chain(in_flight::ATTACKS),
    )
}

const CAPACITY_LOW: Word = Word::Config(0);
const CAPACITY_HIGH: Word = Word::Config(1);

/// The config space changes, and the RC is told.
const CHANGED: Lie = Lie::Raise(0, 1);

const ATTACKS: &[Attack] = &[
    Attack {
        name: "status_byte_of_an_error",
        lies: &[Lie::BlockStatus(1)],
        course: Course::During(reads_fail, "I/O error, dev vda"),
    },
    Attack {
        name: "status_byte_unknown",
        lies: &[Lie::BlockStatus(3)],
        course: Course::During(reads_fail, "I/O error, dev vda"),
    },
    Attack {
        name: "status_byte_all_ones",
        lies: &[Lie::BlockStatus(255)],
        course: Course::During(reads_fail, "I/O error, dev vda"),
    },
    Attack {
        name: "status_byte_unknown_when_partitions_are_read",
        lies: &[Lie::BlockStatus(255)],
        course: Course::Add("I/O error, dev vda"),
    },
    Attack {
        name: "capacity_becomes_zero",
        lies: &[Lie::Hold(CAPACITY_LOW, 0), CHANGED],
        course: Course::During(|attacked| attacked.wait_for_message("new size: 0 "), ""),
    },
    Attack {
        name: "capacity_becomes_2_tib",
        lies: &[Lie::Hold(CAPACITY_LOW, u32::MAX), CHANGED],
        course: Course::During(
            |attacked| attacked.wait_for_message("new size: 4294967295 "),
            "",
        ),
    },
    Attack {
        name: "capacity_becomes_all_ones",
        lies: &[
            Lie::Hold(CAPACITY_LOW, u32::MAX),
            Lie::Hold(CAPACITY_HIGH, u32::MAX),
            CHANGED,
        ],
        course: Course::During(
            |attacked| attacked.wait_for_message("new size: 18446744073709551615 "),
            "",
        ),
    },
    Attack {
        name: "capacity_changes_all_the_time",
        lies: &[Lie::Churn(CAPACITY_LOW), Lie::Raise(0, 200)],
        course: Course::During(reads_end, ""),
    },
];

const READ: &str = "dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct";

/// Fails if a read succeeds.
pub fn reads_fail(attacked: &mut Attacked) -> Result<()> {
    ensure!(!attacked.try_rc(READ)?, "a read succeeded");
    Ok(())
}

fn reads_end(attacked: &mut Attacked) -> Result<()> {
    attacked.try_rc(READ).map(drop)
}
