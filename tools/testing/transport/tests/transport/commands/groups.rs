// SPDX-License-Identifier: GPL-2.0

//! Groups of queues, and which address space each is in.

use super::SPLIT;
use crate::model::{setup_request, Call, Rig, GROUPS};
use transport::CommandError::{BadArgument, BadState};
use transport::{offset, Command, GroupCounts, IdentityError, MAX_GROUPS, MAX_SPACES};

fn set(group: u32, space: u32) -> Command {
    Command::SetGroupSpace { group, space }
}

/// The address spaces with which queues 0 (group 0) and 1 (group 1) are enabled.
fn spaces(rig: &mut Rig) -> [u16; 2] {
    rig.backend.take_calls();
    [0, 1].map(|queue| {
        rig.okay(&Command::SetupQueue(setup_request(queue, 64)));
        rig.okay(&Command::EnableQueue(queue));
        rig.okay(&Command::DisableQueue(queue));
        let calls = rig.backend.take_calls();
        let enabled = calls.iter().find_map(|call| match call {
            Call::EnableQueue(_, space) => Some(*space),
            _ => None,
        });
        enabled.expect("the queue was enabled")
    })
}

#[test]
fn a_group_is_in_the_space_that_was_set_last() {
    let mut rig = Rig::negotiated(SPLIT);
    assert_eq!(spaces(&mut rig), [0, 0]);
    rig.okay(&set(1, 2));
    assert_eq!(spaces(&mut rig), [0, 2]);
    rig.okay(&set(0, 1));
    rig.okay(&set(1, 1));
    assert_eq!(spaces(&mut rig), [1, 1]);
}

#[test]
fn groups_and_spaces_are_those_of_the_identity() {
    let mut rig = Rig::negotiated(SPLIT);
    let (groups, spaces_) = (u32::from(GROUPS.groups), u32::from(GROUPS.spaces));
    rig.okay(&set(groups - 1, spaces_ - 1));
    for (group, space) in [
        (groups, 0),
        (0, spaces_),
        (u32::MAX, 0),
        (0, u32::MAX),
        (0x1_0000, 0),
        (0, 0x100),
    ] {
        rig.refused(&set(group, space), BadArgument);
    }
    assert_eq!(spaces(&mut rig), [0, GROUPS.spaces - 1]);
}

#[test]
fn a_group_does_not_move_under_a_queue() {
    let mut rig = Rig::with_queue(SPLIT);
    rig.okay(&Command::EnableQueue(1));
    rig.refused(&set(1, 1), BadState);
    rig.okay(&set(0, 1));
    rig.okay(&Command::DisableQueue(1));
    rig.okay(&set(1, 1));
}

#[test]
fn a_reset_puts_all_groups_into_space_0() {
    let mut rig = Rig::negotiated(SPLIT);
    rig.okay(&set(0, 1));
    rig.okay(&set(1, 2));
    rig.okay(&Command::Reset);
    rig.negotiate(SPLIT);
    assert_eq!(spaces(&mut rig), [0, 0]);
}

#[test]
fn the_root_complex_knows_the_group_of_a_queue() {
    let rig = Rig::started();
    let identity = rig.identify().expect("a legal identity");
    assert_eq!(identity.groups(), GROUPS);
    let group = |index| {
        let queue = identity.queue(index).expect("a queue");
        identity.queue_group(&rig.link.rc(), queue)
    };
    assert_eq!([0, 1, 2].map(group), [Some(0), Some(1), Some(1)]);
    for word in [2, 0x1_0000, u32::MAX] {
        let entry = transport::Offset::new(0x310 + offset::queue::GROUP.bytes());
        rig.link.store(entry, word);
        assert_eq!(group(1), None);
    }
}

#[test]
fn illegal_counts_are_refused() {
    for (groups, spaces, seen) in [
        (0, 1, (0, 1)),
        (1, 0, (1, 0)),
        (MAX_GROUPS + 1, 1, (MAX_GROUPS + 1, 1)),
        (1, MAX_SPACES + 1, (1, MAX_SPACES + 1)),
    ] {
        let rig = Rig::started();
        rig.link.store(offset::NUM_GROUPS, groups.into());
        rig.link.store(offset::NUM_SPACES, spaces.into());
        let counts = GroupCounts {
            groups: seen.0,
            spaces: seen.1,
        };
        assert_eq!(rig.identify().err(), Some(IdentityError::Groups(counts)));
    }
}
