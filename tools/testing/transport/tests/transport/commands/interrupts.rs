// SPDX-License-Identifier: GPL-2.0

//! Commands for interrupts.

use super::SPLIT;
use crate::model::Rig;
use transport::CommandError::{BadArgument, BadState};
use transport::{AnswerError, Command, InterruptMode, NO_VECTOR};

#[test]
fn interrupts_are_what_pci_allows() {
    for (mode, vectors, config_vector) in [
        (0, 0, NO_VECTOR),
        (1, 1, 0),
        (2, 1, 0),
        (2, 32, 31),
        (3, 1, NO_VECTOR),
        (3, 2048, 2047),
    ] {
        let mut rig = Rig::connected();
        rig.okay(&Command::SetInterrupts {
            mode,
            vectors,
            config_vector,
        });
        let interrupts = rig.ep.interrupts();
        assert_eq!(interrupts.mode() as u32, mode);
        assert_eq!(u32::from(interrupts.vectors()), vectors);
        assert_eq!(
            interrupts.config_vector().map_or(NO_VECTOR, u32::from),
            config_vector
        );
    }
    for (mode, vectors, config_vector) in [
        (0, 1, NO_VECTOR),
        (0, 0, 0),
        (1, 0, NO_VECTOR),
        (1, 2, 0),
        (2, 33, 0),
        (2, 4, 4),
        (3, 0, NO_VECTOR),
        (3, 2049, 0),
        (3, 4, 0x10000),
        (3, 0x1_0001, 0),
        (4, 1, 0),
        (u32::MAX, 1, 0),
    ] {
        let mut rig = Rig::connected();
        rig.refused(
            &Command::SetInterrupts {
                mode,
                vectors,
                config_vector,
            },
            BadArgument,
        );
        assert_eq!(rig.ep.interrupts().mode(), InterruptMode::None);
    }
}

#[test]
fn interrupts_are_not_changed_under_a_queue() {
    let command = Command::SetInterrupts {
        mode: 1,
        vectors: 1,
        config_vector: 0,
    };
    let mut rig = Rig::with_queue(SPLIT);
    rig.refused(&command, BadState);
    rig.okay(&Command::Reset);
    rig.okay(&command);
}

#[test]
fn interrupts_that_the_controller_lacks_are_refused() {
    let mut rig = Rig::connected();
    rig.backend.error = Some(BadArgument);
    let command = Command::SetInterrupts {
        mode: 3,
        vectors: 9,
        config_vector: 0,
    };
    assert_eq!(rig.send(&command), Err(AnswerError::Refused(BadArgument)));
    assert_eq!(rig.ep.interrupts().vectors(), 0);
}
