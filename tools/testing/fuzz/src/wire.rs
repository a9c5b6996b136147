// SPDX-License-Identifier: GPL-2.0
//! Any bytes as the structures that the driver side writes into buffers: headers and ranges.
//!
//! Checked: no panic; what is decoded is encoded as it was, but for reserved bytes, which are zero.

use virtio::{
    blk::{RangeSegment, RequestHeader},
    net::Header,
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
}
