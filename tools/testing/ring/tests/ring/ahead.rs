// SPDX-License-Identifier: GPL-2.0
//! What the queue has fetched ahead, and what it makes of the index that comes along.

use std::cell::{Cell, RefCell};

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::{EVENT_IDX, INDIRECT_DESC, IN_ORDER},
    ring::{memory::INDEX, Area, Batch, Queue, RingError, RingMemory, Segment, Used},
};
use vm_memory::{Bytes, GuestAddress};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::{Fault, Link},
};

const SIZE: u16 = 64;
const BATCH: u16 = 32;
const FEATURES: u64 = IN_ORDER | INDIRECT_DESC | EVENT_IDX;

/// Memory that fetches whatever it is asked for, and answers from that.
struct Fetching {
    link: Link,
    held: RefCell<Vec<(u64, Vec<u8>)>>,
    /// What it was asked for, call by call.
    asked: RefCell<Vec<Vec<Segment>>>,
    /// Loads of words, and reads of buffers that were not held.
    loads: Cell<usize>,
    /// The index that comes along, in place of the true one.
    lie: Cell<Option<u16>>,
}

impl Fetching {
    fn new(driver: &DriverSide) -> Self {
        Self {
            link: Link(driver.clone()),
            held: RefCell::default(),
            asked: RefCell::default(),
            loads: Cell::new(0),
            lie: Cell::new(None),
        }
    }

    fn find(&self, addr: u64, to: &mut [u8]) -> bool {
        let held = self.held.borrow();
        let bytes = held.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(addr.checked_sub(*start)?).ok()?;
            bytes.get(offset..offset + to.len())
        });
        bytes.map(|bytes| to.copy_from_slice(bytes)).is_some()
    }
}

impl RingMemory for Fetching {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        self.link.read(area, offset, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Fault> {
        self.link.write(area, offset, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        self.loads.set(self.loads.get() + 1);
        self.link.load_u16(area, offset)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Fault> {
        self.link.store_u16(area, offset, value)
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        if self.find(addr, to) {
            return Ok(());
        }
        self.loads.set(self.loads.get() + 1);
        self.link.read_buffer(addr, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Fault> {
        self.link.write_buffer(addr, from)
    }

    fn read_ahead(&self, pieces: &mut dyn Iterator<Item = Segment>) -> Option<u16> {
        let pieces: Vec<_> = pieces.collect();
        let mut held = self.held.borrow_mut();
        held.clear();
        for piece in &pieces {
            let mut bytes = vec![0; piece.len as usize];
            self.link.read_buffer(piece.addr, &mut bytes).ok()?;
            held.push((piece.addr, bytes));
        }
        if pieces.is_empty() {
            return None;
        }
        self.asked.borrow_mut().push(pieces);
        let index = self.lie.get();
        index.or_else(|| self.link.load_u16(Area::Driver, INDEX).ok())
    }

    fn read_barrier(&self) {
        self.link.read_barrier();
    }

    fn write_barrier(&self) {
        self.link.write_barrier();
    }

    fn full_barrier(&self) {
        self.link.full_barrier();
    }
}

fn table(head: u16) -> u64 {
    BUFFERS + 0x1000 * u64::from(head)
}

fn header(head: u16) -> u64 {
    table(head) + 0x100
}

/// Makes requests available as those for blocks are: a table of a header and a status byte.
fn offer_requests(driver: &mut DriverSide, heads: impl Iterator<Item = u16>) {
    for head in heads {
        let buffers = [(header(head), 16, false), (header(head) + 16, 1, true)];
        driver.describe_table(head, table(head), &buffers);
        driver.enter(head);
    }
    driver.publish();
}

/// Takes all that is available, reads the headers, and hands it back; returns how many there were.
fn serve(queue: &mut Queue<&Fetching>, batch: &mut Batch) -> usize {
    let count = queue.pop(batch).unwrap();
    let mut used = Vec::new();
    for chain in batch.iter() {
        let mut bytes = [0; 16];
        assert_eq!(chain.read(queue.memory(), 0, &mut bytes), Ok(16));
        used.push(chain.used(1));
    }
    if count != 0 {
        queue.push(&used).unwrap();
    }
    count
}

#[test]
fn tables_then_payload_of_a_batch_are_asked_for() {
    let mut driver = DriverSide::new(SIZE);
    let memory = Fetching::new(&driver);
    let mut queue = driver.config(FEATURES).start(&memory).unwrap();
    offer_requests(&mut driver, 0..BATCH);
    assert_eq!(queue.pop(&mut Batch::new()), Ok(BATCH.into()));
    let segments = |addr: fn(u16) -> u64, len| {
        (0..BATCH).map(move |head| Segment {
            addr: addr(head),
            len,
        })
    };
    let expected = [
        segments(table, 32).collect(),
        segments(header, 16).collect::<Vec<_>>(),
    ];
    assert_eq!(*memory.asked.borrow(), expected);
}

#[test]
fn a_batch_and_a_sleep_take_three_loads() {
    const ROUNDS: usize = 50;
    let mut driver = DriverSide::new(SIZE);
    let memory = Fetching::new(&driver);
    let mut queue = driver.config(FEATURES).start(&memory).unwrap();
    let mut batch = Batch::new();
    for round in 0..ROUNDS {
        let first = (round as u16 * BATCH) % SIZE;
        offer_requests(&mut driver, first..first + BATCH);
        assert_eq!(serve(&mut queue, &mut batch), usize::from(BATCH));
        assert_eq!(serve(&mut queue, &mut batch), 0);
        assert_eq!(queue.enable_notification(), Ok(false));
    }
    // The index, the wish for a signal, and the index once more before the sleep.
    assert_eq!(memory.loads.get(), 3 * ROUNDS);
}

#[test]
fn what_comes_meanwhile_is_taken_without_a_look() {
    let mut driver = DriverSide::new(SIZE);
    let memory = Fetching::new(&driver);
    let mut queue = driver.config(FEATURES).start(&memory).unwrap();
    let mut batch = Batch::new();
    offer_requests(&mut driver, 0..40);
    driver.store(Area::Driver, INDEX, 32);
    assert_eq!(queue.pop(&mut batch), Ok(32));
    // Eight more are found by enabling, four of which came with the next batch.
    driver.store(Area::Driver, INDEX, 36);
    assert_eq!(queue.pop(&mut batch), Ok(0));
    assert_eq!(queue.enable_notification(), Ok(true));
    driver.store(Area::Driver, INDEX, 40);
    memory.loads.set(0);
    assert_eq!(queue.pop(&mut batch), Ok(4));
    assert_eq!(queue.pop(&mut batch), Ok(4));
    assert_eq!(queue.pop(&mut batch), Ok(0));
    assert_eq!(memory.loads.get(), 0);
    // It looked with the last batch; after that nobody did.
    assert_eq!(queue.pop(&mut batch), Ok(0));
    assert_eq!(memory.loads.get(), 1);
}

#[test]
fn an_index_that_lies_breaks_the_queue() {
    for (index, is_legal) in [(1, true), (SIZE, true), (SIZE + 1, false), (0, false)] {
        let mut driver = DriverSide::new(SIZE);
        let memory = Fetching::new(&driver);
        let mut queue = driver.config(FEATURES).start(&memory).unwrap();
        let mut batch = Batch::new();
        offer_requests(&mut driver, 0..1);
        memory.lie.set(Some(index));
        let result = queue.pop(&mut batch);
        if is_legal {
            assert_eq!(result, Ok(1));
            continue;
        }
        let error = RingError::AvailableIndex {
            index,
            seen: 1,
            used: 0,
            size: SIZE,
        };
        assert_eq!(result, Err(error));
        assert!(batch.is_empty() && queue.is_broken() && queue.in_flight() == 0);
    }
}

#[test]
fn an_address_that_is_used_again_has_its_new_bytes() {
    let mut driver = DriverSide::new(SIZE);
    let memory = Fetching::new(&driver);
    let mut queue = driver.config(0).start(&memory).unwrap();
    let mut batch = Batch::new();
    for round in 1..=3_u8 {
        driver
            .memory
            .write_slice(&[round; 8], GuestAddress(BUFFERS))
            .unwrap();
        driver.describe(0, Desc::new(BUFFERS, 8, 0, 0));
        driver.offer(0);
        assert_eq!(queue.enable_notification(), Ok(true));
        assert_eq!(queue.pop(&mut batch), Ok(1));
        let mut bytes = [0; 8];
        let chain = batch.get(0).unwrap();
        assert_eq!(chain.read(queue.memory(), 0, &mut bytes), Ok(8));
        assert_eq!(bytes, [round; 8]);
        queue.push(&[chain.used(0)]).unwrap();
    }
}

#[test]
fn a_table_is_not_taken_for_payload_of_the_batch_before() {
    let mut driver = DriverSide::new(SIZE);
    let memory = Fetching::new(&driver);
    let mut queue = driver.config(INDIRECT_DESC).start(&memory).unwrap();
    let mut batch = Batch::new();
    // Chains of two descriptors are expected next, none of which has a table that would be fetched.
    driver.describe_chain(0, &[(table(1), 64, false), (header(1), 1, true)]);
    driver.offer(0);
    assert_eq!(queue.pop(&mut batch), Ok(1));
    queue.push(&[Used::new(0, 0)]).unwrap();
    driver.describe_table(2, table(1), &[(header(3), 8, false), (header(4), 4, true)]);
    driver.offer(2);
    assert_eq!(queue.enable_notification(), Ok(true));
    assert_eq!(queue.pop(&mut batch), Ok(1));
    let chain = batch.get(0).unwrap();
    assert_eq!((chain.readable_len(), chain.writable_len()), (8, 4));
}

#[test]
fn a_queue_that_goes_on_looks_by_itself() {
    let mut driver = DriverSide::new(SIZE);
    let memory = Fetching::new(&driver);
    let mut queue = driver.config(FEATURES).start(&memory).unwrap();
    let mut batch = Batch::new();
    offer_requests(&mut driver, 0..2);
    assert_eq!(serve(&mut queue, &mut batch), 2);
    let position = queue.position();
    queue.go_on_at(position).unwrap();
    offer_requests(&mut driver, 2..3);
    assert_eq!(serve(&mut queue, &mut batch), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing is asked for but tables and readable parts of chains that are available, in any order of heads.
    #[test]
    fn nothing_else_is_asked_for(
        batches in vec(vec((1..5_usize, any::<bool>()), 1..12), 1..8),
        shuffle in any::<u64>(),
    ) {
        let mut driver = DriverSide::new(SIZE);
        let memory = Fetching::new(&driver);
        let mut queue = driver.config(INDIRECT_DESC).start(&memory).unwrap();
        let mut batch = Batch::new();
        for chains in batches {
            let mut heads: Vec<u16> = (0..chains.len() as u16).map(|n| 5 * n).collect();
            heads.sort_by_key(|head| u64::from(*head + 1).wrapping_mul(shuffle | 1));
            let mut allowed = Vec::new();
            for (head, (count, is_table)) in heads.iter().zip(&chains) {
                let addr = |n: usize| header(*head) + 16 * n as u64;
                let buffers: Vec<_> = (0..*count).map(|n| (addr(n), 8, n + 1 == *count)).collect();
                allowed.extend((0..count - 1).map(|n| Segment { addr: addr(n), len: 8 }));
                if *is_table {
                    driver.describe_table(*head, table(*head), &buffers);
                    allowed.push(Segment { addr: table(*head), len: 16 * *count as u32 });
                } else {
                    driver.describe_chain(*head, &buffers);
                }
                driver.enter(*head);
            }
            driver.publish();
            memory.asked.borrow_mut().clear();
            prop_assert_eq!(queue.enable_notification(), Ok(true));
            prop_assert_eq!(queue.pop(&mut batch), Ok(chains.len()));
            for piece in memory.asked.borrow().iter().flatten() {
                prop_assert!(allowed.contains(piece), "{:?} is not of the batch", piece);
            }
            let used: Vec<_> = batch.iter().map(|chain| Used::new(chain.head(), 0)).collect();
            queue.push(&used).unwrap();
        }
    }
}
