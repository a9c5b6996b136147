// SPDX-License-Identifier: GPL-2.0
//! Any driver side against the device side of a queue, split or packed: whatever it writes, between
//! whichever two accesses, and with accesses that fail.
//!
//! Checked: no panic; no access outside an area, no write but to where used buffers and wishes go;
//! barriers where the order of accesses needs them; a bound on the accesses of one call; chains keep what
//! their types promise; no more in flight than the queue has descriptors; used entries or descriptors are
//! those that were pushed and nothing else; signals are those that sections 2.7.7, 2.7.10 and 2.8.10 ask
//! for.

mod memory;
mod packed;
mod split;

use std::mem;

use virtio::{
    features::{EVENT_IDX, INDIRECT_DESC, IN_ORDER, RING_PACKED},
    ring::{
        Area, Batch, Chain, Layout, Position, Queue, QueueConfig, RingError, Used, BATCH_CHAINS,
        MAX_CHAIN_SEGMENTS,
    },
};

use crate::tape::Tape;

use self::memory::{Fault, Memory};

/// Most steps of one run; longer ones find nothing new.
const STEPS: usize = 48;

/// Most accesses of one pop: the index, the entries in two runs, and of each chain the run at its head,
/// each of its descriptors, the one too many, and the one that refers to a table.
const POP_ACCESSES: usize = 3 + BATCH_CHAINS * (3 + MAX_CHAIN_SEGMENTS as usize);

/// Most accesses of one push: an entry or a descriptor of each chain, in runs when there is no order, one
/// more where the ring ends; index or flags, wish.
const PUSH_ACCESSES: usize = BATCH_CHAINS + 1 + 2;

/// A chain that was popped and not pushed, and as what it is to be pushed.
struct Taken {
    used: Used,
    is_filled: bool,
    descriptors: u16,
}

/// The driver side of a layout.
trait Driver {
    /// Writes any descriptor anywhere.
    fn describe(&self, tape: &Tape<'_>, memory: &Memory<'_>);
    /// Makes a chain available, mostly a legal one.
    fn offer(&mut self, tape: &Tape<'_>, memory: &Memory<'_>);
    /// Lets the device side begin anew, and returns where.
    fn restart(&mut self, memory: &Memory<'_>) -> Position;
    /// Another device side goes on where the queue was found to be.
    fn taken_over(&mut self, at: Position);
    /// The area that used chains are written to.
    fn used_area(&self) -> Area;
    /// Writes what the device side has to write for the groups of chains that it tells of together, and
    /// goes on behind them.
    fn use_up(&mut self, groups: &[&[Taken]], to: &mut [u8]);
    /// Whether the wish that was read last asks for a signal for what was just used.
    fn is_wanted(&self, memory: &Memory<'_>, event_idx: bool) -> bool;
    /// Whether the word that was loaded last says that there is more at this position.
    fn has_more(&self, memory: &Memory<'_>, at: Position, in_flight: u16) -> bool;
}

/// Plays the driver side that the bytes describe.
pub fn run(bytes: &[u8]) {
    let tape = Tape::new(bytes);
    let size = 1 << tape.pick(&[3, 0, 1, 2, 4, 6, 7, 10]);
    let order = tape.pick(&[0, INDIRECT_DESC, EVENT_IDX, INDIRECT_DESC | EVENT_IDX]);
    let layout = tape.pick(&[0, IN_ORDER, RING_PACKED, RING_PACKED | IN_ORDER]);
    let features = order | layout;
    // Packed queues of any size.
    let size = match features & RING_PACKED {
        0 => size,
        _ => size + tape.below(4) as u16,
    };
    let layout = Layout::new(size, features).expect("a legal size");
    let memory = Memory::new(layout, &tape);
    let driver: Box<dyn Driver> = match layout {
        Layout::Split(_) => Box::new(split::Split::new(size, &tape)),
        Layout::Packed(_) => Box::new(packed::Packed::new(size, &tape)),
    };
    let mut batch = Batch::new();
    let mut rig = Rig::new(&tape, &memory, features, driver);
    for _ in 0..STEPS {
        if tape.is_over() {
            break;
        }
        rig.step(&mut batch);
        let in_flight = usize::from(rig.queue.in_flight());
        assert_eq!(in_flight, rig.weigh(&rig.taken));
        assert!(in_flight <= size.into());
    }
}

struct Rig<'a> {
    tape: &'a Tape<'a>,
    memory: &'a Memory<'a>,
    features: u64,
    driver: Box<dyn Driver>,
    queue: Queue<&'a Memory<'a>>,
    /// Chains that were popped and not pushed, in order.
    taken: Vec<Taken>,
    /// Whether the device side before this one may have died before its last signal.
    owes_signal: bool,
}

impl<'a> Rig<'a> {
    fn new(
        tape: &'a Tape<'a>,
        memory: &'a Memory<'a>,
        features: u64,
        mut driver: Box<dyn Driver>,
    ) -> Self {
        let config = QueueConfig::new(memory.size(), features).expect("a legal size");
        let config = config.start_at(driver.restart(memory));
        Self {
            tape,
            memory,
            features,
            driver,
            queue: config.start(memory).expect("a legal position"),
            taken: Vec::new(),
            owes_signal: false,
        }
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    /// How much of the queue these chains in flight take.
    fn weigh(&self, taken: &[Taken]) -> usize {
        match self.has(RING_PACKED) {
            true => taken
                .iter()
                .map(|taken| usize::from(taken.descriptors))
                .sum(),
            false => taken.len(),
        }
    }

    fn step(&mut self, batch: &mut Batch) {
        if self.tape.once_in(4) {
            self.memory.disturb();
        }
        match self.tape.below(13) {
            0 => self.memory.scribble(),
            1 => self.driver.describe(self.tape, self.memory),
            2..=4 => self.driver.offer(self.tape, self.memory),
            5 | 6 => self.pop(batch),
            7 | 8 => self.push(),
            9 => self.go_back(),
            10 => self.ask(),
            11 => self.take_over(),
            _ => self.push_wrong(),
        }
        self.memory.calm();
        if self.queue.is_broken() {
            self.check_broken(batch);
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        self.memory.settle();
        let config = QueueConfig::new(self.memory.size(), self.features).expect("a legal size");
        let config = config.start_at(self.driver.restart(self.memory));
        self.queue = config.start(self.memory).expect("a legal position");
        self.taken.clear();
        self.owes_signal = false;
    }

    fn pop(&mut self, batch: &mut Batch) {
        if self.tape.once_in(4) {
            self.queue.hint(self.tape.any());
        }
        let before = self.queue.in_flight();
        self.memory.take_accesses();
        let result = self.queue.pop(batch);
        assert!(self.memory.take_accesses() <= POP_ACCESSES);
        assert_eq!(result.is_err(), self.queue.is_broken());
        assert_eq!(result.unwrap_or(0), batch.len());
        let first = self.taken.len();
        for chain in batch.iter() {
            self.check_chain(&chain);
            let is_filled = self.tape.once_in(2);
            let len = match is_filled {
                true => chain.writable_len(),
                false => self.tape.word(),
            };
            self.taken.push(Taken {
                used: chain.used(len),
                is_filled: len == chain.writable_len(),
                descriptors: chain.descriptors(),
            });
        }
        let popped = self.weigh(&self.taken[first..]);
        assert_eq!(usize::from(self.queue.in_flight() - before), popped);
        for (position, taken) in self.taken[first..].iter().enumerate() {
            let head = batch.get(position).map(|chain| chain.head());
            assert_eq!(head, Some(taken.used.head));
        }
        assert!(batch.get(batch.len()).is_none());
        if let Some(chain) = batch.get(self.tape.below(BATCH_CHAINS as u32) as usize) {
            self.copy(&chain);
        }
    }

    fn check_chain(&self, chain: &Chain<'_>) {
        let limit = self.memory.size().min(MAX_CHAIN_SEGMENTS);
        let segments = chain.readable().iter().chain(chain.writable());
        assert!(segments.clone().count() <= limit.into());
        assert!(self.has(RING_PACKED) || chain.head() < self.memory.size());
        assert!((1..=limit).contains(&chain.descriptors()));
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

    /// Pushes some of the chains taken, from either end unless the order was negotiated.
    fn push(&mut self) {
        let count = self.taken.len().min(BATCH_CHAINS);
        let count = self.tape.below(count as u32 + 1) as usize;
        let in_order = self.has(IN_ORDER);
        if self.tape.once_in(2) && !in_order {
            self.taken.reverse();
        }
        let used: Vec<_> = self.taken[..count].iter().map(|taken| taken.used).collect();
        let is_calm = self.memory.is_calm();
        let area = self.driver.used_area();
        let mut expected = self.memory.copy(area);
        self.memory.take_accesses();
        let result = self.queue.push(&used);
        assert!(self.memory.take_accesses() <= PUSH_ACCESSES);
        let Ok(signal) = result else {
            assert!(self.queue.is_broken());
            // What was published, and what not, is not known; a new queue follows.
            while self.in_flight() < self.weigh(&self.taken) {
                self.taken.pop();
            }
            return;
        };
        let pushed: Vec<_> = self.taken.drain(..count).collect();
        let groups = pushed.split_inclusive(|taken| !(in_order && taken.is_filled));
        self.driver
            .use_up(&groups.collect::<Vec<_>>(), &mut expected);
        let is_owed = mem::take(&mut self.owes_signal);
        let is_wanted = count != 0 && self.driver.is_wanted(self.memory, self.has(EVENT_IDX));
        assert_eq!(signal, is_owed || is_wanted);
        assert!(!is_calm || self.memory.copy(area) == expected);
    }

    fn in_flight(&self) -> usize {
        self.queue.in_flight().into()
    }

    /// Takes what is in flight once more, or goes on anywhere.
    fn go_back(&mut self) {
        if self.tape.once_in(2) {
            self.queue.rewind();
            self.taken.clear();
            return;
        }
        let before = self.queue.position();
        let (available, used) = (self.tape.any(), self.tape.any());
        let result = self.queue.go_on_at(Position { available, used });
        if result.is_ok() {
            // Only a driver side that was reset agrees.
            self.begin_anew();
        } else {
            assert_eq!(self.queue.position(), before);
        }
    }

    /// Asks for kicks, or for none, or only looks.
    fn ask(&mut self) {
        self.memory.take_accesses();
        let result = if self.tape.once_in(3) {
            self.queue.disable_notification().map(|()| None)
        } else if self.tape.once_in(3) {
            self.queue.poll().map(Some)
        } else {
            self.queue.enable_notification().map(Some)
        };
        assert!(self.memory.take_accesses() <= 2);
        match result {
            Ok(None) => {}
            Ok(Some(more)) => {
                let (at, in_flight) = (self.queue.position(), self.queue.in_flight());
                assert_eq!(more, self.driver.has_more(self.memory, at, in_flight));
            }
            Err(_) => assert!(self.queue.is_broken()),
        }
    }

    /// Another device side goes on where this one left off, and breaks what it cannot know.
    fn take_over(&mut self) {
        let size = self.memory.size();
        self.memory.take_accesses();
        let config = QueueConfig::new(size, self.features).expect("a legal size");
        let result = config.take_over(self.memory);
        // The two indexes; of each entry the head, the id, and the index once more.
        assert!(self.memory.take_accesses() <= 2 + 3 * usize::from(size));
        self.memory.settle();
        assert!(!self.has(RING_PACKED) || result.is_err());
        let Ok(queue) = result else {
            return;
        };
        assert_eq!(queue.in_flight(), 0);
        self.driver.taken_over(queue.position());
        self.taken.clear();
        self.owes_signal = true;
        self.queue = queue;
    }

    /// Pushes what was not taken; the queue goes on.
    fn push_wrong(&mut self) {
        let area = self.driver.used_area();
        let before = self.memory.copy(area);
        let too_many = vec![Used::new(0, 0); self.in_flight() + 1];
        assert!(self.queue.push(&too_many).is_err());
        if !self.taken.is_empty() && !self.has(RING_PACKED) {
            let head = self.memory.size() + self.tape.any::<u8>() as u16;
            assert!(self.queue.push(&[Used::new(head, 0)]).is_err());
        }
        assert!(!self.queue.is_broken());
        assert_eq!(self.memory.copy(area), before);
    }

    /// A queue that is broken does nothing more.
    fn check_broken(&mut self, batch: &mut Batch) {
        self.memory.take_accesses();
        let broken = RingError::<Fault>::Broken;
        assert_eq!(self.queue.pop(batch), Err(broken));
        assert!(batch.is_empty());
        assert_eq!(self.queue.push(&[]), Err(broken));
        assert_eq!(self.queue.enable_notification(), Err(broken));
        assert_eq!(self.queue.poll(), Err(broken));
        assert_eq!(self.queue.disable_notification(), Err(broken));
        assert_eq!(self.memory.take_accesses(), 0);
    }
}
