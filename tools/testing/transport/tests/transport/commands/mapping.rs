// SPDX-License-Identifier: GPL-2.0

//! Commands for address spaces, and commands of features that are not offered.

use super::SPLIT;
use crate::model::{setup_request, Call, Rig, GROUPS};
use transport::CommandError::{BadArgument, BadState, NoResources, NotSupported};
use transport::{AnswerError, Command, Mapping, Range, TransportFeatures, MAP_ALIGN};

const PAGE: u64 = MAP_ALIGN;
/// IOVA, or PCI address, of the last page.
const TOP: u64 = 0u64.wrapping_sub(PAGE);

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
fn mappings_are_ranges_of_pages() {
    let mut rig = Rig::connected();
    for (iova, length, pci_addr) in [
        (0, PAGE, 0),
        (PAGE, 2 * PAGE, TOP - PAGE),
        (TOP, PAGE, TOP),
        (0, TOP, PAGE),
        (PAGE, TOP, 0),
    ] {
        rig.okay(&map(range(iova, length), pci_addr, true, false));
        rig.okay(&Command::Unmap(range(iova, length)));
    }
    for (iova, length, pci_addr) in [
        (0, 0, 0),
        (TOP, 2 * PAGE, 0),
        (2 * PAGE, TOP, 0),
        (0, 2 * PAGE, TOP),
        (1, PAGE, 0),
        (0, 1, 0),
        (0, PAGE + 1, 0),
        (0, PAGE, 1),
        (0, u64::MAX, 0),
        (u64::MAX, 1, 0),
    ] {
        let command = map(range(iova, length), pci_addr, true, true);
        rig.refused(&command, BadArgument);
    }
    for (iova, length) in [(0, 0), (TOP, 2 * PAGE), (1, PAGE), (0, PAGE - 1)] {
        rig.refused(&Command::Unmap(range(iova, length)), BadArgument);
    }
}

#[test]
fn a_mapping_gives_an_access() {
    let mut rig = Rig::connected();
    rig.okay(&map(range(0, PAGE), 0, true, false));
    rig.okay(&map(range(0, PAGE), 0, false, true));
    rig.okay(&map(range(0, PAGE), 0, true, true));
    rig.refused(&map(range(0, PAGE), 0, false, false), BadArgument);
}

#[test]
fn there_are_as_many_address_spaces_as_that() {
    let mut rig = Rig::connected();
    rig.backend.take_calls();
    let last = Range {
        space: GROUPS.spaces - 1,
        ..range(0, PAGE)
    };
    rig.okay(&map(last, 0, true, true));
    rig.okay(&Command::Unmap(last));
    rig.backend.take_calls();
    for space in [GROUPS.spaces, u16::MAX] {
        let range = Range {
            space,
            ..range(0, PAGE)
        };
        rig.refused(&map(range, 0, true, true), BadArgument);
        rig.refused(&Command::Unmap(range), BadArgument);
    }
    assert!(rig.backend.take_calls().is_empty());
}

/// A queue that runs on PCI addresses would run on IOVAs from one moment to the next.
#[test]
fn addresses_do_not_change_their_meaning_under_a_queue() {
    let mut rig = Rig::with_queue(SPLIT);
    rig.okay(&Command::EnableQueue(1));
    rig.backend.take_calls();
    rig.refused(&map(range(0, PAGE), 0, true, true), BadState);
    rig.refused(&Command::Unmap(range(0, PAGE)), BadState);
    assert!(rig.backend.take_calls().is_empty());
    rig.okay(&Command::DisableQueue(1));
    rig.okay(&map(range(0, PAGE), 0, true, true));
    rig.okay(&Command::EnableQueue(1));
    rig.okay(&map(range(PAGE, PAGE), 0, true, true));
    rig.okay(&Command::Unmap(range(0, PAGE)));
}

/// Not by a command that failed, and until the next reset: then addresses are PCI addresses again.
#[test]
fn the_first_command_that_succeeds_changes_it_until_a_reset() {
    for first in [
        map(range(0, PAGE), 0, true, true),
        Command::Unmap(range(0, PAGE)),
    ] {
        let mut rig = Rig::with_queue(SPLIT);
        rig.backend.error = Some(NoResources);
        assert_eq!(rig.send(&first), Err(AnswerError::Refused(NoResources)));
        rig.backend.error = None;
        rig.okay(&Command::EnableQueue(1));
        rig.refused(&first, BadState);
        rig.okay(&Command::DisableQueue(1));
        rig.okay(&first);
        rig.okay(&Command::EnableQueue(1));
        rig.okay(&first);

        rig.okay(&Command::Reset);
        rig.negotiate(SPLIT);
        rig.okay(&Command::SetupQueue(setup_request(1, 128)));
        rig.okay(&Command::EnableQueue(1));
        rig.refused(&first, BadState);
    }
}

#[test]
fn the_device_gets_what_was_asked() {
    let mut rig = Rig::connected();
    rig.backend.take_calls();
    let mapping = Mapping {
        range: range(0x1_2345_6000, 0x3000),
        pci_addr: 0xfedc_ba98_7654_3000,
        read: false,
        write: true,
    };
    rig.okay(&Command::Map(mapping));
    rig.okay(&Command::Unmap(mapping.range));
    let calls = rig.backend.take_calls();
    assert_eq!(calls, [Call::Map(mapping), Call::Unmap(mapping.range)]);
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
        map(range(0, PAGE), 0, true, true),
        map(range(0, 0), 0, false, false),
        Command::Unmap(range(0, PAGE)),
        Command::SetGroupSpace { group: 0, space: 0 },
    ];
    for command in &commands {
        rig.refused(command, NotSupported);
    }
}
