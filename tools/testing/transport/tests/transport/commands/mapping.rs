// SPDX-License-Identifier: GPL-2.0

//! Commands for address spaces, and commands of features that are not offered.

use crate::model::Rig;
use transport::CommandError::{BadArgument, NotSupported};
use transport::{Command, Mapping, Range, TransportFeatures};

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
