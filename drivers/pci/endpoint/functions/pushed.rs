// SPDX-License-Identifier: GPL-2.0

//! The driver side's half of a queue that the RC pushes: EP memory behind a BAR.
//!
//! The RC writes there whenever it likes, as it does to its own memory: nothing that is read is trusted.
//!
//! Context: any.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use pci_ep::{
    BarMemory,
    Word, //
};
use transport::{
    Layout,
    QueueSetup, //
};
use virtio::ring::{
    Area,
    PushArea, //
};

/// How many bytes are cleared at once.
const CLEARED: usize = 256;

/// The push area of a queue.
pub(crate) struct Pushed {
    memory: Arc<BarMemory>,
    /// Where it is in the BAR, and how long.
    start: usize,
    len: usize,
    rings: PushArea,
}

impl Pushed {
    /// The push area of the queue of `setup`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is none, or the rings do not fit in.
    pub(crate) fn new(
        memory: Option<&Arc<BarMemory>>,
        layout: &Layout,
        setup: &QueueSetup,
    ) -> Result<Self> {
        let push = layout.push().ok_or(EINVAL)?;
        Ok(Self {
            memory: memory.ok_or(EINVAL)?.clone(),
            start: push.offset(setup.queue()).try_into()?,
            len: push.stride.try_into()?,
            rings: PushArea::new(setup.size().get(), push.stride).ok_or(EINVAL)?,
        })
    }

    /// Clears it: a descriptor may refer to any byte in here, and who had the device before may have left
    /// something.
    pub(crate) fn clear(&self) -> Result {
        for offset in (0..self.len).step_by(CLEARED) {
            let zeros = [0; CLEARED];
            let len = CLEARED.min(self.len - offset);
            let zeros = zeros.get(..len).unwrap_or_default();
            self.memory.write(self.start + offset, zeros)?;
        }
        Ok(())
    }

    /// Returns the area of the queue, if it is in here.
    pub(crate) fn area(&self, area: Area) -> Option<PushedArea<'_>> {
        let offset = self.rings.offset(area)?;
        Some(PushedArea {
            memory: &self.memory,
            start: self.start + offset,
        })
    }

    /// Copies from a buffer, if it is in here; returns whether it is.
    ///
    /// # Errors
    ///
    /// `EFAULT`: it would be in here, but passes the end.
    pub(crate) fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<bool> {
        let Some(offset) = PushArea::offset_of(addr) else {
            return Ok(false);
        };
        let offset = usize::try_from(offset)?;
        let end = offset.checked_add(to.len()).ok_or(EFAULT)?;
        if end > self.len {
            return Err(EFAULT);
        }
        self.memory.read(self.start + offset, to)?;
        Ok(true)
    }
}

/// An area of a queue in EP memory. What is read is inside: see `RingMemory`.
pub(crate) struct PushedArea<'a> {
    memory: &'a BarMemory,
    start: usize,
}

impl PushedArea<'_> {
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        self.memory.read(self.start + offset, to)
    }

    pub(crate) fn load<W: Word>(&self, offset: usize) -> Result<W> {
        self.memory.load(self.start + offset)
    }
}
