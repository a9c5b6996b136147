// SPDX-License-Identifier: GPL-2.0
//! Payload that is on its way until it is flushed: the driver side is told of it afterwards, or never.

use std::cell::{Cell, RefCell};

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::{IN_ORDER, RING_PACKED},
    ring::{Area, Batch, Position, Queue, RingError, RingMemory},
};
use vm_memory::{Bytes, GuestAddress};

use crate::{
    driver::{DriverSide, BUFFERS},
    link::{Fault, Link},
    packed::driver::PackedSide,
};

const SIZE: u16 = 8;

/// How many bytes each buffer has.
const LEN: usize = 64;

/// Memory that keeps payload back.
struct Posting {
    link: Link,
    waiting: RefCell<Vec<(u64, Vec<u8>)>>,
    flushes: Cell<usize>,
    /// Whether the next flush fails.
    fails: Cell<bool>,
}

impl Posting {
    fn new(driver: &DriverSide) -> Self {
        Self {
            link: Link(driver.clone()),
            waiting: RefCell::default(),
            flushes: Cell::new(0),
            fails: Cell::new(false),
        }
    }

    fn waits(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }
}

impl RingMemory for Posting {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        self.link.read(area, offset, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Fault> {
        assert!(!self.waits(), "the driver side is told too early");
        self.link.write(area, offset, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        self.link.load_u16(area, offset)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Fault> {
        self.link.store_u16(area, offset, value)
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.link.read_buffer(addr, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Fault> {
        self.waiting.borrow_mut().push((addr, from.to_vec()));
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        self.flushes.set(self.flushes.get() + 1);
        let waiting = self.waiting.take();
        if self.fails.take() {
            return Err(Fault(0));
        }
        waiting
            .into_iter()
            .try_for_each(|(addr, bytes)| self.link.write_buffer(addr, &bytes))
    }

    fn discard(&self) {
        self.waiting.take();
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

fn address(head: u16) -> u64 {
    BUFFERS + 0x1000 * u64::from(head)
}

/// The byte that a buffer is filled with.
fn filling(head: u16) -> u8 {
    head as u8 + 1
}

/// Makes buffers available to be written.
fn offer(driver: &mut DriverSide, heads: impl Iterator<Item = u16>) {
    for head in heads {
        driver.describe_chain(head, &[(address(head), LEN as u32, true)]);
        driver.offer(head);
    }
}

/// Fills the buffers of a batch.
fn fill(queue: &Queue<&Posting>, batch: &Batch) {
    for chain in batch.iter() {
        let bytes = [filling(chain.head()); LEN];
        assert_eq!(chain.write(queue.memory(), 0, &bytes), Ok(LEN));
    }
}

/// Returns the first byte that the driver side sees in a buffer.
fn seen(driver: &DriverSide, head: u16) -> u8 {
    driver.memory.read_obj(GuestAddress(address(head))).unwrap()
}

#[test]
fn payload_is_there_when_the_driver_side_is_told() {
    let mut driver = DriverSide::new(SIZE);
    offer(&mut driver, 0..4);
    let memory = Posting::new(&driver);
    let mut queue = driver.config(IN_ORDER).start(&memory).unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(4));
    fill(&queue, &batch);
    assert!(memory.waits() && seen(&driver, 0) == 0);
    // Nothing is to be told, so nothing is flushed.
    queue.push(&[]).unwrap();
    assert_eq!(memory.flushes.get(), 0);
    let used: Vec<_> = batch.iter().map(|chain| chain.used(LEN as u32)).collect();
    queue.push(&used).unwrap();
    assert!((0..4).all(|head| seen(&driver, head) == filling(head)));
    assert_eq!(memory.flushes.get(), 1);
}

#[test]
fn payload_is_there_in_a_packed_ring_too() {
    let mut driver = PackedSide::new(SIZE, 0);
    let id = driver.offer(&[(BUFFERS, LEN as u32, true)]);
    let memory = Posting::new(&driver.side);
    let mut queue = driver.side.config(RING_PACKED).start(&memory).unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    fill(&queue, &batch);
    let used: Vec<_> = batch.iter().map(|chain| chain.used(LEN as u32)).collect();
    queue.push(&used).unwrap();
    assert_eq!(driver.take_used(), [(id, LEN as u32)]);
    assert!(!memory.waits() && memory.flushes.get() == 1);
}

#[test]
fn payload_that_is_lost_breaks_the_queue() {
    let mut driver = DriverSide::new(SIZE);
    offer(&mut driver, 0..1);
    let memory = Posting::new(&driver);
    let mut queue = driver.config(0).start(&memory).unwrap();
    let mut batch = Batch::new();
    queue.pop(&mut batch).unwrap();
    fill(&queue, &batch);
    memory.fails.set(true);
    let used: Vec<_> = batch.iter().map(|chain| chain.used(LEN as u32)).collect();
    assert_eq!(queue.push(&used), Err(RingError::Memory(Fault(0))));
    assert!(queue.is_broken() && driver.take_used().is_empty());
}

#[test]
fn chains_that_go_back_take_their_payload_along() {
    let mut driver = DriverSide::new(SIZE);
    offer(&mut driver, 0..2);
    let memory = Posting::new(&driver);
    let mut queue = driver.config(0).start(&memory).unwrap();
    let mut batch = Batch::new();
    queue.pop(&mut batch).unwrap();
    fill(&queue, &batch);
    queue.rewind();
    assert!(!memory.waits() && seen(&driver, 0) == 0);
    queue.pop(&mut batch).unwrap();
    fill(&queue, &batch);
    queue.go_on_at(Position::split(2)).unwrap();
    assert!(!memory.waits() && seen(&driver, 1) == 0);
}

proptest! {
    /// Whatever is handed back when, what the driver side is told of is there, and the rest only if it was flushed along.
    #[test]
    fn nothing_is_told_too_early(steps in vec((1..5u16, 0..5usize), 1..40)) {
        let mut driver = DriverSide::new(SIZE);
        let memory = Posting::new(&driver);
        let mut queue = driver.config(0).start(&memory).unwrap();
        let mut batch = Batch::new();
        let mut free: Vec<u16> = (0..SIZE).collect();
        let mut taken = Vec::new();
        for (offered, returned) in steps {
            let count = free.len().min(offered.into());
            let heads: Vec<_> = free.drain(..count).collect();
            for head in &heads {
                driver.fill(address(*head), &[0; LEN]);
            }
            offer(&mut driver, heads.into_iter());
            queue.pop(&mut batch).unwrap();
            fill(&queue, &batch);
            taken.extend(batch.iter().map(|chain| chain.used(LEN as u32)));
            let returned = taken.len().min(returned);
            let used: Vec<_> = taken.drain(..returned).collect();
            queue.push(&used).unwrap();
            for (head, len) in driver.take_used() {
                prop_assert_eq!((seen(&driver, head as u16), len), (filling(head as u16), LEN as u32));
                free.push(head as u16);
            }
        }
    }
}
