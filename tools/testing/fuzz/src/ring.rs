// SPDX-License-Identifier: GPL-2.0
//! Any driver side against the device side of a split queue: whatever it writes, between whichever two
//! accesses, and with accesses that fail.
//!
//! Checked: no panic; no access outside an area, no write but to the device area; barriers where the
//! order of accesses needs them; a bound on the accesses of one call; chains keep what their types
//! promise; no more chains in flight than the queue has descriptors; used entries are those that were
//! pushed and nothing else; signals are those that sections 2.7.7 and 2.7.10 ask for.

mod memory;

use std::mem;

use virtio::{
    features::{EVENT_IDX, INDIRECT_DESC},
    ring::{
        Area, Batch, Chain, QueueConfig, QueueSize, RingError, SplitQueue, Used, BATCH_CHAINS,
        MAX_CHAIN_SEGMENTS,
    },
};

use crate::{descriptor::encode, tape::Tape};

use self::memory::{Fault, Memory, BASE, BUFFERS};

/// Most steps of one run; longer ones find nothing new.
const STEPS: usize = 48;

/// Most accesses of one pop: the index, the entries in two runs, and of each chain the run at its head,
/// each of its descriptors, the one too many, and the one that refers to a table.
const POP_ACCESSES: usize = 3 + BATCH_CHAINS * (3 + MAX_CHAIN_SEGMENTS as usize);

/// Most accesses of one push: entries in runs of 64, one more where the ring ends; index, wish.
const PUSH_ACCESSES: usize = BATCH_CHAINS.div_ceil(64) + 2 + 2;

/// Plays the driver side that the bytes describe.
pub fn run(bytes: &[u8]) {
    let tape = Tape::new(bytes);
    let size = 1 << tape.pick(&[3, 0, 1, 2, 4, 6, 7, 10]);
    let size = QueueSize::new(size).expect("a power of two");
    let features = tape.pick(&[0, INDIRECT_DESC, EVENT_IDX, INDIRECT_DESC | EVENT_IDX]);
    let start = tape.any();
    let memory = Memory::new(size, start, &tape);
    let mut batch = Batch::new();
    let mut rig = Rig::new(&tape, &memory, features, start);
    for _ in 0..STEPS {
        if tape.is_over() {
            break;
        }
        rig.step(&mut batch);
        assert_eq!(usize::from(rig.queue.in_flight()), rig.taken.len());
        assert!(rig.queue.in_flight() <= size.get());
    }
}

type Queue<'a> = SplitQueue<&'a Memory<'a>>;

struct Rig<'a> {
    tape: &'a Tape<'a>,
    memory: &'a Memory<'a>,
    features: u64,
    queue: Queue<'a>,
    /// Heads that were popped and not pushed, in order.
    taken: Vec<u16>,
    used_index: u16,
    available: u16,
    /// Whether the device side before this one may have died before its last signal.
    owes_signal: bool,
}

impl<'a> Rig<'a> {
    fn new(tape: &'a Tape<'a>, memory: &'a Memory<'a>, features: u64, start: u16) -> Self {
        let config = QueueConfig::new(memory.size, features).start_at(start);
        Self {
            tape,
            memory,
            features,
            queue: config.start(memory),
            taken: Vec::new(),
            used_index: start,
            available: start,
            owes_signal: false,
        }
    }

    fn step(&mut self, batch: &mut Batch) {
        if self.tape.once_in(4) {
            self.memory.disturb();
        }
        match self.tape.below(13) {
            0 => self.memory.scribble(),
            1 => self.describe(),
            2..=4 => self.offer(),
            5 | 6 => self.pop(batch),
            7 | 8 => self.push(),
            9 => self.unpop(),
            10 => self.ask(),
            11 => self.take_over(),
            _ => self.push_wrong(),
        }
        self.memory.calm();
        if self.queue.is_broken() {
            self.check_broken(batch);
            self.memory.settle();
            *self = Self::new(self.tape, self.memory, self.features, self.available);
            let index = self.available.to_le_bytes();
            self.memory.set(Area::Driver, 2, &index);
        }
    }

    fn slot(&self, index: u16) -> usize {
        usize::from(index & (self.memory.size.get() - 1))
    }

    /// Writes any descriptor anywhere.
    fn describe(&self) {
        let index = self.slot(self.tape.any());
        self.memory
            .set(Area::Descriptor, 16 * index, &self.descriptor());
    }

    /// Bytes of a descriptor that may be anything.
    fn descriptor(&self) -> [u8; 16] {
        let addr = match self.tape.below(4) {
            0 => self.tape.long(),
            _ => BASE + u64::from(self.tape.below(BUFFERS as u32) & !7),
        };
        let len = match self.tape.below(4) {
            0 => self.tape.word(),
            _ => 16 * self.tape.below(8),
        };
        encode(
            addr,
            len,
            self.tape.any::<u16>() & 15,
            self.tape.below(20) as u16,
        )
    }

    /// Makes a chain available, mostly a legal one.
    fn offer(&mut self) {
        let head = self.slot(self.tape.any());
        let count = 1 + self.tape.below(5) as usize;
        let writable = self.tape.below(6) as usize;
        let table = self.tape.once_in(3);
        let room = if table {
            BUFFERS / 16
        } else {
            self.memory.size.get().into()
        };
        for n in 0..count.min(room) {
            let index = if table { n } else { (head + n) % room };
            let next = if table { n + 1 } else { (index + 1) % room };
            let write = if n >= writable { 2 } else { 0 };
            let more = u16::from(n + 1 < count.min(room));
            let addr = BASE + 64 * u64::from(self.tape.any::<u8>() % 64);
            let len = self.tape.below(65);
            let bytes = encode(addr, len, write | more, next as u16);
            match table {
                true => self.memory.set_buffer(16 * index, &bytes),
                false => self.memory.set(Area::Descriptor, 16 * index, &bytes),
            }
        }
        if table {
            let len = 16 * count as u32;
            let bytes = encode(BASE, len, 4, 0);
            self.memory.set(Area::Descriptor, 16 * head, &bytes);
        }
        let entry = 4 + 2 * self.slot(self.available);
        self.memory
            .set(Area::Driver, entry, &(head as u16).to_le_bytes());
        self.available = self.available.wrapping_add(1);
        self.memory
            .set(Area::Driver, 2, &self.available.to_le_bytes());
    }

    fn pop(&mut self, batch: &mut Batch) {
        let before = self.queue.avail_index();
        self.memory.take_accesses();
        let result = self.queue.pop(batch);
        assert!(self.memory.take_accesses() <= POP_ACCESSES);
        assert_eq!(result.is_err(), self.queue.is_broken());
        assert_eq!(result.unwrap_or(0), batch.len());
        let count = self.queue.avail_index().wrapping_sub(before);
        assert_eq!(usize::from(count), batch.len());
        for chain in batch.iter() {
            self.check_chain(&chain);
            self.taken.push(chain.head());
        }
        for position in 0..batch.len() {
            assert_eq!(
                batch.get(position).map(|chain| chain.head()),
                Some(self.taken[self.taken.len() - batch.len() + position])
            );
        }
        assert!(batch.get(batch.len()).is_none());
        if let Some(chain) = batch.get(self.tape.below(BATCH_CHAINS as u32) as usize) {
            self.copy(&chain);
        }
    }

    fn check_chain(&self, chain: &Chain<'_>) {
        let limit = self.memory.size.get().min(MAX_CHAIN_SEGMENTS);
        let segments = chain.readable().iter().chain(chain.writable());
        assert!(segments.clone().count() <= limit.into());
        assert!(chain.head() < self.memory.size.get());
        for segment in segments {
            assert!(segment.len != 0);
            assert!(segment.addr.checked_add(segment.len.into()).is_some());
        }
        let total = |segments: &[virtio::ring::Segment]| -> u64 {
            segments.iter().map(|segment| u64::from(segment.len)).sum()
        };
        assert_eq!(total(chain.readable()), u64::from(chain.readable_len()));
        assert_eq!(total(chain.writable()), u64::from(chain.writable_len()));
        assert!(chain
            .readable_len()
            .checked_add(chain.writable_len())
            .is_some());
    }

    /// Copies payload from any offset on.
    fn copy(&self, chain: &Chain<'_>) {
        let offset = match self.tape.once_in(4) {
            true => self.tape.long() as usize,
            false => self.tape.below(256) as usize,
        };
        let mut bytes = vec![0; self.tape.below(256) as usize];
        let expected = |len: u32| (len as usize).saturating_sub(offset).min(bytes.len());
        let (readable, writable) = (
            expected(chain.readable_len()),
            expected(chain.writable_len()),
        );
        if let Ok(read) = chain.read(self.memory, offset, &mut bytes) {
            assert_eq!(read, readable);
        }
        if let Ok(written) = chain.write(self.memory, offset, &bytes) {
            assert_eq!(written, writable);
        }
    }

    /// Pushes some of the chains taken, from either end.
    fn push(&mut self) {
        let count = self
            .tape
            .below(self.taken.len().min(BATCH_CHAINS) as u32 + 1) as usize;
        if self.tape.once_in(2) {
            self.taken.reverse();
        }
        let used = |head: &u16| Used {
            head: *head,
            len: self.tape.word(),
        };
        let used: Vec<_> = self.taken[..count].iter().map(used).collect();
        let is_calm = self.memory.is_calm();
        let mut expected = self.memory.copy(Area::Device);
        self.memory.take_accesses();
        let result = self.queue.push(&used);
        assert!(self.memory.take_accesses() <= PUSH_ACCESSES);
        let Ok(signal) = result else {
            assert!(self.queue.is_broken());
            // What was published, and what not, is not known.
            self.taken.truncate(self.queue.in_flight().into());
            return;
        };
        self.taken.drain(..count);
        let old = self.used_index;
        self.used_index = old.wrapping_add(count as u16);
        let is_owed = mem::take(&mut self.owes_signal);
        let is_wanted = count != 0 && self.is_wanted(old, self.used_index);
        assert_eq!(signal, is_owed || is_wanted);
        for (n, used) in (0..).zip(&used) {
            let entry = 4 + 8 * self.slot(old.wrapping_add(n));
            expected[entry..entry + 4].copy_from_slice(&u32::from(used.head).to_le_bytes());
            expected[entry + 4..entry + 8].copy_from_slice(&used.len.to_le_bytes());
        }
        if count != 0 {
            expected[2..4].copy_from_slice(&self.used_index.to_le_bytes());
        }
        assert!(!is_calm || self.memory.copy(Area::Device) == expected);
    }

    /// Whether the wish that was read last asks for a signal (2.7.7.2).
    fn is_wanted(&self, old: u16, new: u16) -> bool {
        let wish = self.memory.last_loaded();
        if self.features & EVENT_IDX == 0 {
            return wish & 1 == 0;
        }
        let mut placed = (0..new.wrapping_sub(old)).map(|n| old.wrapping_add(n));
        placed.any(|index| index == wish)
    }

    fn unpop(&mut self) {
        let count = self.tape.any::<u16>() % 16;
        let in_flight = self.queue.in_flight();
        let result = self.queue.unpop(count);
        if count > in_flight {
            let count = count.into();
            assert_eq!(result, Err(RingError::UsedTooMany { count, in_flight }));
        } else {
            assert_eq!(result, Ok(()));
            self.taken.truncate(self.taken.len() - usize::from(count));
        }
    }

    /// Asks for kicks, or for none.
    fn ask(&mut self) {
        self.memory.take_accesses();
        let result = if self.tape.once_in(3) {
            self.queue.disable_notification().map(|()| None)
        } else {
            self.queue.enable_notification().map(Some)
        };
        assert!(self.memory.take_accesses() <= 2);
        match result {
            Ok(None) => {}
            Ok(Some(more)) => {
                let index = self.memory.last_loaded();
                assert_eq!(more, index != self.queue.avail_index());
            }
            Err(_) => assert!(self.queue.is_broken()),
        }
    }

    /// Another device side goes on where this one left off, and breaks what it cannot know.
    fn take_over(&mut self) {
        let size = self.memory.size;
        self.memory.take_accesses();
        let config = QueueConfig::new(size, self.features);
        let result = config.take_over(self.memory);
        // The two indexes; of each entry the head, the id, and the index once more.
        assert!(self.memory.take_accesses() <= 2 + 3 * usize::from(size.get()));
        self.memory.settle();
        let Ok(queue) = result else {
            return;
        };
        assert_eq!(queue.in_flight(), 0);
        self.used_index = queue.avail_index();
        self.taken.clear();
        self.owes_signal = true;
        self.queue = queue;
    }

    /// Pushes what was not taken; the queue goes on.
    fn push_wrong(&mut self) {
        let before = self.memory.copy(Area::Device);
        let used = Used { head: 0, len: 0 };
        let too_many = vec![used; self.taken.len() + 1];
        assert!(self.queue.push(&too_many).is_err());
        if !self.taken.is_empty() {
            let head = self.memory.size.get() + self.tape.any::<u8>() as u16;
            assert!(self.queue.push(&[Used { head, len: 0 }]).is_err());
        }
        assert!(!self.queue.is_broken());
        assert_eq!(self.memory.copy(Area::Device), before);
    }

    /// A queue that is broken does nothing more.
    fn check_broken(&mut self, batch: &mut Batch) {
        self.memory.take_accesses();
        let broken = RingError::<Fault>::Broken;
        assert_eq!(self.queue.pop(batch), Err(broken));
        assert!(batch.is_empty());
        assert_eq!(self.queue.push(&[]), Err(broken));
        assert_eq!(self.queue.enable_notification(), Err(broken));
        assert_eq!(self.queue.disable_notification(), Err(broken));
        assert_eq!(self.memory.take_accesses(), 0);
    }
}
