// SPDX-License-Identifier: GPL-2.0
//! Used rings and frames as no network device may write them. The virtio core of the RC has to cope:
//! it gives the queue up, or drops the frame.

use anyhow::Result;

use super::attack::{self, Attack, Attacked, Course};
use super::Machines;
use crate::commands::forger::{Kind, Lie};
use crate::runner::Record;

pub fn run(machines: &mut Machines, record: &mut Record) -> Result<()> {
    attack::run(machines, record, Kind::Net, ATTACKS)
}

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// More than a queue of the forger has.
const NO_ID: u32 = 64;
/// Length of the header in front of a frame.
const HEADER: u32 = 12;

/// A frame to nobody, behind a header that says it takes so many buffers.
const fn frame(num_buffers: u16) -> [u8; 76] {
    let mut bytes = [0; 76];
    let [low, high] = num_buffers.to_le_bytes();
    bytes[10] = low;
    bytes[11] = high;
    bytes
}

const NO_BUFFERS: &[u8] = &frame(0);
const ALL_BUFFERS: &[u8] = &frame(u16::MAX);
const ONE_BUFFER: &[u8] = &frame(1);

const ATTACKS: &[Attack] = &[
    Attack {
        name: "used_id_out_of_range",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Used(RECEIVE, NO_ID, HEADER + 64, 1)]),
            "id 64 out of range",
        ),
    },
    Attack {
        name: "used_id_all_ones",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Used(RECEIVE, u32::MAX, HEADER + 64, 1)]),
            "id 4294967295 out of range",
        ),
    },
    Attack {
        name: "used_id_that_is_not_outstanding",
        lies: &[],
        course: Course::During(
            |attacked| {
                let twice = Lie::Used(RECEIVE, 0, HEADER + 64, 1);
                with_interface(attacked, &[twice, twice, twice])
            },
            "",
        ),
    },
    Attack {
        name: "used_length_of_4_gib",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Used(RECEIVE, 0, u32::MAX, 1)]),
            "",
        ),
    },
    Attack {
        name: "used_length_shorter_than_a_header",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Used(RECEIVE, 0, 3, 1)]),
            "",
        ),
    },
    Attack {
        name: "used_index_jumps",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Used(RECEIVE, 0, HEADER + 64, 0x8000)]),
            "",
        ),
    },
    Attack {
        name: "used_index_goes_back",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Used(RECEIVE, 0, HEADER + 64, 0xffff)]),
            "",
        ),
    },
    // With the interface up, virtio_net of this kernel goes on looking at a transmit queue that the
    // virtio core gave up, for ever: Documentation/trust.rst.
    Attack {
        name: "used_entry_of_a_queue_without_buffers",
        lies: &[Lie::Used(TRANSMIT, 0, 0, 1)],
        course: Course::During(|_| Ok(()), ""),
    },
    Attack {
        name: "frame_in_no_buffers",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Give(RECEIVE, HEADER + 64, NO_BUFFERS)]),
            "",
        ),
    },
    Attack {
        name: "frame_in_more_buffers_than_there_are",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Give(RECEIVE, HEADER + 64, ALL_BUFFERS)]),
            "",
        ),
    },
    Attack {
        name: "frame_longer_than_its_buffer",
        lies: &[],
        course: Course::During(
            |attacked| with_interface(attacked, &[Lie::Give(RECEIVE, u32::MAX, ONE_BUFFER)]),
            "",
        ),
    },
];

/// Lies while the interface is up; it must go down again.
fn with_interface(attacked: &mut Attacked, lies: &[Lie]) -> Result<()> {
    attacked.rc("ip link set eth0 up")?;
    attacked.tell(lies)?;
    // The driver looks at the queue in the interrupt and right after it; going down waits for that.
    attacked.rc("ip link set eth0 down").map(drop)
}
