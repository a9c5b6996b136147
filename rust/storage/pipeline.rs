// SPDX-License-Identifier: GPL-2.0

//! Transfers between a store and memory of the pipeline, many under way at a time, first in, first out.
//!
//! ```text
//!   prepare --> Prepared: its memory --> read, write --> under way --> oldest --> Ended: its outcome
//! ```
//!
//! No locks: it belongs to one worker, which is woken by each end.

mod room;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use crate::{
    transfer::{
        Transfer,
        Way, //
    },
    Store, //
};
use concurrency::Worker;
use core::{
    ops::Range,
    ptr::NonNull, //
};
use kernel::{
    alloc::KVVec,
    prelude::*,
    sync::Arc, //
};
use room::Room;

/// The longest transfer in bytes: as much as Linux reads ahead, and an eighth of the memory.
pub const MAX_TRANSFER: usize = 128 << 10;

/// How many transfers are under way at most: a drive has seldom more tags for one queue.
const DEPTH: usize = 64;

/// The unit of the memory in bytes; it satisfies what any device asks of an address.
const BLOCK: usize = 4096;

/// The memory in blocks: 16 KiB for each transfer.
const BLOCKS: usize = 4 * DEPTH;

/// A unit of the memory.
#[derive(Clone)]
#[repr(C, align(4096))]
struct Block([u8; BLOCK]);

/// Transfers under way, and those that have ended and were not dropped.
///
/// # Invariants
///
/// `base` is the memory of `blocks`. A slot whose transfer is under way has a span of its own in it, by `room`, and the
/// file of that transfer is the store's.
pub struct Pipeline {
    store: Arc<Store>,
    slots: KVec<Slot>,
    /// How many were ever started.
    started: usize,
    /// How many were ever dropped.
    dropped: usize,
    room: Room,
    base: NonNull<u8>,
    /// Never looked at but through `base`.
    _blocks: KVVec<Block>,
}

// SAFETY: The memory behind `base` is the pipeline's own; the rest is `Send` itself.
unsafe impl Send for Pipeline {}

/// A transfer and what it moves, or moved last.
struct Slot {
    transfer: Transfer,
    task: Task,
    /// How it ended; `None`: the transfer tells that.
    outcome: Option<Result>,
}

/// What is moved.
struct Task {
    way: Way,
    offset: u64,
    /// Where in memory.
    span: Range<usize>,
    /// How much of the span.
    len: usize,
}

impl Pipeline {
    /// Makes a pipeline with nothing under way; each end wakes `worker`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new(store: Arc<Store>, worker: &Arc<Worker>) -> Result<Self> {
        let mut slots = KVec::with_capacity(DEPTH, GFP_KERNEL)?;
        for _ in 0..DEPTH {
            slots.push(Slot::new(worker)?, GFP_KERNEL)?;
        }
        let mut blocks = KVVec::from_elem(Block([0; BLOCK]), BLOCKS, GFP_KERNEL)?;
        // INVARIANT: It is their memory, and nothing is under way.
        Ok(Self {
            store,
            slots,
            started: 0,
            dropped: 0,
            room: Room::new(BLOCKS * BLOCK),
            base: NonNull::from(blocks.as_mut_slice()).cast(),
            _blocks: blocks,
        })
    }

    /// Returns memory for the next transfer, of `len` bytes, at most [`MAX_TRANSFER`]; `None`: there is too little, before
    /// the oldest one is dropped.
    pub fn prepare(&mut self, len: usize) -> Option<Prepared<'_>> {
        if self.len() == DEPTH {
            return None;
        }
        let span = self.room.find(len.max(1).next_multiple_of(BLOCK))?;
        Some(Prepared {
            pipeline: self,
            span,
            len,
        })
    }

    /// Returns the oldest transfer, if it has ended.
    pub fn oldest(&mut self) -> Option<Ended<'_>> {
        if self.is_empty() {
            return None;
        }
        let slot = self.slots.get(self.dropped % DEPTH)?;
        if !slot.transfer.has_ended() {
            return None;
        }
        Some(Ended { pipeline: self })
    }

    /// Returns whether no transfer was started that was not dropped since.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.started.wrapping_sub(self.dropped)
    }

    /// Waits until no transfer is under way. Context: process.
    pub fn wait(&self) {
        for slot in &self.slots {
            slot.transfer.wait();
        }
    }

    /// Waits, and forgets all transfers. Context: process.
    pub fn clear(&mut self) {
        while !self.is_empty() {
            self.drop_oldest();
        }
    }

    /// Forgets the oldest transfer, of which there is one, once it has ended.
    fn drop_oldest(&mut self) {
        if let Some(slot) = self.slots.get(self.dropped % DEPTH) {
            slot.transfer.wait();
            self.room.give(slot.task.span.clone());
        }
        self.dropped = self.dropped.wrapping_add(1);
    }
}

impl Drop for Pipeline {
    /// Nothing may be under way when store and memory go.
    fn drop(&mut self) {
        self.wait();
    }
}

/// Memory for a transfer that is started next.
pub struct Prepared<'a> {
    pipeline: &'a mut Pipeline,
    /// A part of the memory that no transfer has.
    span: Range<usize>,
    len: usize,
}

impl Prepared<'_> {
    /// Returns the memory.
    pub fn memory(&mut self) -> &mut [u8] {
        let mut memory = memory(self.pipeline.base, self.span.start, self.len);
        // SAFETY: The span is within the blocks, no transfer has it, and the pipeline is borrowed.
        unsafe { memory.as_mut() }
    }

    /// Starts to fill the memory from the store. Context: process.
    pub fn read(self, offset: u64) {
        self.start(Way::FromFile, offset);
    }

    /// Starts to write the memory to the store. Context: process.
    pub fn write(self, offset: u64) {
        self.start(Way::ToFile, offset);
    }

    fn start(self, way: Way, offset: u64) {
        let Self {
            pipeline,
            span,
            len,
        } = self;
        let memory = memory(pipeline.base, span.start, len);
        if let Some(slot) = pipeline.slots.get_mut(pipeline.started % DEPTH) {
            pipeline.room.take(&span);
            // INVARIANT: The span is the slot's from here on, until it is dropped, which waits.
            slot.task = Task {
                way,
                offset,
                span,
                len,
            };
            slot.outcome = slot.start(&pipeline.store, memory);
            pipeline.started = pipeline.started.wrapping_add(1);
        }
    }
}

/// The oldest transfer, which has ended. It is forgotten when this is dropped.
pub struct Ended<'a> {
    pipeline: &'a mut Pipeline,
}

impl Ended<'_> {
    /// Returns the bytes that were moved. What a direct transfer left is moved through the page cache here.
    ///
    /// # Errors
    ///
    /// Those of [`Store::read_at`] and [`Store::write_at`].
    pub fn bytes(&mut self) -> Result<&[u8]> {
        let pipeline = &mut *self.pipeline;
        let slot = pipeline.slots.get(pipeline.dropped % DEPTH).ok_or(EIO)?;
        let mut memory = memory(pipeline.base, slot.task.span.start, slot.task.len);
        // SAFETY: The span is the slot's by the type invariant of the pipeline, which is borrowed, and its transfer has
        // ended.
        let memory = unsafe { memory.as_mut() };
        match slot.outcome {
            Some(outcome) => outcome?,
            None => slot.complete(&pipeline.store, memory)?,
        }
        Ok(memory)
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.pipeline.drop_oldest();
    }
}

impl Slot {
    fn new(worker: &Arc<Worker>) -> Result<Self> {
        Ok(Self {
            transfer: Transfer::new(worker)?,
            task: Task {
                way: Way::FromFile,
                offset: 0,
                span: 0..0,
                len: 0,
            },
            outcome: None,
        })
    }

    /// Starts its task, or carries it out; returns how that ended, if the transfer does not tell.
    fn start(&mut self, store: &Store, mut memory: NonNull<[u8]>) -> Option<Result> {
        let Task {
            way, offset, len, ..
        } = self.task;
        let Some(file) = store.direct(offset, len) else {
            // SAFETY: The span is this slot's, and nothing is under way in it.
            return Some(store.transfer(way, offset, unsafe { memory.as_mut() }));
        };
        if let Err(error) = store.check_way(way, offset, len) {
            return Some(Err(error));
        }
        // SAFETY: The pipeline waits for the transfer before it drops its store or gives the span to another one.
        let started = unsafe { self.transfer.start(file, way, offset, memory) };
        started.err().map(Err)
    }

    /// Moves what a direct transfer has left: at the end of a file, or where it could not go directly after all.
    fn complete(&self, store: &Store, memory: &mut [u8]) -> Result {
        let moved = match self.transfer.result() {
            Err(error) if error == EINVAL => 0,
            moved => moved?,
        };
        let rest = memory.get_mut(moved..).ok_or(EIO)?;
        // CAST: Lengths have at most 64 bits. The end of the range was checked, hence no overflow.
        let offset = self.task.offset.wrapping_add(moved as u64);
        store.transfer(self.task.way, offset, rest)
    }
}

/// A part of the memory at `base`, which is within it.
fn memory(base: NonNull<u8>, start: usize, len: usize) -> NonNull<[u8]> {
    // SAFETY: Spans are within the memory, by `Room`.
    NonNull::slice_from_raw_parts(unsafe { base.add(start) }, len)
}
