// SPDX-License-Identifier: GPL-2.0
//! Gathers writes to the descriptor table until they leave a line.
//!
//! Payload is written between the descriptors of two chains, so no processor would combine those.

use super::{
    super::super::memory::DESCRIPTOR,
    area::LINE,
    mirror::PushMemory, //
};

/// Bytes of a line.
const LEN: usize = LINE as usize;

/// One line, of which the bytes from `start` to `end` wait.
pub(super) struct Lines {
    bytes: [u8; LEN],
    /// Where the line begins.
    line: usize,
    start: usize,
    end: usize,
}

impl Lines {
    /// Nothing waits.
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; LEN],
            line: 0,
            start: 0,
            end: 0,
        }
    }

    /// Writes a descriptor, which is aligned, with the next ones if they are beside it.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8; DESCRIPTOR], target: &impl PushMemory) {
        let offset = at % LEN;
        let line = at.wrapping_sub(offset);
        let end = offset.wrapping_add(DESCRIPTOR);
        let is_beside = line == self.line && (offset == self.end || end == self.start);
        if !is_beside {
            self.flush(target);
            (self.line, self.start, self.end) = (line, offset, end);
        }
        self.start = self.start.min(offset);
        self.end = self.end.max(end);
        if let Some(to) = self.bytes.get_mut(offset..end) {
            to.copy_from_slice(bytes);
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self, target: &impl PushMemory) {
        if let Some(waiting) = self.bytes.get(self.start..self.end) {
            target.write(self.line.wrapping_add(self.start), waiting);
        }
        (self.start, self.end) = (0, 0);
    }
}
