// SPDX-License-Identifier: GPL-2.0

//! Every command, and its borders.

mod config;
mod device;
mod groups;
mod interrupts;
mod mapping;
mod push;
mod queue;

use crate::model::Rig;
use transport::{feature, AnswerError, Command, CommandError, DeviceStatus, Offset, Reply};

/// Split ring.
const SPLIT: u64 = feature::OFFERED;
/// Packed ring.
const PACKED: u64 = feature::OFFERED | feature::RING_PACKED;

fn status(bits: u8) -> Result<Reply, AnswerError> {
    Ok(Reply::Status(DeviceStatus::from_bits(bits)))
}

fn queue_status(queue: u16) -> Offset {
    Offset::new(0x300 + u32::from(queue) * 16 + 4)
}

#[test]
fn errors_of_the_device_reach_the_root_complex() {
    for error in CommandError::ALL {
        let mut rig = Rig::with_queue(SPLIT);
        rig.backend.error = Some(error);
        assert_eq!(
            rig.send(&Command::GetQueueState(1)),
            Err(AnswerError::Refused(error))
        );
    }
}
