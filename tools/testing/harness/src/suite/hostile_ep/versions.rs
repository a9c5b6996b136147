// SPDX-License-Identifier: GPL-2.0
//! Endpoints of other versions (Documentation/transport.rst, "Versions").

use anyhow::Result;
use transport::{offset, Offset, TransportFeatures, Version};

use super::attack::{self, Attack, Course};
use super::Machines;
use crate::commands::forger::{Kind, Lie, Word};
use crate::runner::Record;

pub fn run(machines: &mut Machines, record: &mut Record) -> Result<()> {
    attack::run(machines, record, Kind::Net, ATTACKS)
}

const OURS: Version = Version::CURRENT;

const fn shows(offset: Offset, value: u32) -> Lie {
    Lie::Hold(Word::Identity(offset), value)
}

const fn version(major: u16, minor: u16) -> Lie {
    shows(offset::VERSION, Version { major, minor }.word())
}

/// Where a later version may have put its queue table, with larger entries.
const QUEUE_TABLE: u32 = 0x8000;
const QUEUE_STRIDE: u32 = 64;

const fn entry(queue: u32, word: Offset) -> Offset {
    Offset::new(QUEUE_TABLE + queue * QUEUE_STRIDE + word.bytes())
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "newer_major",
        lies: &[version(OURS.major + 1, 0)],
        course: Course::Refused(
            "Endpoint speaks protocol 2.0, this driver 1.x; update the older side",
        ),
    },
    Attack {
        name: "older_major",
        lies: &[version(OURS.major - 1, 7)],
        course: Course::Refused(
            "Endpoint speaks protocol 0.7, this driver 1.x; update the older side",
        ),
    },
    Attack {
        name: "newer_minor",
        lies: &[version(OURS.major, OURS.minor + 1)],
        course: Course::Harmless("protocol 1.3,"),
    },
    Attack {
        name: "newer_minor_with_all_that_it_may_have",
        lies: &[
            version(OURS.major, OURS.minor + 1),
            // All but push areas, whose words are reserved then.
            shows(offset::TRANSPORT_FEATURES, !TransportFeatures::PUSH.word()),
            // Besides the bits of the transport 51 and 58, which no network device has yet.
            shows(offset::DEVICE_FEATURES.word(1), 0x0408_0013),
            shows(offset::NUM_GROUPS, 8),
            shows(offset::NUM_SPACES, 8),
            // Words in reserved places of the identity and the command block.
            shows(offset::PUSH_BAR, u32::MAX),
            shows(offset::RESERVED, u32::MAX),
            shows(Offset::new(0xfc), 1),
            Lie::Hold(Word::Command(Offset::new(0x10c)), u32::MAX),
            Lie::Hold(Word::Command(Offset::new(0x120)), u32::MAX),
            Lie::Hold(Word::Command(Offset::new(0x1fc)), u32::MAX),
            // Larger entries, in a larger table.
            shows(offset::QUEUE_TABLE_REGION, QUEUE_TABLE),
            shows(offset::QUEUE_TABLE_REGION.word(1), 0x1000),
            shows(offset::QUEUE_STRIDE, QUEUE_STRIDE),
            shows(entry(0, offset::queue::SIZE_MAX), 64),
            shows(entry(0, offset::queue::GROUP), 7),
            shows(entry(0, Offset::new(0x10)), u32::MAX),
            shows(entry(1, offset::queue::SIZE_MAX), 64),
            shows(entry(1, offset::queue::GROUP), u32::MAX),
        ],
        course: Course::Harmless("protocol 1.3,"),
    },
];
