// SPDX-License-Identifier: GPL-2.0
//! From the heads of chains to checked chains (sections 2.7.5 and 2.7.5.3).
//!
//! Descriptors come in runs. A driver side takes them from a free list, so the heads of a batch mostly
//! follow each other, upwards while the table is fresh and downwards once it is recycled, at a distance
//! of the length of the chains. That length is learnt: `stride` is the shortest run of neighbours at the
//! start of the last batch's chains. Read in advance is thus only what each of those chains had. When the
//! driver side turns to shorter chains, at most `stride` less one descriptors per chain are read in vain,
//! for one batch. The chains of an in-order queue lie one behind the other, so their heads need not be
//! read.
//!
//! Windows live for one batch. A chain is built from one copy of each of its descriptors.

use super::{
    super::{
        batch::{Batch, Chains, Draft, MAX_CHAIN_SEGMENTS},
        descriptor::{Window, WINDOW},
        error::RingError,
        memory::{Area, DESCRIPTOR},
        table::Table,
        RingMemory, //
    },
    descriptor::Descriptor,
    queue::SplitQueue,
};

type Result<T, M> = core::result::Result<T, RingError<<M as RingMemory>::Error>>;

/// Walks the chains of one batch.
pub(super) struct Walk<'a, M: RingMemory> {
    chains: &'a mut Chains,
    source: Source<'a, M>,
}

impl<'a, M: RingMemory> Walk<'a, M> {
    pub(super) fn new(queue: &'a SplitQueue<M>, batch: &'a mut Batch) -> Self {
        Self {
            chains: &mut batch.chains,
            source: Source {
                queue,
                heads: &mut batch.heads,
                table: &mut batch.table,
            },
        }
    }

    /// Walks the chains at these heads as far as the batch has room and returns the stride
    /// to expect of the next ones.
    pub(super) fn chains(&mut self, heads: &[u16]) -> Result<u16, M> {
        let limit = self.limit();
        let mut stride = WINDOW;
        let mut rest = heads;
        while let [head, following @ ..] = rest {
            if !self.chains.has_room(limit) {
                break;
            }
            self.source.load_heads(rest)?;
            let mut draft = self.chains.draft(*head, limit);
            stride = stride.min(self.source.walk(*head, &mut draft)?);
            draft.finish();
            rest = following;
        }
        Ok(if heads.is_empty() { 1 } else { stride })
    }

    /// Walks at most `most` chains, at least one, that follow each other from `head` on, as far as the
    /// batch has room. Returns the stride to expect, and the head of the chain behind them.
    pub(super) fn row(&mut self, head: u16, most: usize) -> Result<(u16, u16), M> {
        let (limit, size) = (self.limit(), self.source.queue.size());
        let mut stride = WINDOW;
        let mut head = head;
        for walked in 0..most {
            if !self.chains.has_room(limit) {
                break;
            }
            self.source.load_row(head, most.saturating_sub(walked))?;
            let mut draft = self.chains.draft(head, limit);
            stride = stride.min(self.source.walk(head, &mut draft)?);
            head = size.wrapped(head.wrapping_add(draft.slots()));
            draft.finish();
        }
        Ok((stride, head))
    }

    /// Returns how many descriptors a chain may have.
    fn limit(&self) -> u16 {
        self.source.queue.size().get().min(MAX_CHAIN_SEGMENTS)
    }
}

/// Where descriptors come from.
struct Source<'a, M: RingMemory> {
    queue: &'a SplitQueue<M>,
    heads: &'a mut Window,
    table: &'a mut Window,
}

impl<M: RingMemory> Source<'_, M> {
    /// Makes the descriptors at the first of these heads present, and as many of the next as follow it.
    fn load_heads(&mut self, heads: &[u16]) -> Result<(), M> {
        let stride = self.queue.stride;
        let Some(head) = heads.first().copied() else {
            return Ok(());
        };
        let most = self.most();
        let up = run(heads, most, |head| head.checked_add(stride));
        let down = run(heads, most, |head| head.checked_sub(stride));
        let before = down.saturating_sub(1).saturating_mul(stride);
        let first = if down > up {
            head.saturating_sub(before)
        } else {
            head
        };
        self.load(head, first, up.max(down))
    }

    /// The same for `count` chains that follow each other from `head` on.
    fn load_row(&mut self, head: u16, count: usize) -> Result<(), M> {
        // CAST: at most a window full.
        let count = count.min(self.most().into()) as u16;
        self.load(head, head, count)
    }

    /// Returns how many chains fit in a window: at least one, also when the stride is a whole window.
    fn most(&self) -> u16 {
        WINDOW.checked_div(self.queue.stride).unwrap_or(1).max(1)
    }

    /// Makes the descriptor at `head` present, and with it those of `count` chains from `first` on.
    fn load(&mut self, head: u16, first: u16, count: u16) -> Result<(), M> {
        let size = self.queue.size().get();
        if head >= size {
            return Err(RingError::HeadOutOfRange { head, size });
        }
        if self.heads.get(head).is_some() {
            return Ok(());
        }
        let wanted = count.saturating_mul(self.queue.stride);
        let count = wanted.min(size.saturating_sub(first));
        let offset = usize::from(first).wrapping_mul(DESCRIPTOR);
        let memory = self.queue.memory();
        let read = |to: &mut [u8]| memory.read(Area::Descriptor, offset, to);
        self.heads.load(first, count, read)?;
        self.read_tables_ahead();
        Ok(())
    }

    /// Has the tables fetched that the descriptors present refer to.
    ///
    /// Where chains have one descriptor each, the run has none that is not available.
    fn read_tables_ahead(&self) {
        if !self.queue.rules.indirect || self.queue.stride != 1 {
            return;
        }
        let descriptors = self.heads.iter().map(Descriptor::from_bytes);
        let referring = descriptors.filter(|descriptor| descriptor.is_indirect());
        let mut tables = referring.filter_map(|it| Some(self.table_of(0, it).ok()?.segment()));
        self.queue.memory().read_ahead(&mut tables);
    }

    /// Adds the chain at a head to a draft; returns how many descriptors from the head on were
    /// neighbours.
    fn walk(&mut self, head: u16, draft: &mut Draft<'_>) -> Result<u16, M> {
        let mut run = 0;
        let mut index = head;
        // Ends: each turn adds a descriptor to the draft, which refuses one too many.
        loop {
            let descriptor = self.descriptor(index)?;
            draft.take_slot();
            if index == head.wrapping_add(run) {
                run = run.wrapping_add(1);
            }
            if descriptor.is_indirect() {
                self.walk_table(index, descriptor, draft)?;
                return Ok(run);
            }
            draft.add(index, descriptor.buffer())?;
            let Some(next) = descriptor.next() else {
                return Ok(run);
            };
            self.check_next(index, next)?;
            index = next;
        }
    }

    /// Checks that the descriptor at `index` may be continued by the one at `next`.
    fn check_next(&self, index: u16, next: u16) -> Result<(), M> {
        let size = self.queue.size();
        if next >= size.get() {
            let size = size.get().into();
            return Err(RingError::NextOutOfRange { next, size });
        }
        if self.queue.rules.in_order && next != size.wrapped(index.wrapping_add(1)) {
            return Err(RingError::NextOutOfOrder { index, next });
        }
        Ok(())
    }

    /// Returns the copy of a descriptor below the queue size, read now unless a run held it.
    fn descriptor(&mut self, index: u16) -> Result<Descriptor, M> {
        if let Some(bytes) = self.heads.get(index) {
            return Ok(Descriptor::from_bytes(&bytes));
        }
        let mut bytes = [0; DESCRIPTOR];
        let offset = usize::from(index).wrapping_mul(DESCRIPTOR);
        let memory = self.queue.memory();
        memory.read(Area::Descriptor, offset, &mut bytes)?;
        Ok(Descriptor::from_bytes(&bytes))
    }
}

impl<M: RingMemory> Source<'_, M> {
    /// Adds the buffers of the table that the descriptor at `index` refers to.
    ///
    /// That descriptor's write flag has no meaning (section 2.7.5.3.2), and it is not counted.
    fn walk_table(
        &mut self,
        index: u16,
        table: Descriptor,
        draft: &mut Draft<'_>,
    ) -> Result<(), M> {
        let table = self.table_of(index, table)?;
        self.table.clear();
        let mut index = 0;
        // Ends: each turn adds a descriptor to the draft, which refuses one too many.
        loop {
            let bytes = table.descriptor(self.queue.memory(), self.table, index)?;
            let descriptor = Descriptor::from_bytes(&bytes);
            if descriptor.is_indirect() {
                return Err(RingError::IndirectNested { index });
            }
            draft.add(index, descriptor.buffer())?;
            match descriptor.next() {
                None => return Ok(()),
                Some(next) if u32::from(next) < table.count() => index = next,
                Some(next) => {
                    let size = table.count();
                    return Err(RingError::NextOutOfRange { next, size });
                }
            }
        }
    }

    /// Checks the table that the descriptor at `index` refers to.
    fn table_of(&self, index: u16, descriptor: Descriptor) -> Result<Table, M> {
        let Descriptor { addr, len, .. } = descriptor;
        let is_legal = self.queue.rules.indirect;
        Table::check(is_legal, index, addr, len, descriptor.next().is_some())
    }
}

/// Returns how many of these heads, at most `most`, follow each other by `step`.
fn run(heads: &[u16], most: u16, step: impl Fn(u16) -> Option<u16>) -> u16 {
    let follows = |pair: &&[u16]| matches!(pair, [head, next] if step(*head) == Some(*next));
    let steps = heads.windows(2).take_while(follows);
    // CAST: fewer than `most`.
    let steps = steps.take(usize::from(most.saturating_sub(1))).count() as u16;
    steps.saturating_add(1)
}
