// SPDX-License-Identifier: GPL-2.0

//! The receive buffers that the driver side has made available and no packet has filled yet.
//!
//! There are two batches: while a packet is on its way, the one with its first buffer is kept and
//! the other one is filled again and again.

use kernel::prelude::*;
use vhost_bus::Virtqueue;
use virtio::ring::{
    Batch,
    Chain, //
};

/// One of the two batches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Left,
    Right,
}

impl Half {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Where a buffer is.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    half: Half,
    chain: usize,
}

/// Buffers in the order of the driver side.
pub(crate) struct Buffers {
    left: KBox<Batch>,
    right: KBox<Batch>,
    /// The first buffer that is not used, or behind the end of its batch.
    next: Position,
}

impl Buffers {
    /// The first buffer of a batch that has just been filled.
    const START: Position = Position {
        half: Half::Left,
        chain: 0,
    };

    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            left: batch::new()?,
            right: batch::new()?,
            next: Self::START,
        })
    }

    /// Forgets all buffers.
    pub(crate) fn clear(&mut self) {
        self.left.clear();
        self.right.clear();
        self.next = Self::START;
    }

    /// Returns the next buffer, if there is one; the buffer at `keep` stays.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is gone.
    pub(crate) fn next(
        &mut self,
        queue: &dyn Virtqueue,
        keep: Option<Position>,
    ) -> Result<Option<Position>> {
        if self.get(self.next).is_some() {
            return Ok(Some(self.next));
        }
        let full = self.next.half;
        let half = match keep {
            Some(kept) if kept.half == full => full.other(),
            _ => full,
        };
        if queue.pop(self.half_mut(half))? == 0 {
            return Ok(None);
        }
        self.next = Position { half, chain: 0 };
        Ok(Some(self.next))
    }

    /// Goes on behind the next buffer, which is used now.
    pub(crate) fn advance(&mut self) {
        self.next.chain = self.next.chain.saturating_add(1);
    }

    /// Returns the buffer at `position`.
    pub(crate) fn get(&self, position: Position) -> Option<Chain<'_>> {
        let batch = match position.half {
            Half::Left => &self.left,
            Half::Right => &self.right,
        };
        batch.get(position.chain)
    }

    fn half_mut(&mut self, half: Half) -> &mut Batch {
        match half {
            Half::Left => &mut self.left,
            Half::Right => &mut self.right,
        }
    }
}
