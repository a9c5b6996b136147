// SPDX-License-Identifier: GPL-2.0

//! Commands for the device: status, features, reset, suspend.

use super::{queue_status, status, PACKED, SPLIT};
use crate::model::{setup_request, Call, Rig, FEATURES};
use transport::CommandError::{BadArgument, BadState, Failed};
use transport::{
    feature, offset, AnswerError, Command, DeviceStatus, InterruptMode, QueueState, Reply, Step,
};

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
            Call::EnableQueue(0, 0),
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
