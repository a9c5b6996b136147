// SPDX-License-Identifier: GPL-2.0

//! Commands for queues.

use super::{queue_status, PACKED, SPLIT};
use crate::model::{setup_request, Call, Rig};
use transport::CommandError::{BadArgument, BadState, NoResources};
use transport::{AnswerError, Command, QueueRequest, QueueState, Reply};

#[test]
fn a_queue_is_set_up_as_asked() {
    let mut rig = Rig::negotiated(SPLIT);
    let request = QueueRequest {
        vector: 3,
        ..setup_request(2, 64)
    };
    rig.okay(&Command::SetupQueue(request));
    let calls = rig.backend.take_calls();
    let [Call::SetupQueue(setup)] = calls[..] else {
        panic!("{calls:?}");
    };
    assert_eq!(
        (setup.queue().get(), setup.size().get(), setup.vector()),
        (2, 64, Some(3))
    );
    assert_eq!(setup.desc_area(), request.desc_area);
    assert_eq!(setup.driver_area(), request.driver_area);
    assert_eq!(setup.device_area(), request.device_area);
}

#[test]
fn borders_of_a_split_queue() {
    let base = setup_request(1, 128);
    let top = 0u64.wrapping_sub(128 * 16);
    for request in [
        QueueRequest { size: 1, ..base },
        QueueRequest { vector: 0, ..base },
        QueueRequest {
            desc_area: 0,
            driver_area: 2,
            device_area: 4,
            ..base
        },
        QueueRequest {
            desc_area: top - 16,
            ..base
        },
        QueueRequest {
            driver_area: u64::MAX - 6 - 256 - 1,
            ..base
        },
    ] {
        Rig::negotiated(SPLIT).okay(&Command::SetupQueue(request));
    }
    for request in [
        QueueRequest { queue: 3, ..base },
        QueueRequest {
            queue: 0x1_0001,
            ..base
        },
        QueueRequest {
            queue: u32::MAX,
            ..base
        },
        QueueRequest { size: 0, ..base },
        QueueRequest { size: 100, ..base },
        QueueRequest { size: 256, ..base },
        QueueRequest {
            size: 1 << 16,
            ..base
        },
        QueueRequest {
            size: (1 << 16) + 64,
            ..base
        },
        QueueRequest { vector: 4, ..base },
        QueueRequest {
            vector: 0x1_0000,
            ..base
        },
        QueueRequest {
            vector: u32::MAX,
            ..base
        },
        QueueRequest {
            desc_area: 8,
            ..base
        },
        QueueRequest {
            driver_area: 1,
            ..base
        },
        QueueRequest {
            device_area: 2,
            ..base
        },
        QueueRequest {
            desc_area: top,
            ..base
        },
        QueueRequest {
            driver_area: u64::MAX - 1,
            ..base
        },
        QueueRequest {
            device_area: u64::MAX - 3,
            ..base
        },
    ] {
        Rig::negotiated(SPLIT).refused(&Command::SetupQueue(request), BadArgument);
    }
}

#[test]
fn a_packed_queue_has_an_aligned_driver_area() {
    let request = QueueRequest {
        driver_area: 2,
        ..setup_request(1, 128)
    };
    Rig::negotiated(SPLIT).okay(&Command::SetupQueue(request));
    Rig::negotiated(PACKED).refused(&Command::SetupQueue(request), BadArgument);
}

#[test]
fn vectors_need_interrupts() {
    let mut rig = Rig::connected();
    rig.okay(&Command::SetFeatures(SPLIT));
    rig.okay(&Command::SetStatus(0xb));
    let request = QueueRequest {
        vector: 0,
        ..setup_request(0, 64)
    };
    rig.refused(&Command::SetupQueue(request), BadArgument);
    rig.okay(&Command::SetupQueue(setup_request(0, 64)));
}

#[test]
fn queues_need_features_ok() {
    let mut rig = Rig::connected();
    rig.refused(&Command::SetupQueue(setup_request(0, 64)), BadState);
    rig.refused(&Command::EnableQueue(0), BadState);
    rig.refused(&Command::SetQueueState(0, QueueState::default()), BadState);
    rig.refused(&Command::GetQueueState(0), BadState);
    rig.okay(&Command::DisableQueue(0));
}

#[test]
fn a_queue_goes_through_its_states() {
    let mut rig = Rig::with_queue(SPLIT);
    rig.okay(&Command::SetupQueue(setup_request(1, 64)));
    rig.okay(&Command::EnableQueue(1));
    assert_eq!(rig.link.peek(queue_status(1)), 1);
    rig.refused(&Command::EnableQueue(1), BadState);
    rig.refused(&Command::SetupQueue(setup_request(1, 64)), BadState);
    rig.refused(&Command::SetQueueState(1, QueueState::default()), BadState);
    rig.okay(&Command::DisableQueue(1));
    assert_eq!(rig.backend.take_calls(), [Call::DisableQueue(1)]);
    assert_eq!(rig.link.peek(queue_status(1)), 0);
    rig.okay(&Command::DisableQueue(1));
    assert_eq!(rig.backend.take_calls(), []);
    rig.okay(&Command::EnableQueue(1));
    for queue in [3, 64, u32::MAX] {
        rig.refused(&Command::EnableQueue(queue), BadArgument);
        rig.refused(&Command::DisableQueue(queue), BadArgument);
        rig.refused(
            &Command::SetQueueState(queue, QueueState::default()),
            BadArgument,
        );
        rig.refused(&Command::GetQueueState(queue), BadArgument);
    }
}

#[test]
fn a_queue_that_cannot_be_mapped_is_not_enabled() {
    let mut rig = Rig::with_queue(SPLIT);
    rig.backend.error = Some(NoResources);
    assert_eq!(
        rig.send(&Command::EnableQueue(1)),
        Err(AnswerError::Refused(NoResources))
    );
    assert_eq!(rig.link.peek(queue_status(1)), 0);
    rig.backend.error = None;
    rig.okay(&Command::EnableQueue(1));
}

#[test]
fn queue_states_fit_the_ring() {
    let state = |available, used| Command::SetQueueState(1, QueueState { available, used });
    for (features, available, used) in [
        (SPLIT, 0, 0),
        (SPLIT, 0xffff, 0),
        (PACKED, 0x807f, 0x007f),
        (PACKED, 0, 0x8000),
    ] {
        Rig::with_queue(features).okay(&state(available, used));
    }
    for (features, available, used) in [(SPLIT, 0, 1), (PACKED, 0x80, 0), (PACKED, 0, 0x8080)] {
        Rig::with_queue(features).refused(&state(available, used), BadArgument);
    }
    assert_eq!(
        QueueState::initial(false),
        QueueState {
            available: 0,
            used: 0
        }
    );
    assert_eq!(
        QueueState::initial(true),
        QueueState {
            available: 0x8000,
            used: 0x8000
        }
    );
}

#[test]
fn a_queue_state_is_read_back() {
    let mut rig = Rig::with_queue(PACKED);
    rig.backend.state = QueueState {
        available: 0x8005,
        used: 0x0004,
    };
    let state = rig.backend.state;
    assert_eq!(
        rig.send(&Command::GetQueueState(1)),
        Ok(Reply::QueueState(state))
    );
}
