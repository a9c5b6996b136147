// SPDX-License-Identifier: GPL-2.0
//! Any bytes as the structures that the driver side writes into buffers: headers, ranges and commands.
//!
//! Checked: no panic; what is decoded is encoded as it was, but for reserved bytes, which are zero; tables of
//! a command are inside it, and fill it.

use std::convert::Infallible;

use virtio::{
    blk::{RangeSegment, RequestHeader},
    net::{
        control::{AddressTable, Command, Source, ADDRESS_LEN},
        Header,
    },
};

use crate::tape::Tape;

/// Decodes the bytes as each structure.
pub fn run(bytes: &[u8]) {
    let tape = Tape::new(bytes);
    let mut request: [u8; RequestHeader::LEN] = tape.array();
    let header = RequestHeader::from_bytes(&request);
    request[4..8].fill(0);
    assert_eq!(header.to_bytes(), request);

    let range: [u8; RangeSegment::LEN] = tape.array();
    assert_eq!(RangeSegment::from_bytes(&range).to_bytes(), range);

    let packet: [u8; Header::LEN] = tape.array();
    assert_eq!(Header::from_bytes(&packet).to_bytes(), packet);

    let Ok(command) = Command::read(&Bytes(bytes), u64::MAX, PAIRS);
    match command {
        Some(Command::SetTables { unicast, multicast }) => {
            let end = |table: AddressTable| table.offset + table.count * ADDRESS_LEN;
            assert!(end(unicast) < multicast.offset);
            assert_eq!(end(multicast), bytes.len());
        }
        Some(Command::UsePairs(pairs)) => assert!((1..=PAIRS).contains(&pairs)),
        _ => {}
    }
}

/// How many pairs of queues the device of a command has.
const PAIRS: u16 = 4;

/// The bytes as a command.
struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    type Error = Infallible;

    fn length(&self) -> usize {
        self.0.len()
    }

    fn read(&self, offset: usize, to: &mut [u8]) -> Result<usize, Infallible> {
        let from = self.0.get(offset..).unwrap_or_default();
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}
