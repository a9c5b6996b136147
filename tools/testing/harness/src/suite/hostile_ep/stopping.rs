// SPDX-License-Identifier: GPL-2.0
//! Answers as no endpoint may give them when a queue is to stop (`QUEUE_DISABLE`, then `QUEUE_GET_STATE`).
//!
//! The second queue of the network device is gone when Linux wants to set it up. So Linux gives up, and
//! stops the first queue, which runs already, without a reset.

use anyhow::{ensure, Result};
use transport::{offset, CommandError, Opcode};

use super::answers::{answers, never, NO_STATUS};
use super::attack::{Attack, Attacked, Course};
use crate::commands::forger::{Lie, Word};

const NO_SECOND_QUEUE: Lie = Lie::Hold(Word::Queue(1, offset::queue::SIZE_MAX), 0);

/// Vector of the first queue.
const VECTOR: u16 = 1;

const fn adding(name: &'static str, lies: &'static [Lie], message: &'static str) -> Attack {
    Attack {
        name,
        lies,
        course: Course::Add(message),
    }
}

pub const ATTACKS: &[Attack] = &[
    adding(
        "queue_is_gone",
        &[NO_SECOND_QUEUE],
        "probe with driver virtio_net failed with error -2",
    ),
    adding(
        "queue_disable_is_never_answered",
        &[NO_SECOND_QUEUE, never(Opcode::DisableQueue)],
        "Stopping a queue failed: ETIMEDOUT",
    ),
    adding(
        "queue_disable_is_refused",
        &[
            NO_SECOND_QUEUE,
            answers(
                Opcode::DisableQueue,
                offset::command::CMD_STATUS,
                CommandError::BadState as u32,
            ),
        ],
        "Endpoint lost (Failed)",
    ),
    adding(
        "queue_disable_with_an_unknown_status",
        &[
            NO_SECOND_QUEUE,
            answers(Opcode::DisableQueue, offset::command::CMD_STATUS, NO_STATUS),
        ],
        "DisableQueue was refused: Garbled",
    ),
    adding(
        "queue_disable_with_a_status_of_all_ones",
        &[
            NO_SECOND_QUEUE,
            answers(Opcode::DisableQueue, offset::command::CMD_STATUS, u32::MAX),
        ],
        "DisableQueue was refused: Garbled",
    ),
    adding(
        "queue_disable_is_answered_in_another_session",
        &[
            NO_SECOND_QUEUE,
            answers(Opcode::DisableQueue, offset::command::ANSWER_EPOCH, 0x1234),
        ],
        "DisableQueue met a restarted endpoint",
    ),
    adding(
        "link_dies_when_a_queue_is_disabled",
        &[
            NO_SECOND_QUEUE,
            never(Opcode::DisableQueue),
            Lie::HoldDuring(
                Opcode::DisableQueue,
                Word::Identity(offset::EPOCH),
                u32::MAX,
            ),
        ],
        "DisableQueue met a dead link",
    ),
    adding(
        "queue_state_is_never_answered",
        &[NO_SECOND_QUEUE, never(Opcode::GetQueueState)],
        "Stopping a queue failed: ETIMEDOUT",
    ),
    adding(
        "queue_state_of_all_ones",
        &[
            NO_SECOND_QUEUE,
            answers(Opcode::GetQueueState, offset::command::RESULT, u32::MAX),
        ],
        "GetQueueState was refused: Garbled",
    ),
    Attack {
        name: "interrupts_of_a_queue_that_was_disabled",
        lies: &[],
        course: Course::Free(interrupts_of_a_queue_that_was_disabled),
    },
];

fn interrupts_of_a_queue_that_was_disabled(attacked: &mut Attacked) -> Result<()> {
    attacked.tell(&[NO_SECOND_QUEUE])?;
    attacked.try_add()?;
    let ep = &mut attacked.link.ep;
    let queue = Word::Queue(0, offset::queue::STATUS);
    let status = attacked.forger.peek(ep, queue)?;
    ensure!(status == 0, "the first queue was not disabled");
    attacked.tell(&[Lie::Raise(VECTOR, 5000)])?;
    attacked.rc("vdpa dev config show vdpa0").map(drop)
}
