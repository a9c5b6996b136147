// SPDX-License-Identifier: GPL-2.0
//! The attacks, one function each. What an attack asserts is what `Documentation/transport.rst` says;
//! that the device works afterwards is looked at by whoever runs it.

mod commands;
mod control;
mod doorbells;
mod interrupts;
mod iovas;
mod mappings;
mod offloads;
mod packets;
mod power;
mod queues;
mod requests;
mod rings;
mod sequence;
mod status;
mod storms;
mod suspension;
mod words;

use std::fmt;

use anyhow::Result;

use crate::target::Target;

/// What an attack needs the endpoint to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A disk of two queues with polled doorbells.
    Disk,
    /// A disk of two queues whose doorbells interrupt the endpoint.
    InterruptedDisk,
    /// A disk that cannot be written.
    ReadOnlyDisk,
    /// A network device of two pairs of queues, whose interface has the address 10.7.0.2.
    Network,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk => "disk of two queues, polled doorbells",
            Self::InterruptedDisk => "disk of two queues, embedded doorbell",
            Self::ReadOnlyDisk => "read-only disk",
            Self::Network => "network device of two pairs, 10.7.0.2",
        })
    }
}

/// An attack.
pub struct Attack {
    /// Short name, words joined by underscores.
    pub name: &'static str,
    /// What is done, in one sentence.
    pub about: &'static str,
    /// What it is done to.
    pub device: Device,
    /// Does it, and fails when the endpoint does not do what it has to.
    pub run: fn(&Target) -> Result<()>,
}

/// All attacks, those on the same device together.
pub fn catalogue() -> Vec<Attack> {
    let mut attacks: Vec<_> = [
        words::attacks(),
        commands::attacks(),
        sequence::attacks(),
        status::attacks(),
        queues::attacks(),
        rings::attacks(),
        requests::attacks(),
        doorbells::attacks(),
        storms::attacks(),
        suspension::attacks(),
        mappings::attacks(),
        iovas::attacks(),
        interrupts::attacks(),
        power::attacks(),
        packets::attacks(),
        offloads::attacks(),
        control::attacks(),
    ]
    .into_iter()
    .flatten()
    .collect();
    attacks.sort_by_key(|attack| attack.device as u8);
    attacks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = catalogue().iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), catalogue().len());
    }
}
