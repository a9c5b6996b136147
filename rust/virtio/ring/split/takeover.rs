// SPDX-License-Identifier: GPL-2.0
//! Going on where a device side that is gone left off.

use super::{
    super::{
        config::{Position, QueueConfig, Rules},
        error::RingError,
        layout::Layout,
        memory::{Area, AVAILABLE_ENTRY, INDEX, RING, USED_ENTRY},
        queue::Queue,
        RingMemory, //
    },
    queue::SplitQueue,
    size::SplitSize,
};

impl QueueConfig {
    /// Starts the queue in place of a device side that does not touch it any more.
    ///
    /// What is outstanding can be known only if that used the chains in the order in which they were
    /// made available: then it is what lies between the two indexes. The rings hold the entries of the
    /// last chains used, so this is checked as far back as they tell, unless the order was negotiated.
    ///
    /// The signal for the last of those may have been lost with the device side, and the driver side then
    /// asks for no other; so the first [`Queue::push`] signals in any case, even of nothing.
    ///
    /// # Errors
    ///
    /// [`RingError::UsedOutOfOrder`]: chains were not used in order, so nobody knows which are
    /// outstanding; [`RingError::AvailableIndex`]: the indexes are too far apart;
    /// [`RingError::TakeOverPacked`]: the queue is packed; and those of the memory.
    pub fn take_over<M: RingMemory>(self, memory: M) -> Result<Queue<M>, RingError<M::Error>> {
        match self.layout {
            Layout::Split(size) => take_over(size, self.rules, memory).map(Queue::Split),
            Layout::Packed(_) => Err(RingError::TakeOverPacked),
        }
    }
}

fn take_over<M: RingMemory>(
    size: SplitSize,
    rules: Rules,
    memory: M,
) -> Result<SplitQueue<M>, RingError<M::Error>> {
    let used = memory.load_u16(Area::Device, INDEX)?;
    let outstanding = size.outstanding(&memory, used)?;
    if !rules.in_order {
        size.check_order(&memory, used, outstanding)?;
    }
    let mut queue = SplitQueue::new(size, rules, Position::split(used), memory)?;
    queue.owes_signal = true;
    Ok(queue)
}

impl SplitSize {
    /// Checks that the chains used last, before the index `used`, were used in order.
    fn check_order<M: RingMemory>(
        self,
        memory: &M,
        used: u16,
        outstanding: u16,
    ) -> Result<(), RingError<M::Error>> {
        let known = self.get().wrapping_sub(outstanding);
        // Bounded by the queue size. The driver side may go on, and write over the oldest entries first.
        for back in 1..=known {
            let index = used.wrapping_sub(back);
            if self.is_in_order(memory, index)? {
                continue;
            }
            // ORDERING: the entries before the index that tells whether they were written over. Pairs with
            // the driver side's barrier between an entry and the index (section 2.7.13.3).
            memory.read_barrier();
            let ahead = memory.load_u16(Area::Driver, INDEX)?.wrapping_sub(index);
            if ahead >= self.get() {
                break;
            }
            return Err(RingError::UsedOutOfOrder { index });
        }
        Ok(())
    }

    /// Returns how many chains were made available and not used.
    fn outstanding<M: RingMemory>(self, memory: &M, used: u16) -> Result<u16, RingError<M::Error>> {
        let index = memory.load_u16(Area::Driver, INDEX)?;
        // ORDERING: the index before the entries that it makes available (section 2.7.13.3).
        memory.read_barrier();
        let (outstanding, size) = (index.wrapping_sub(used), self.get());
        if outstanding > size {
            return Err(RingError::AvailableIndex {
                index,
                seen: used,
                used,
                size,
            });
        }
        Ok(outstanding)
    }

    /// Returns whether the chain used at an index is the one made available at it.
    fn is_in_order<M: RingMemory>(self, memory: &M, index: u16) -> Result<bool, M::Error> {
        let slot = self.slot(index);
        let mut head = [0; AVAILABLE_ENTRY];
        let at = RING.wrapping_add(slot.wrapping_mul(AVAILABLE_ENTRY));
        memory.read(Area::Driver, at, &mut head)?;
        let mut id = [0; 4];
        let at = RING.wrapping_add(slot.wrapping_mul(USED_ENTRY));
        memory.read(Area::Device, at, &mut id)?;
        Ok(u32::from_le_bytes(id) == u32::from(u16::from_le_bytes(head)))
    }
}
