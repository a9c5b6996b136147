// SPDX-License-Identifier: GPL-2.0
//! The same ring through this project's device side and through another one's, the peer.
//!
//! Checked, as long as the driver side obeys the specification: the same chains, the same used ring, the
//! same wishes, the same decisions about signals. When ours refuses a ring, the peer does too, unless
//! the peer is known not to look for that fault.

pub mod rust_vmm;
pub mod vringh;

mod memory;

use virtio::{
    features::{EVENT_IDX, INDIRECT_DESC, VERSION_1},
    ring::{Area, Batch, Position, Queue, QueueConfig, RingError, Used},
};

use crate::{descriptor::encode, tape::Tape};

use self::memory::{place, Fault, Memory, BASE, BUFFERS, END};

/// The size of the queue.
const SIZE: u16 = 16;

/// Most steps of one run; longer ones find nothing new.
const STEPS: usize = 32;

/// A chain, or what the peer made of one that it does not like.
#[derive(Debug, Default)]
struct Popped {
    head: u16,
    /// Address, length and whether the device may write; without those of zero bytes.
    segments: Vec<(u64, u64, bool)>,
    is_refused: bool,
}

/// Another device side, over memory of its own that is the same otherwise.
trait Peer {
    /// Whether the peer never comes back from a table that is continued.
    const HANGS_IN_CONTINUED_TABLES: bool;

    /// A queue over memory of zeros.
    fn new(features: u64, start: u16) -> Self;
    /// Writes as the driver side.
    fn write(&mut self, offset: usize, bytes: &[u8]);
    fn read(&mut self, offset: usize, to: &mut [u8]);
    fn pop(&mut self) -> Option<Popped>;
    fn push(&mut self, used: &[Used]);
    fn wants_signal(&mut self) -> bool;
    /// Asks for kicks and returns whether there is more.
    fn enable_notification(&mut self) -> bool;
    /// Whether the peer is known not to refuse this.
    fn overlooks(error: RingError<Fault>) -> bool;
}

/// Plays the driver side that the bytes describe, for both.
fn run<P: Peer>(bytes: &[u8]) {
    let tape = Tape::new(bytes);
    let features = VERSION_1 | tape.pick(&[INDIRECT_DESC, INDIRECT_DESC | EVENT_IDX, 0, EVENT_IDX]);
    let start = tape.any();
    let memory = Memory::new();
    let config = QueueConfig::new(SIZE, features).expect("a power of two");
    let config = config.start_at(Position::split(start));
    let mut rig = Rig {
        tape: &tape,
        memory: &memory,
        ours: config.start(&memory).expect("a position"),
        theirs: P::new(features, start),
        available: start,
        has_wrong_index: false,
        taken: Vec::new(),
    };
    for area in [Area::Driver, Area::Device] {
        rig.write(place(area) + 2, &start.to_le_bytes());
    }
    let mut batch = Batch::new();
    for _ in 0..STEPS {
        if tape.is_over() || !rig.step(&mut batch) {
            break;
        }
        rig.compare_device_area();
    }
}

struct Rig<'a, P> {
    tape: &'a Tape<'a>,
    memory: &'a Memory,
    ours: Queue<&'a Memory>,
    theirs: P,
    available: u16,
    /// The driver side wrote an index that may be wrong.
    has_wrong_index: bool,
    taken: Vec<u16>,
}

impl<P: Peer> Rig<'_, P> {
    /// Returns whether the queue goes on.
    fn step(&mut self, batch: &mut Batch) -> bool {
        match self.tape.below(8) {
            0 => self.describe(),
            1..=3 => self.offer(),
            4 => return self.pop(batch),
            5 => self.push(),
            6 => self.wish(),
            _ => return self.enable_notification(),
        }
        true
    }

    /// Writes as the driver side, to both memories.
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.memory.set(offset, bytes);
        self.theirs.write(offset, bytes);
    }

    fn compare_device_area(&mut self) {
        let mut theirs = [0; 6 + 8 * SIZE as usize];
        self.theirs.read(place(Area::Device), &mut theirs);
        self.memory.with(|ours| {
            let ours = &ours[place(Area::Device)..][..theirs.len()];
            assert_eq!(ours, theirs);
        });
    }

    /// Writes any descriptor to the table, or to an indirect one.
    fn describe(&mut self) {
        let index = self.tape.below(SIZE.into()) as usize;
        let table = if self.tape.once_in(2) {
            BUFFERS
        } else {
            place(Area::Descriptor)
        };
        let addr = match self.tape.below(4) {
            0 => self.tape.long(),
            _ => BASE + u64::from(self.tape.below(END as u32) & !15),
        };
        let len = match self.tape.below(4) {
            0 => self.tape.word(),
            _ => 16 * self.tape.below(20),
        };
        let flags = self.tape.any::<u16>() & 7;
        // Peers follow a loop for as many descriptors as the table claims to have, or refuse a table of
        // more than 16 bits; what ours does with those is tried by the target `ring`.
        let is_table = flags & 4 != 0 && len % 16 == 0;
        let len = if is_table { len % 0x2000 } else { len };
        let flags = match is_table && P::HANGS_IN_CONTINUED_TABLES {
            true => flags & !1,
            false => flags,
        };
        let next = self.tape.below(20) as u16;
        self.write(table + 16 * index, &encode(addr, len, flags, next));
    }

    /// Makes a chain available that is legal, unless descriptors of an older one are in the way.
    fn offer(&mut self) {
        let head = self.tape.below(SIZE.into()) as usize;
        let count = 1 + self.tape.below(6) as usize;
        let readable = self.tape.below(7) as usize;
        // So many descriptors of the chain are in a table.
        let indirect = match self.tape.below(3) {
            0 => 1 + self.tape.below(count as u32) as usize,
            _ => 0,
        };
        let direct = count - indirect;
        let table = BUFFERS + 0x80 * self.tape.below(8) as usize;
        for n in 0..count {
            let addr = BASE + u64::from(self.tape.any::<u8>()) * 15;
            let len = self.tape.below(0x41);
            let write = if n >= readable { 2 } else { 0 };
            let more = u16::from(n + 1 < count);
            let (at, next) = match n.checked_sub(direct) {
                Some(n) => (table + 16 * n, n + 1),
                None => (
                    self.table_entry(head + n),
                    (head + n + 1) % usize::from(SIZE),
                ),
            };
            self.write(at, &encode(addr, len, write | more, next as u16));
        }
        if indirect != 0 {
            let bytes = encode(BASE + table as u64, 16 * indirect as u32, 4, 0);
            self.write(self.table_entry(head + direct), &bytes);
        }
        self.enter(head as u16);
        self.write(place(Area::Driver) + 2, &self.available.to_le_bytes());
    }

    fn table_entry(&self, index: usize) -> usize {
        place(Area::Descriptor) + 16 * (index % usize::from(SIZE))
    }

    fn enter(&mut self, head: u16) {
        let slot = usize::from(self.available % SIZE);
        self.write(place(Area::Driver) + 4 + 2 * slot, &head.to_le_bytes());
        self.available = self.available.wrapping_add(1);
    }

    /// Sets flags or the event of the driver side, or an index or a head that may be wrong.
    fn wish(&mut self) {
        let driver = place(Area::Driver);
        let near = self.ours.position().available.wrapping_sub(8);
        let near = near.wrapping_add(self.tape.below(24) as u16);
        match self.tape.below(8) {
            0 => {
                self.has_wrong_index = true;
                self.write(driver + 2, &near.to_le_bytes());
            }
            1 => self.enter(self.tape.below(20) as u16),
            2..=4 => self.write(driver, &self.tape.below(2).to_le_bytes()[..2]),
            _ => self.write(driver + 4 + 2 * usize::from(SIZE), &near.to_le_bytes()),
        }
    }

    fn pop(&mut self, batch: &mut Batch) -> bool {
        // An index that goes back, or too far, is seen by ours when it looks again, which it does only
        // when the chains that it knows of are used up.
        let ahead = self.available.wrapping_sub(self.ours.position().available);
        let is_wrong = self.has_wrong_index || ahead > SIZE;
        let result = self.ours.pop(batch);
        let count = result.unwrap_or(SIZE.into());
        let theirs: Vec<_> = std::iter::from_fn(|| self.theirs.pop())
            .take(count)
            .collect();
        if let Err(error) = result {
            let is_refused = theirs.iter().any(|popped| popped.is_refused);
            let is_known = is_wrong || P::overlooks(error);
            assert!(is_refused || is_known, "{error:?}: {theirs:x?}");
            return false;
        }
        if is_wrong && theirs.len() < batch.len() {
            return false;
        }
        assert_eq!(batch.len(), theirs.len());
        for (ours, theirs) in batch.iter().zip(&theirs) {
            let segments = |part: &[virtio::ring::Segment], writable| -> Vec<_> {
                let segment = |at: &virtio::ring::Segment| (at.addr, at.len.into(), writable);
                part.iter().map(segment).collect()
            };
            let mut all = segments(ours.readable(), false);
            all.extend(segments(ours.writable(), true));
            let ours = Popped {
                head: ours.head(),
                segments: all,
                is_refused: false,
            };
            assert!(!theirs.is_refused, "{ours:x?}");
            assert_eq!(
                (ours.head, ours.segments),
                (theirs.head, theirs.segments.clone())
            );
            self.taken.push(ours.head);
        }
        assert!(!batch.is_empty() || self.theirs.pop().is_none());
        true
    }

    fn push(&mut self) {
        let count = self.tape.below(self.taken.len() as u32 + 1) as usize;
        let used = |head| Used::new(head, self.tape.word());
        let used: Vec<_> = self.taken.drain(..count).map(used).collect();
        if used.is_empty() {
            return;
        }
        let signal = self.ours.push(&used);
        self.theirs.push(&used);
        assert_eq!(signal, Ok(self.theirs.wants_signal()));
    }

    fn enable_notification(&mut self) -> bool {
        let Ok(more) = self.ours.enable_notification() else {
            return false;
        };
        assert_eq!(more, self.theirs.enable_notification());
        true
    }
}
