// SPDX-License-Identifier: GPL-2.0
//! From the heads of chains to checked chains (sections 2.7.5 and 2.7.5.3).
//!
//! Descriptors come in runs. A driver side takes them from a free list, so the heads of a batch mostly
//! follow each other, upwards while the table is fresh and downwards once it is recycled, at a distance
//! of the length of the chains. That length is learnt: `stride` is the shortest run of neighbours at the
//! start of the last batch's chains. Read in advance is thus only what each of those chains had. When the
//! driver side turns to shorter chains, at most `stride` less one descriptors per chain are read in vain,
//! for one batch.
//!
//! Windows live for one batch. A chain is built from one copy of each of its descriptors.

use super::{
    batch::{Batch, Chains, Draft, MAX_CHAIN_SEGMENTS},
    descriptor::{Descriptor, Window, WINDOW},
    error::RingError,
    memory::{Area, DESCRIPTOR},
    queue::SplitQueue,
    RingMemory, //
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
        let limit = self.source.queue.size().get().min(MAX_CHAIN_SEGMENTS);
        let mut stride = None;
        let mut rest = heads;
        while let [head, following @ ..] = rest {
            if !self.chains.has_room(limit) {
                break;
            }
            self.source.load_heads(rest)?;
            let mut draft = self.chains.draft(*head, limit);
            let run = self.source.walk(*head, &mut draft)?;
            draft.finish();
            stride = Some(stride.map_or(run, |least: u16| least.min(run)));
            rest = following;
        }
        Ok(stride.unwrap_or(1).min(WINDOW))
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
        let (stride, size) = (self.queue.stride, self.queue.size().get());
        let Some(head) = heads.first().copied() else {
            return Ok(());
        };
        if head >= size {
            return Err(RingError::HeadOutOfRange { head, size });
        }
        if self.heads.get(head).is_some() {
            return Ok(());
        }
        // At least one chain and at most a window full, also when the stride is a whole window.
        let most = WINDOW.checked_div(stride).unwrap_or(1).max(1);
        let up = run(heads, most, |head| head.checked_add(stride));
        let down = run(heads, most, |head| head.checked_sub(stride));
        let before = down.saturating_sub(1).saturating_mul(stride);
        let first = if down > up {
            head.saturating_sub(before)
        } else {
            head
        };
        let wanted = up.max(down).saturating_mul(stride);
        let count = wanted.min(size.saturating_sub(first));
        let offset = usize::from(first).wrapping_mul(DESCRIPTOR);
        let memory = self.queue.memory();
        let read = |to: &mut [u8]| memory.read(Area::Descriptor, offset, to);
        Ok(self.heads.load(first, count, read)?)
    }

    /// Adds the chain at a head to a draft; returns how many descriptors from the head on were
    /// neighbours.
    fn walk(&mut self, head: u16, draft: &mut Draft<'_>) -> Result<u16, M> {
        let size = self.queue.size().get();
        let mut run = 0;
        let mut index = head;
        // Ends: each turn adds a descriptor to the draft, which refuses one too many.
        loop {
            let descriptor = self.descriptor(index)?;
            if index == head.wrapping_add(run) {
                run = run.wrapping_add(1);
            }
            if descriptor.is_indirect() {
                self.walk_table(index, descriptor, draft)?;
                return Ok(run);
            }
            draft.add(index, descriptor)?;
            match descriptor.next() {
                None => return Ok(run),
                Some(next) if next < size => index = next,
                Some(next) => {
                    let size = size.into();
                    return Err(RingError::NextOutOfRange { next, size });
                }
            }
        }
    }

    /// Returns the copy of a descriptor below the queue size, read now unless a run held it.
    fn descriptor(&mut self, index: u16) -> Result<Descriptor, M> {
        if let Some(descriptor) = self.heads.get(index) {
            return Ok(descriptor);
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
        let size = check_table(self.queue.config.indirect, index, table)?;
        self.table.clear();
        let mut index = 0;
        // Ends: each turn adds a descriptor to the draft, which refuses one too many.
        loop {
            let descriptor = self.table_descriptor(table, size, index)?;
            if descriptor.is_indirect() {
                return Err(RingError::IndirectNested { index });
            }
            draft.add(index, descriptor)?;
            match descriptor.next() {
                None => return Ok(()),
                Some(next) if u32::from(next) < size => index = next,
                Some(next) => return Err(RingError::NextOutOfRange { next, size }),
            }
        }
    }

    /// Returns the copy of a descriptor below `size` of a checked table, with a run from it on read now
    /// unless the last run held it.
    fn table_descriptor(
        &mut self,
        table: Descriptor,
        size: u32,
        index: u16,
    ) -> Result<Descriptor, M> {
        if let Some(descriptor) = self.table.get(index) {
            return Ok(descriptor);
        }
        let count = size.saturating_sub(index.into()).min(WINDOW.into());
        // CAST: at most a window full.
        let count = count as u16;
        let offset = u64::from(index).wrapping_mul(DESCRIPTOR as u64);
        let addr = table.addr.wrapping_add(offset);
        let memory = self.queue.memory();
        let read = |to: &mut [u8]| memory.read_buffer(addr, to);
        self.table.load(index, count, read)?;
        self.table
            .get(index)
            .ok_or(RingError::NextOutOfRange { next: index, size })
    }
}

/// Returns the number of descriptors of the table that the descriptor at `index` refers to.
fn check_table<E>(
    negotiated: bool,
    index: u16,
    table: Descriptor,
) -> core::result::Result<u32, RingError<E>> {
    let Descriptor { addr, len, .. } = table;
    if !negotiated {
        return Err(RingError::IndirectNotNegotiated { index });
    }
    if table.next().is_some() {
        return Err(RingError::IndirectWithNext { index });
    }
    if len == 0 || len % DESCRIPTOR as u32 != 0 {
        return Err(RingError::IndirectLength { len });
    }
    if addr.checked_add(u64::from(len)).is_none() {
        return Err(RingError::AddressOverflow { addr, len });
    }
    Ok(len / DESCRIPTOR as u32)
}

/// Returns how many of these heads, at most `most`, follow each other by `step`.
fn run(heads: &[u16], most: u16, step: impl Fn(u16) -> Option<u16>) -> u16 {
    let follows = |pair: &&[u16]| matches!(pair, [head, next] if step(*head) == Some(*next));
    let steps = heads.windows(2).take_while(follows);
    // CAST: fewer than `most`.
    let steps = steps.take(usize::from(most.saturating_sub(1))).count() as u16;
    steps.saturating_add(1)
}
