// SPDX-License-Identifier: GPL-2.0

//! Every command, and its borders.

use crate::model::{setup_request, Call, Rig, CONFIG_SIZE, FEATURES};
use transport::CommandError::{BadArgument, BadState, Failed, NoResources, NotSupported};
use transport::{
    feature, offset, AnswerError, Command, CommandError, ConfigData, DeviceStatus, InterruptMode,
    Mapping, QueueRequest, QueueState, Range, Reply, Step, TransportFeatures, NO_VECTOR,
};

/// Split ring.
const SPLIT: u64 = feature::OFFERED;
/// Packed ring.
const PACKED: u64 = feature::OFFERED | feature::RING_PACKED;

fn status(bits: u8) -> Result<Reply, AnswerError> {
    Ok(Reply::Status(DeviceStatus::from_bits(bits)))
}

#[test]
fn a_driver_side_starts_the_device() {
    let mut rig = Rig::connected();
    assert_eq!(rig.send(&Command::SetStatus(1)), status(1));
    assert_eq!(rig.send(&Command::SetStatus(3)), status(3));
    rig.okay(&Command::SetFeatures(SPLIT));
    assert_eq!(rig.send(&Command::SetStatus(0xb)), status(0xb));
    rig.okay(&Command::SetupQueue(setup_request(0, 256)));
    rig.okay(&Command::SetQueueState(
        0,
        QueueState {
            available: 7,
            used: 0,
        },
    ));
    rig.okay(&Command::EnableQueue(0));
    assert_eq!(rig.send(&Command::SetStatus(0xf)), status(0xf));
    assert_eq!(rig.link.peek(offset::DEVICE_STATUS), 0xf);
    assert_eq!(rig.ep.status().bits(), 0xf);
    assert_eq!(rig.ep.driver_features(), SPLIT);
    let calls = rig.backend.take_calls();
    assert!(matches!(
        calls[0..5],
        [
            Call::StatusChanged(1),
            Call::StatusChanged(3),
            Call::AcceptsFeatures(SPLIT),
            Call::StatusChanged(0xb),
            Call::SetupQueue(_),
        ]
    ));
    assert_eq!(
        calls[6..],
        [
            Call::EnableQueue(0),
            Call::DriverOk,
            Call::StatusChanged(0xf)
        ]
    );
}

#[test]
fn status_bits_are_only_added() {
    for (before, after, error) in [
        (3, 0, BadArgument),
        (3, 1, BadArgument),
        (0, 0, BadArgument),
        (3, 0x13, BadArgument),
        (3, 0x23, BadArgument),
        (3, 7, BadState),
        (3, 0xf, BadState),
    ] {
        let mut rig = Rig::connected();
        rig.okay(&Command::SetFeatures(SPLIT));
        if before != 0 {
            rig.okay(&Command::SetStatus(before));
        }
        rig.refused(&Command::SetStatus(after), error);
        assert_eq!(rig.link.peek(offset::DEVICE_STATUS), before.into());
    }
}

#[test]
fn the_driver_side_cannot_set_needs_reset() {
    let mut rig = Rig::connected();
    assert_eq!(rig.send(&Command::SetStatus(0x41)), status(1));
    rig.refused(&Command::SetStatus(0x40), BadArgument);
}

#[test]
fn features_ok_is_refused_without_what_the_transport_needs() {
    for features in [0, feature::VERSION_1, feature::ACCESS_PLATFORM, 1 << 5] {
        let mut rig = Rig::connected();
        rig.okay(&Command::SetFeatures(features));
        assert_eq!(rig.send(&Command::SetStatus(0xb)), status(3));
        assert_eq!(rig.backend.take_calls(), [Call::StatusChanged(3)]);
    }
}

#[test]
fn features_ok_is_refused_by_the_device() {
    let mut rig = Rig::connected();
    rig.backend.refuses_features = true;
    rig.okay(&Command::SetFeatures(SPLIT));
    assert_eq!(rig.send(&Command::SetStatus(0xb)), status(3));
    rig.backend.refuses_features = false;
    rig.okay(&Command::SetFeatures(PACKED));
    assert_eq!(rig.send(&Command::SetStatus(0xb)), status(0xb));
}

#[test]
fn features_are_a_subset_and_final() {
    let mut rig = Rig::connected();
    rig.refused(&Command::SetFeatures(FEATURES | (1 << 63)), BadArgument);
    rig.refused(&Command::SetFeatures(1), BadArgument);
    rig.okay(&Command::SetFeatures(0));
    rig.okay(&Command::SetFeatures(FEATURES));
    rig.okay(&Command::SetStatus(0xb));
    rig.refused(&Command::SetFeatures(SPLIT), BadState);
    assert_eq!(rig.ep.driver_features(), FEATURES);
}

#[test]
fn a_device_that_cannot_start_is_not_started() {
    let mut rig = Rig::negotiated(SPLIT);
    rig.backend.error = Some(Failed);
    assert_eq!(
        rig.send(&Command::SetStatus(0xf)),
        Err(AnswerError::Refused(Failed))
    );
    assert_eq!(rig.link.peek(offset::DEVICE_STATUS), 0xb);
}

#[test]
fn needs_reset_is_published_once() {
    let mut rig = Rig::negotiated(SPLIT);
    rig.backend.needs_reset = true;
    assert!(rig.poll().needs_reset);
    assert!(!rig.poll().needs_reset);
    assert_eq!(rig.link.peek(offset::DEVICE_STATUS), 0x4b);
    let link = &rig.link;
    let seen = rig.rc.as_ref().and_then(|rc| rc.device_status(&link.rc()));
    assert!(seen.is_some_and(|seen| seen.contains(DeviceStatus::DEVICE_NEEDS_RESET)));
    rig.okay(&Command::Reset);
    assert_eq!(rig.link.peek(offset::DEVICE_STATUS), 0);
}

#[test]
fn needs_reset_is_told_once_after_each_reset() {
    let mut rig = Rig::negotiated(SPLIT);
    // It becomes known by the very answer to a command.
    rig.issue(&Command::SetStatus(0x8b));
    rig.step();
    rig.backend.needs_reset = true;
    assert!(rig.poll().needs_reset);
    assert_eq!(rig.step(), Step::Done(status(0x8b)));
    rig.issue(&Command::SetStatus(0x8f));
    rig.step();
    let progress = rig.poll();
    assert!(progress.answered.is_some() && !progress.needs_reset);
    rig.step();
    rig.okay(&Command::Reset);
    rig.backend.needs_reset = true;
    assert!(rig.poll().needs_reset);
}

#[test]
fn a_device_that_breaks_again_is_told_again() {
    let mut rig = Rig::connected();
    rig.backend.is_broken = true;
    for _ in 0..3 {
        rig.issue(&Command::Reset);
        rig.step();
        assert!(rig.poll().needs_reset);
        assert_eq!(rig.step(), Step::Done(Ok(Reply::Done)));
        assert_eq!(rig.link.peek(offset::DEVICE_STATUS), 0x40);
    }
}

#[test]
fn reset_forgets_everything() {
    let mut rig = Rig::with_queue(SPLIT);
    rig.okay(&Command::EnableQueue(1));
    rig.okay(&Command::SetStatus(0xf));
    rig.okay(&Command::Suspend);
    rig.backend.take_calls();
    rig.okay(&Command::Reset);
    assert_eq!(rig.backend.take_calls(), [Call::Reset]);
    assert_eq!(rig.link.peek(offset::DEVICE_STATUS), 0);
    assert_eq!(rig.link.peek(queue_status(1)), 0);
    assert_eq!(rig.ep.driver_features(), 0);
    assert_eq!(rig.ep.interrupts().mode(), InterruptMode::None);
    rig.refused(&Command::EnableQueue(1), BadState);
    rig.refused(&Command::Resume, BadState);
}

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

fn write_config(offset: u32, length: usize) -> Command {
    let bytes: Vec<u8> = (1..=128).collect();
    let data = ConfigData::new(&bytes[..length]).expect("a legal length");
    Command::WriteConfig { offset, data }
}

#[test]
fn config_is_written_inside_the_config_space() {
    let size = CONFIG_SIZE as usize;
    for (offset, length) in [(0, 1), (0, size), (CONFIG_SIZE - 1, 1), (3, 7)] {
        let mut rig = Rig::connected();
        rig.okay(&write_config(offset, length));
        let bytes = (1..=length as u8).collect();
        assert_eq!(
            rig.backend.take_calls(),
            [Call::WriteConfig(offset as usize, bytes)]
        );
    }
    for (offset, length) in [
        (0, size + 1),
        (CONFIG_SIZE, 1),
        (CONFIG_SIZE - 1, 2),
        (u32::MAX, 128),
    ] {
        Rig::connected().refused(&write_config(offset, length), BadArgument);
    }
}

#[test]
fn config_data_has_1_to_128_bytes() {
    assert!(ConfigData::new(&[]).is_none());
    assert!(ConfigData::new(&[0; 128]).is_some());
    assert!(ConfigData::new(&[0; 129]).is_none());
}

fn queue_status(queue: u16) -> transport::Offset {
    transport::Offset::new(0x300 + u32::from(queue) * 16 + 4)
}

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

#[test]
fn suspend_needs_a_running_device() {
    let mut rig = Rig::with_queue(SPLIT);
    rig.okay(&Command::EnableQueue(1));
    rig.refused(&Command::Suspend, BadState);
    rig.refused(&Command::Resume, BadState);
    rig.okay(&Command::SetStatus(0xf));
    rig.okay(&Command::Suspend);
    rig.refused(&Command::Suspend, BadState);
    rig.okay(&Command::SetQueueState(
        1,
        QueueState {
            available: 9,
            used: 0,
        },
    ));
    rig.refused(&Command::SetupQueue(setup_request(0, 64)), BadState);
    rig.okay(&Command::DisableQueue(1));
    rig.refused(&Command::EnableQueue(1), BadState);
    rig.okay(&Command::Resume);
    rig.okay(&Command::EnableQueue(1));
    rig.refused(&Command::Resume, BadState);
}

fn range(iova: u64, length: u64) -> Range {
    Range {
        space: 0,
        iova,
        length,
    }
}

fn map(range: Range, pci_addr: u64, read: bool, write: bool) -> Command {
    Command::Map(Mapping {
        range,
        pci_addr,
        read,
        write,
    })
}

#[test]
fn mappings_are_ranges() {
    let mut rig = Rig::connected();
    rig.okay(&map(range(0x1000, 0x1000), 0x8000_0000, true, false));
    rig.okay(&map(range(u64::MAX, 1), u64::MAX, true, true));
    rig.okay(&map(range(0, u64::MAX), 0, false, true));
    rig.okay(&Command::Unmap(range(0, u64::MAX)));
    rig.refused(&map(range(0, 0), 0, true, false), BadArgument);
    rig.refused(&map(range(u64::MAX, 2), 0, true, false), BadArgument);
    rig.refused(&map(range(0, 2), u64::MAX, true, false), BadArgument);
    rig.refused(&map(range(0, 1), 0, false, false), BadArgument);
    rig.refused(&Command::Unmap(range(0, 0)), BadArgument);
}

#[test]
fn what_is_not_offered_is_not_supported() {
    let mut rig = Rig::cold(3);
    rig.transport_features = TransportFeatures::NONE;
    rig.start(1);
    rig.connect();
    let commands = [
        Command::Suspend,
        Command::Resume,
        map(range(0, 1), 0, true, true),
        map(range(0, 0), 0, false, false),
        Command::Unmap(range(0, 1)),
    ];
    for command in &commands {
        rig.refused(command, NotSupported);
    }
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
