// SPDX-License-Identifier: GPL-2.0
//! rust-vmm's `virtio-queue`.

use virtio::{
    features::EVENT_IDX,
    ring::{Area, RingError, Used},
};
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use super::{
    memory::{place, Fault, BASE, END},
    Peer, Popped, SIZE,
};

/// Plays the driver side that the bytes describe, for both.
pub fn run(bytes: &[u8]) {
    super::run::<RustVmm>(bytes);
}

struct RustVmm {
    memory: GuestMemoryMmap,
    queue: Queue,
    has_event_idx: bool,
}

thread_local! {
    /// Mapped once: that takes longer than a run.
    static MEMORY: GuestMemoryMmap =
        GuestMemoryMmap::from_ranges(&[(GuestAddress(BASE), END)]).expect("4 KiB of memory");
}

fn at(offset: usize) -> GuestAddress {
    GuestAddress(BASE + offset as u64)
}

impl Peer for RustVmm {
    const HANGS_IN_CONTINUED_TABLES: bool = false;

    fn new(features: u64, start: u16) -> Self {
        let memory = MEMORY.with(Clone::clone);
        memory.write_slice(&[0; END], at(0)).expect("memory");
        let halves = |area| {
            let addr = at(place(area)).0;
            (Some(addr as u32), Some((addr >> 32) as u32))
        };
        let mut queue = Queue::new(SIZE).expect("a power of two");
        let (low, high) = halves(Area::Descriptor);
        queue.set_desc_table_address(low, high);
        let (low, high) = halves(Area::Driver);
        queue.set_avail_ring_address(low, high);
        let (low, high) = halves(Area::Device);
        queue.set_used_ring_address(low, high);
        queue.set_event_idx(features & EVENT_IDX != 0);
        queue.set_next_avail(start);
        queue.set_next_used(start);
        queue.set_ready(true);
        Self {
            memory,
            queue,
            has_event_idx: features & EVENT_IDX != 0,
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.memory.write_slice(bytes, at(offset)).expect("memory");
    }

    fn read(&mut self, offset: usize, to: &mut [u8]) {
        self.memory.read_slice(to, at(offset)).expect("memory");
    }

    /// rust-vmm tells of a fault by ending the chain early.
    fn pop(&mut self) -> Option<Popped> {
        let chain = self.queue.pop_descriptor_chain(&self.memory)?;
        let mut popped = Popped {
            head: chain.head_index(),
            segments: Vec::new(),
            is_refused: true,
        };
        for desc in chain {
            popped.is_refused = desc.has_next();
            if desc.len() != 0 {
                let segment = (desc.addr().0, desc.len().into(), desc.is_write_only());
                popped.segments.push(segment);
            }
        }
        Some(popped)
    }

    fn push(&mut self, used: &[Used]) {
        for used in used {
            let added = self.queue.add_used(&self.memory, used.head, used.len);
            added.expect("a legal head");
        }
    }

    /// Without `EVENT_IDX` rust-vmm leaves the flags to its caller.
    fn wants_signal(&mut self) -> bool {
        let wants = self.queue.needs_notification(&self.memory);
        if self.has_event_idx {
            return wants.expect("memory");
        }
        let mut flags = [0; 2];
        self.read(place(Area::Driver), &mut flags);
        flags[0] & 1 == 0
    }

    fn enable_notification(&mut self) -> bool {
        let more = self.queue.enable_notification(&self.memory);
        more.expect("memory")
    }

    /// rust-vmm bounds the available index by what it took, not by what it gave back; follows a table
    /// that is continued, or not negotiated; reads of a table only what the chain uses; looks neither at
    /// the order of readable and writable buffers nor at their addresses.
    fn overlooks(error: RingError<Fault>) -> bool {
        matches!(
            error,
            RingError::AvailableIndex { .. }
                | RingError::IndirectNotNegotiated { .. }
                | RingError::IndirectWithNext { .. }
                | RingError::ReadableAfterWritable { .. }
                | RingError::AddressOverflow { .. }
                | RingError::Memory(Fault)
        )
    }
}
