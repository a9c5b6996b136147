// SPDX-License-Identifier: GPL-2.0
//! Copies of a run of descriptors, of either layout.

use super::memory::DESCRIPTOR;

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
    pub(super) fn get(&self, index: u16) -> Option<[u8; DESCRIPTOR]> {
        let slot = index.checked_sub(self.first)?;
        if slot >= self.count {
            return None;
        }
        self.bytes.get(usize::from(slot)).copied()
    }

    /// Returns all that the window holds.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8; DESCRIPTOR]> {
        self.bytes.iter().take(self.count.into())
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
