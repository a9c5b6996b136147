// SPDX-License-Identifier: GPL-2.0
//! A descriptor as the driver side wrote it, and copies of a run of them (section 2.7.5).
//!
//! Nothing here is checked; `walk` does that.

use super::memory::DESCRIPTOR;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// A copy of a descriptor; no field is checked. Reserved flags are ignored.
#[derive(Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) addr: u64,
    pub(super) len: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    /// Returns the descriptor that these bytes of a table are.
    #[inline]
    pub(super) fn from_bytes(bytes: &[u8; DESCRIPTOR]) -> Self {
        let [addr @ .., l0, l1, l2, l3, f0, f1, n0, n1] = *bytes;
        Self {
            addr: u64::from_le_bytes(addr),
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u16::from_le_bytes([f0, f1]),
            next: u16::from_le_bytes([n0, n1]),
        }
    }

    /// Returns the index of the descriptor that continues the chain.
    #[inline]
    pub(super) fn next(self) -> Option<u16> {
        (self.flags & NEXT != 0).then_some(self.next)
    }

    /// Returns whether the device writes the buffer.
    #[inline]
    pub(super) fn is_writable(self) -> bool {
        self.flags & WRITE != 0
    }

    /// Returns whether the buffer is a table of descriptors.
    #[inline]
    pub(super) fn is_indirect(self) -> bool {
        self.flags & INDIRECT != 0
    }
}

/// How many descriptors one bulk read fetches at most.
///
/// As many as a batch has chains: buffers of one descriptor then need one read of the table. A read of
/// 1 KiB also suits a DMA engine.
pub(super) const WINDOW: u16 = 64;

/// Copies of the descriptors of one run of a table, taken by one bulk read.
///
/// All-zero bytes are a valid, empty window.
pub(super) struct Window {
    first: u16,
    count: u16,
    bytes: [[u8; DESCRIPTOR]; WINDOW as usize],
}

impl Window {
    /// Returns a window that holds no descriptor.
    pub(super) const fn new() -> Self {
        Self {
            first: 0,
            count: 0,
            bytes: [[0; DESCRIPTOR]; WINDOW as usize],
        }
    }

    /// Forgets all descriptors.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Returns the copy of a descriptor when the window holds it.
    #[inline]
    pub(super) fn get(&self, index: u16) -> Option<Descriptor> {
        let slot = index.checked_sub(self.first)?;
        if slot >= self.count {
            return None;
        }
        self.bytes
            .get(usize::from(slot))
            .map(Descriptor::from_bytes)
    }

    /// Replaces the content by the run of `count` descriptors from `first` on, at most [`WINDOW`].
    ///
    /// # Errors
    ///
    /// Those of `read`; the window is then empty.
    pub(super) fn load<E>(
        &mut self,
        first: u16,
        count: u16,
        read: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let count = count.min(WINDOW);
        self.clear();
        if let Some(run) = self.bytes.get_mut(..usize::from(count)) {
            read(run.as_flattened_mut())?;
        }
        self.first = first;
        self.count = count;
        Ok(())
    }
}
