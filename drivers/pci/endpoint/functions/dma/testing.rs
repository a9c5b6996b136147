// SPDX-License-Identifier: GPL-2.0

//! A lane to the pretended RC memory of `window::testing`.

use super::{
    Lane,
    LANE_BYTES,
    LANE_SEGMENTS, //
};
use crate::window::testing::byte_at;
use dmaengine::Piece;
use kernel::prelude::*;

/// A lane without an engine.
pub(crate) struct TestLane {
    memory: KVVec<u8>,
    direction: Way,
    pub(crate) threshold: usize,
    /// Whether transfers fail.
    pub(crate) is_broken: bool,
    /// The bytes of each transfer that succeeded.
    pub(crate) transfers: KVec<usize>,
}

/// Which way it goes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    FromRc,
    ToRc,
}

impl TestLane {
    pub(crate) fn new(direction: Way) -> Result<Self> {
        Ok(Self {
            memory: KVVec::from_elem(0, LANE_BYTES, GFP_KERNEL)?,
            direction,
            threshold: 0,
            is_broken: false,
            transfers: KVec::new(),
        })
    }

    /// Moves bytes from or to RC memory; returns whether they are what is there.
    fn move_byte(&mut self, at: usize, addr: u64) -> bool {
        let expected = byte_at(addr);
        match (self.memory.get_mut(at), self.direction) {
            (Some(byte), Way::FromRc) => {
                *byte = expected;
                true
            }
            (Some(byte), Way::ToRc) => *byte == expected,
            (None, _) => false,
        }
    }

    fn move_all(&mut self, pieces: impl Iterator<Item = Result<Piece>>) -> Result<usize> {
        let mut at = 0;
        for (count, piece) in pieces.enumerate() {
            let piece = piece?;
            if count == 2 * LANE_SEGMENTS + LANE_BYTES / 4096 {
                return Err(EMSGSIZE);
            }
            for addr in (piece.addr..).take(piece.len) {
                if !self.move_byte(at, addr) {
                    return Err(EINVAL);
                }
                at += 1;
            }
        }
        Ok(at)
    }
}

impl Lane for TestLane {
    fn bytes(&self) -> &[u8] {
        &self.memory
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    fn takes(&self, len: usize) -> bool {
        super::is_worth(self.threshold, len)
    }

    fn transfer(&mut self, len: usize, pieces: impl Iterator<Item = Result<Piece>>) -> bool {
        let is_moved = !self.is_broken && self.move_all(pieces) == Ok(len);
        is_moved && self.transfers.push(len, GFP_KERNEL).is_ok()
    }
}
