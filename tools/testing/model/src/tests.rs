// SPDX-License-Identifier: GPL-2.0

//! The small bounds, and the faults that must be found: the table of `Documentation/proof.rst`.

use crate::configurations::{of_fault, SMALL};
use crate::fault::Fault;
use clap::ValueEnum;

#[test]
fn no_property_is_violated_within_the_small_bounds() {
    for configuration in SMALL {
        let figures = configuration.explore(2, |_| {});
        assert!(figures.is_good, "{}", configuration.name());
    }
}

/// The property that catches a fault, and the length of the shortest way to it.
const CAUGHT: &[(Fault, &str, usize)] = &[
    (Fault::EpochUnchecked, "P3", 22),
    (Fault::CopyUnchecked, "P3", 39),
    (Fault::WordForgotten, "P2", 21),
    (Fault::StatusClearedLate, "P1", 31),
    (Fault::AnswerUnordered, "P1", 29),
    (Fault::PublishedLate, "P7", 71),
    (Fault::SequenceFirst, "P3", 91),
    (Fault::NumberErased, "P1", 49),
    (Fault::NumberNotTakenOver, "P1", 39),
    (Fault::OpcodeCompared, "P1", 35),
    (Fault::RestartUnseen, "P4", 28),
    (Fault::EpochReadOnce, "P8", 15),
    (Fault::EpochKept, "P4", 27),
    (Fault::ReadyFirst, "P8", 10),
    (Fault::FailureSwallowed, "P6", 40),
    (Fault::ResetWaitsForNobody, "P5", 28),
    (Fault::StopLeavesQueues, "P5", 3),
    (Fault::RfcNoSequence, "P1", 34),
    (Fault::RfcCommandErased, "P4", 28),
    (Fault::RfcResetOnlyTold, "P7", 28),
    (Fault::RfcRingFreedAtOnce, "P5", 2),
    (Fault::CounterMissing, "P9", 19),
    (Fault::CounterRestarted, "P9", 21),
    (Fault::DoorbellFirst, "P9", 21),
    (Fault::SlotTakenLate, "P9", 21),
    (Fault::EnabledWithoutLook, "P9", 12),
    (Fault::RearmedAfterLook, "P9", 13),
    (Fault::RearmedWithoutBarrier, "P9", 13),
    (Fault::RfcSlotCleared, "P9", 21),
];

#[test]
fn each_planted_fault_is_caught() {
    assert_eq!(CAUGHT.len(), Fault::value_variants().len());
    for (fault, number, length) in CAUGHT {
        let found = of_fault(*fault).shortest();
        let found = found.unwrap_or_else(|| panic!("{fault:?} is not caught"));
        let (caught, _) = found.violated.name().split_at(2);
        assert_eq!((caught, found.steps.len()), (*number, *length), "{fault:?}");
    }
}
