// SPDX-License-Identifier: GPL-2.0
//! Registers as no endpoint may have them (Documentation/transport.rst, "Identity").

use anyhow::Result;
use transport::{offset, Offset, TransportFeatures};

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

/// An identity with one word that is wrong.
const fn wrong(name: &'static str, lies: &'static [Lie], message: &'static str) -> Attack {
    Attack {
        name,
        lies,
        course: Course::Refused(message),
    }
}

const ALL_ONES: u32 = u32::MAX;
const LINK_DOWN: &str = "The link to the endpoint is down";
const OVERLAP: &str = "not legal: Layout(Overlap)";
const OUTSIDE: &str = "not legal: Layout(OutsideBar)";
const MISALIGNED: &str = "not legal: Layout(Misaligned)";
const QUEUE_COUNT: &str = "not legal: Layout(QueueCount)";
const QUEUE_TABLE: &str = "not legal: Layout(QueueTable)";
const PUSH_AREAS: &str = "not legal: Layout(PushAreas)";
const DOORBELLS: &str = "not legal: Layout(Doorbells)";

/// The transport feature that has groups.
const GROUPS: u32 = TransportFeatures::GROUPS.word();

/// The transport feature that has push areas.
const PUSH: u32 = TransportFeatures::PUSH.word();

/// The offset word of a region; the size is the next one.
const fn size_of(region: Offset) -> Offset {
    region.word(1)
}

/// Push areas of all queues in BAR 0.
const fn push_areas(start: u32, size: u32, stride: u32) -> [Lie; 5] {
    [
        shows(offset::TRANSPORT_FEATURES, PUSH),
        shows(offset::PUSH_BAR, 0),
        shows(offset::PUSH_REGION, start),
        shows(size_of(offset::PUSH_REGION), size),
        shows(offset::PUSH_STRIDE, stride),
    ]
}

const ATTACKS: &[Attack] = &[
    wrong(
        "magic_of_another_device",
        &[shows(offset::MAGIC, 0x1234_5678)],
        "No BAR begins with 0x56465045",
    ),
    wrong(
        "magic_all_ones",
        &[shows(offset::MAGIC, ALL_ONES)],
        "reads all-ones",
    ),
    wrong(
        "version_all_ones",
        &[shows(offset::VERSION, ALL_ONES)],
        LINK_DOWN,
    ),
    wrong(
        "ready_never",
        &[shows(offset::READY, 0)],
        "Endpoint not ready within",
    ),
    wrong(
        "epoch_all_ones",
        &[shows(offset::EPOCH, ALL_ONES)],
        LINK_DOWN,
    ),
    wrong(
        "epoch_zero",
        &[shows(offset::EPOCH, 0)],
        "Endpoint not ready within",
    ),
    wrong(
        "no_group_of_queues",
        &[
            shows(offset::TRANSPORT_FEATURES, GROUPS),
            shows(offset::NUM_GROUPS, 0),
            shows(offset::NUM_SPACES, 1),
        ],
        "not legal: Groups(",
    ),
    wrong(
        "too_many_address_spaces",
        &[
            shows(offset::TRANSPORT_FEATURES, GROUPS),
            shows(offset::NUM_GROUPS, 8),
            shows(offset::NUM_SPACES, 9),
        ],
        "not legal: Groups(",
    ),
    wrong(
        "push_areas_of_no_size",
        &push_areas(0x8000, 0x8000, 0),
        PUSH_AREAS,
    ),
    wrong(
        "push_areas_smaller_than_their_sum",
        &push_areas(0x8000, 0x1000, 0x1000),
        PUSH_AREAS,
    ),
    wrong(
        "push_areas_over_the_commands",
        &push_areas(0x100, 0x1000, 0x40),
        OVERLAP,
    ),
    wrong(
        "push_areas_outside_the_bar",
        &push_areas(0x8000_0000, 0x8000, 0x1000),
        OUTSIDE,
    ),
    wrong(
        "features_without_version_1",
        &[shows(offset::DEVICE_FEATURES.word(1), 0x12)],
        "not legal: Features",
    ),
    wrong(
        "features_without_access_platform",
        &[shows(offset::DEVICE_FEATURES.word(1), 0x11)],
        "not legal: Features",
    ),
    wrong(
        "device_id_zero",
        &[shows(offset::DEVICE_ID, 0)],
        "not legal: DeviceId",
    ),
    wrong("no_queues", &[shows(offset::NUM_QUEUES, 0)], QUEUE_COUNT),
    wrong(
        "too_many_queues",
        &[shows(offset::NUM_QUEUES, 65)],
        QUEUE_COUNT,
    ),
    wrong(
        "num_queues_all_ones",
        &[shows(offset::NUM_QUEUES, ALL_ONES)],
        QUEUE_COUNT,
    ),
    wrong(
        "more_queues_than_the_table_has",
        &[shows(offset::NUM_QUEUES, 64)],
        QUEUE_TABLE,
    ),
    wrong(
        "queue_size_max_zero",
        &[shows(offset::QUEUE_SIZE_MAX, 0)],
        "not legal: QueueSize(0)",
    ),
    wrong(
        "queue_size_max_no_power_of_two",
        &[shows(offset::QUEUE_SIZE_MAX, 48)],
        "not legal: QueueSize(48)",
    ),
    wrong(
        "queue_size_max_too_large",
        &[shows(offset::QUEUE_SIZE_MAX, 65536)],
        "not legal: QueueSize(65536)",
    ),
    wrong(
        "command_block_over_the_identity",
        &[shows(offset::COMMAND_REGION, 0x80)],
        OVERLAP,
    ),
    wrong(
        "command_block_over_the_queue_table",
        &[shows(offset::COMMAND_REGION, 0x104)],
        OVERLAP,
    ),
    wrong(
        "command_block_unaligned",
        &[shows(offset::COMMAND_REGION, 0x8002)],
        MISALIGNED,
    ),
    wrong(
        "command_block_outside",
        &[shows(offset::COMMAND_REGION, 0x10_0000)],
        OUTSIDE,
    ),
    wrong(
        "command_block_beyond_4_gib",
        &[shows(offset::COMMAND_REGION, 0xffff_fffc)],
        OUTSIDE,
    ),
    wrong(
        "command_block_too_small",
        &[shows(size_of(offset::COMMAND_REGION), 0x1fc)],
        "not legal: Layout(CommandSize)",
    ),
    wrong(
        "command_block_all_ones_long",
        &[shows(size_of(offset::COMMAND_REGION), ALL_ONES)],
        OUTSIDE,
    ),
    wrong(
        "queue_table_over_the_command_block",
        &[shows(offset::QUEUE_TABLE_REGION, 0x200)],
        OVERLAP,
    ),
    wrong(
        "queue_table_too_small",
        &[shows(size_of(offset::QUEUE_TABLE_REGION), 16)],
        QUEUE_TABLE,
    ),
    wrong(
        "queue_stride_too_small",
        &[shows(offset::QUEUE_STRIDE, 12)],
        QUEUE_TABLE,
    ),
    wrong(
        "queue_stride_unaligned",
        &[shows(offset::QUEUE_STRIDE, 18)],
        QUEUE_TABLE,
    ),
    wrong(
        "queue_stride_all_ones",
        &[shows(offset::QUEUE_STRIDE, ALL_ONES)],
        QUEUE_TABLE,
    ),
    wrong(
        "config_too_large",
        &[shows(size_of(offset::CONFIG_REGION), 4097)],
        "not legal: Layout(ConfigSize)",
    ),
    wrong(
        "config_outside",
        &[shows(offset::CONFIG_REGION, 0x10_0000)],
        OUTSIDE,
    ),
    wrong(
        "config_over_the_command_block",
        &[shows(offset::CONFIG_REGION, 0x180)],
        OVERLAP,
    ),
    wrong(
        "doorbell_kind_unknown",
        &[shows(offset::DOORBELL_KIND, 4)],
        "not legal: DoorbellKind(4)",
    ),
    wrong(
        "doorbell_kind_none",
        &[shows(offset::DOORBELL_KIND, 0)],
        "not legal: DoorbellKind(0)",
    ),
    wrong(
        "doorbell_bar_absent",
        &[shows(offset::DOORBELL_BAR, 5)],
        OUTSIDE,
    ),
    wrong(
        "doorbell_bar_beyond_the_last",
        &[shows(offset::DOORBELL_BAR, 6)],
        OUTSIDE,
    ),
    wrong(
        "doorbell_bar_all_ones",
        &[shows(offset::DOORBELL_BAR, ALL_ONES)],
        OUTSIDE,
    ),
    wrong(
        "doorbells_outside",
        &[shows(offset::DOORBELL_REGION, 0x10_0000)],
        OUTSIDE,
    ),
    wrong(
        "doorbells_over_the_identity",
        &[shows(offset::DOORBELL_REGION, 0)],
        OVERLAP,
    ),
    wrong(
        "doorbell_stride_unaligned",
        &[shows(offset::DOORBELL_STRIDE, 2)],
        DOORBELLS,
    ),
    wrong(
        "doorbell_stride_all_ones",
        &[shows(offset::DOORBELL_STRIDE, 0xffff_fffc)],
        DOORBELLS,
    ),
    wrong(
        "polled_doorbell_shared",
        &[shows(offset::DOORBELL_STRIDE, 0)],
        DOORBELLS,
    ),
    wrong(
        "no_doorbells",
        &[shows(size_of(offset::DOORBELL_REGION), 0)],
        DOORBELLS,
    ),
    wrong(
        "msix_bar_beyond_the_last",
        &[shows(offset::MSIX_BAR, 9)],
        OUTSIDE,
    ),
    wrong(
        "msix_outside",
        &[shows(offset::MSIX_REGION, 0x10_0000)],
        OUTSIDE,
    ),
    wrong(
        "msix_over_the_command_block",
        &[shows(offset::MSIX_REGION, 0x100)],
        OVERLAP,
    ),
    Attack {
        name: "queue_of_size_zero",
        lies: &[Lie::Hold(Word::Queue(0, offset::queue::SIZE_MAX), 0)],
        course: Course::Add("probe with driver virtio_net failed"),
    },
    Attack {
        name: "queue_larger_than_the_largest",
        lies: &[Lie::Hold(Word::Queue(0, offset::queue::SIZE_MAX), 32768)],
        course: Course::Add("probe with driver virtio_net failed"),
    },
    Attack {
        name: "epoch_changes_while_the_identity_is_read",
        lies: &[],
        course: Course::Free(epoch_changes_while_the_identity_is_read),
    },
];

/// The driver reads again and again (I5), until the epoch stays.
fn epoch_changes_while_the_identity_is_read(attacked: &mut Attacked) -> Result<()> {
    attacked.unbind()?;
    attacked.tell(&[Lie::Churn(Word::Identity(offset::EPOCH))])?;
    match attacked.try_bind()? {
        true => Ok(()),
        false => attacked.take_over_honest(),
    }
}
