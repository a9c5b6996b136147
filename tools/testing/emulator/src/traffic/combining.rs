// SPDX-License-Identifier: GPL-2.0
//! What is left of stores to a BAR if the RC maps it so that its processor combines them.
//!
//! Neither the mapping nor barriers are seen here. So this is counted for all BARs, and means something for
//! those alone that are mapped so; and each barrier may send what is open, at most [`BUFFERS`] lines, once more.

use std::collections::VecDeque;

use super::{Crossing, Initiator, Kind, Place};

/// Bytes of a line: what is combined at most.
pub(super) const LINE: u64 = 64;

/// Lines that are open at a time; the oldest one leaves first. The first processors that combined had four, later
/// ones have more.
const BUFFERS: usize = 4;

/// The lines that are open.
#[derive(Debug, Default)]
pub(super) struct Combining {
    open: VecDeque<(usize, u64)>,
}

impl Combining {
    /// Returns how many lines a crossing opens; 0 for one that is combined with an earlier one.
    ///
    /// What is no store of the RC to memory of a BAR sends what is open, if it is the RC's, and is not combined.
    pub(super) fn lines(&mut self, crossing: &Crossing) -> u64 {
        match (crossing.initiator, crossing.kind, crossing.place) {
            (Initiator::Rc, Kind::Write, Place::Bar { bar, .. }) => {
                let first = crossing.offset / LINE;
                let end = (crossing.offset + crossing.bytes).div_ceil(LINE);
                (first..end).filter(|line| self.opens(bar, *line)).count() as u64
            }
            (Initiator::Rc, ..) => {
                self.open.clear();
                1
            }
            (Initiator::Ep, ..) => 1,
        }
    }

    fn opens(&mut self, bar: usize, line: u64) -> bool {
        if self.open.contains(&(bar, line)) {
            return false;
        }
        if self.open.len() == BUFFERS {
            self.open.pop_front();
        }
        self.open.push_back((bar, line));
        true
    }
}
