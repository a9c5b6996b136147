// SPDX-License-Identifier: GPL-2.0

//! Queues that the RC pushes, and where.

use super::{PACKED, SPLIT};
use crate::model::{setup_request, Call, Rig, BARS, NUM_QUEUES, PUSH_BELOW};
use transport::CommandError::{BadArgument, BadState, NotSupported};
use transport::{feature, offset, Command, Identity, IdentityError, LayoutError};

/// Rings of 64 descriptors, without room.
const LEN: u32 = 0x4c0;

#[test]
fn a_queue_is_pushed_once_it_is_set_up() {
    let mut rig = Rig::pushing(SPLIT, LEN);
    rig.refused(&Command::PushQueue(1), BadState);
    rig.okay(&Command::SetupQueue(setup_request(1, 64)));
    rig.backend.take_calls();
    rig.okay(&Command::PushQueue(1));
    assert_eq!(rig.backend.take_calls(), [Call::PushQueue(1)]);
    rig.okay(&Command::EnableQueue(1));
    rig.refused(&Command::PushQueue(1), BadState);
    rig.okay(&Command::DisableQueue(1));
    rig.okay(&Command::PushQueue(1));
}

#[test]
fn a_queue_that_does_not_exist_is_not_pushed() {
    let mut rig = Rig::pushing(SPLIT, LEN);
    for queue in [u32::from(NUM_QUEUES), u32::MAX] {
        rig.refused(&Command::PushQueue(queue), BadArgument);
    }
}

#[test]
fn rings_that_do_not_fit_are_not_pushed() {
    for (len, is_legal) in [(LEN, true), (LEN - 64, false), (64, false)] {
        let mut rig = Rig::pushing(SPLIT, len);
        rig.okay(&Command::SetupQueue(setup_request(1, 64)));
        match is_legal {
            true => rig.okay(&Command::PushQueue(1)),
            false => rig.refused(&Command::PushQueue(1), BadArgument),
        }
    }
}

#[test]
fn what_needs_rc_memory_is_not_pushed() {
    for features in [PACKED, SPLIT | feature::EVENT_IDX] {
        let mut rig = Rig::pushing(features, 0x1000);
        rig.okay(&Command::SetupQueue(setup_request(1, 64)));
        rig.refused(&Command::PushQueue(1), BadState);
    }
}

#[test]
fn an_endpoint_without_push_areas_says_so() {
    let mut rig = Rig::with_queue(SPLIT);
    rig.refused(&Command::PushQueue(1), NotSupported);
    assert_eq!(
        rig.identify().map(|identity| identity.layout().push()),
        Ok(None)
    );
}

#[test]
fn the_root_complex_finds_the_push_areas() {
    let rig = Rig::pushing(SPLIT, LEN);
    let identity = rig.identify().expect("a legal identity");
    let push = identity.layout().push().expect("push areas");
    assert_eq!(Some(push), rig.ep.layout().push());
    assert_eq!(push.stride, LEN);
    assert_eq!(push.below, PUSH_BELOW);
}

#[test]
fn push_areas_that_are_not_legal_are_refused() {
    for (word, value, error) in [
        (offset::PUSH_STRIDE, 0, LayoutError::PushAreas),
        (offset::PUSH_STRIDE, LEN + 4, LayoutError::PushAreas),
        (offset::PUSH_STRIDE, u32::MAX & !63, LayoutError::PushAreas),
        (
            offset::PUSH_REGION.word(1),
            LEN * 3 - 1,
            LayoutError::PushAreas,
        ),
        (offset::PUSH_REGION, 4, LayoutError::PushAreas),
        (offset::PUSH_REGION, 0, LayoutError::Overlap),
        (offset::PUSH_REGION, u32::MAX & !63, LayoutError::OutsideBar),
        (offset::PUSH_BAR, 5, LayoutError::OutsideBar),
        (offset::PUSH_BAR, u32::MAX, LayoutError::OutsideBar),
    ] {
        let rig = Rig::pushing(SPLIT, LEN);
        rig.link.store(word, value);
        let identity = Identity::read(&rig.link.rc(), 0, &BARS);
        assert_eq!(
            identity,
            Err(IdentityError::Layout(error)),
            "{word:?} {value:#x}"
        );
    }
}
