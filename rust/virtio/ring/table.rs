// SPDX-License-Identifier: GPL-2.0
//! Indirect tables, which are the same in both layouts but for how their descriptors follow each other.

use super::{
    descriptor::{Window, WINDOW},
    error::RingError,
    memory::DESCRIPTOR,
    RingMemory,
    Segment, //
};

/// A table of descriptors that is not empty, and within the address space.
pub(super) struct Table {
    addr: u64,
    count: u32,
}

impl Table {
    /// Checks the table that the descriptor at `index` refers to.
    pub(super) fn check<E>(
        negotiated: bool,
        index: u16,
        addr: u64,
        len: u32,
        is_continued: bool,
    ) -> Result<Self, RingError<E>> {
        if !negotiated {
            return Err(RingError::IndirectNotNegotiated { index });
        }
        if is_continued {
            return Err(RingError::IndirectWithNext { index });
        }
        if len == 0 || len % DESCRIPTOR as u32 != 0 {
            return Err(RingError::IndirectLength { len });
        }
        if addr.checked_add(u64::from(len)).is_none() {
            return Err(RingError::AddressOverflow { addr, len });
        }
        Ok(Self {
            addr,
            count: len / DESCRIPTOR as u32,
        })
    }

    /// Returns where it is.
    pub(super) fn segment(&self) -> Segment {
        Segment {
            addr: self.addr,
            len: self.count.wrapping_mul(DESCRIPTOR as u32),
        }
    }

    /// Returns the number of descriptors.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the copy of a descriptor of the table, with a run from it on read now unless the last run
    /// held it.
    pub(super) fn descriptor<M: RingMemory>(
        &self,
        memory: &M,
        window: &mut Window,
        index: u16,
    ) -> Result<[u8; DESCRIPTOR], RingError<M::Error>> {
        if let Some(bytes) = window.get(index) {
            return Ok(bytes);
        }
        let count = self.count.saturating_sub(index.into()).min(WINDOW.into());
        // CAST: at most a window full.
        let count = count as u16;
        let offset = u64::from(index).wrapping_mul(DESCRIPTOR as u64);
        let addr = self.addr.wrapping_add(offset);
        window.load(index, count, |to| memory.read_buffer(addr, to))?;
        window.get(index).ok_or(RingError::NextOutOfRange {
            next: index,
            size: self.count,
        })
    }
}
