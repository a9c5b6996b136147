// SPDX-License-Identifier: GPL-2.0
//! A queue that is pushed: who sees the index in the push area sees what it hands over, who sees the doorbell sees the
//! index, and room is not written again while it is read (B2 and B4 of the transport).

use loom::{
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
};
use memory_order::{
    area::{batch, Side},
    holds,
    push::{Device, Near},
    Missing,
};
use std::sync::Arc;
use virtio::ring::{Area, Mirror, Position, PushArea, Queue, QueueConfig, SplitSize};

const SIZE: u16 = 2;
/// All room that there is.
const ROOM: u16 = 64;
/// The payload of the first chain, then of the second one; what is behind does not matter.
const PAYLOAD: [[u16; 2]; 2] = [[0x1111, 0x2222], [0x3333, 0x4444]];

struct Ends {
    driver: Side,
    mirror: Mirror<Side, Near, Vec<u64>>,
    queue: Queue<Device>,
}

impl Ends {
    /// The RC leaves out one barrier or the EP another one.
    fn new(of_rc: Missing, of_ep: Missing) -> Self {
        let config = QueueConfig::new(SIZE, 0).expect("a power of two").pushed();
        let size = SplitSize::new(SIZE).expect("a power of two");
        let len = PushArea::len_for(size, ROOM.into()).expect("little");
        let area = PushArea::new(SIZE, len).expect("room for the rings");
        let driver = Side::new(config.layout());
        let near = Near::new(len);
        let ends = vec![0; SIZE.into()];
        let mirror = Mirror::new(area, 0, driver.clone(), near.without(of_rc), ends);
        let device = Device::new(driver.clone(), near.without(of_ep), area);
        let config = config.start_at(Position::split(0));
        Self {
            driver,
            mirror,
            queue: config.start(device).expect("a position"),
        }
    }
}

/// Makes a readable buffer of `len` bytes available as chain `n`, and pushes it.
fn offer(driver: &Side, mirror: &mut Mirror<Side, Near, Vec<u64>>, n: u16, len: u16) {
    let desc = 16 * usize::from(n);
    driver.set_payload(&PAYLOAD[usize::from(n)]);
    driver.set(Area::Descriptor, desc, memory_order::area::PAYLOAD as u16);
    driver.set(Area::Descriptor, desc + 8, len);
    driver.set(Area::Driver, 4 + 2 * usize::from(n), n);
    driver.set(Area::Driver, 2, n + 1);
    assert_eq!(mirror.sync(), Ok(1));
}

/// Takes all there is, and returns how much, if each has its payload.
fn take(queue: &mut Queue<Device>, from: usize) -> Option<usize> {
    let mut batch = batch();
    let popped = queue.pop(&mut batch).ok()?;
    let mut used = Vec::new();
    for (chain, expected) in batch.iter().zip(&PAYLOAD[from..]) {
        let mut bytes = [0; 4];
        chain.read(queue.memory(), 0, &mut bytes).ok()?;
        let found = [0, 2].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        if found != *expected {
            return None;
        }
        used.push(chain.used(0));
    }
    queue.push(&used).ok()?;
    Some(popped)
}

/// The EP pops while the RC pushes.
fn pop_while_pushed(of_rc: Missing, of_ep: Missing) -> bool {
    let Ends {
        driver,
        mut mirror,
        mut queue,
    } = Ends::new(of_rc, of_ep);
    let other = thread::spawn(move || offer(&driver, &mut mirror, 0, 4));
    let taken = take(&mut queue, 0);
    other.join().expect("the RC");
    taken.is_some()
}

#[test]
fn a_pushed_chain_is_whole() {
    assert!(holds(|| pop_while_pushed(
        Missing::Nothing,
        Missing::Nothing
    )));
}

#[test]
fn a_pushed_chain_needs_barriers_of_both_sides() {
    assert!(!holds(|| pop_while_pushed(
        Missing::Write,
        Missing::Nothing
    )));
    assert!(!holds(|| pop_while_pushed(Missing::Nothing, Missing::Read)));
}

/// The EP pops once it saw the doorbell that the RC rings behind what it pushed.
fn pop_when_rung(of_rc: Missing) -> bool {
    let Ends {
        driver,
        mut mirror,
        mut queue,
    } = Ends::new(of_rc, Missing::Nothing);
    let doorbell = Arc::new(AtomicU16::new(0));
    let rung = doorbell.clone();
    let other = thread::spawn(move || {
        offer(&driver, &mut mirror, 0, 4);
        rung.store(1, Relaxed);
    });
    let is_rung = doorbell.load(Relaxed) == 1;
    Missing::Nothing.read_barrier();
    let taken = take(&mut queue, 0);
    other.join().expect("the RC");
    !is_rung || taken == Some(1)
}

#[test]
fn a_doorbell_has_the_index_before_it() {
    assert!(holds(|| pop_when_rung(Missing::Nothing)));
}

#[test]
fn a_doorbell_needs_the_write_barrier() {
    assert!(!holds(|| pop_when_rung(Missing::Write)));
}

/// The RC makes a second chain available, for which there is room once the first one is used, while the EP reads that.
fn push_again_while_read() -> bool {
    let Ends {
        driver,
        mut mirror,
        mut queue,
    } = Ends::new(Missing::Nothing, Missing::Nothing);
    offer(&driver, &mut mirror, 0, ROOM);
    let other = thread::spawn(move || offer(&driver, &mut mirror, 1, 4));
    let first = take(&mut queue, 0);
    let second = first.and_then(|count| take(&mut queue, count));
    other.join().expect("the RC");
    second.is_some()
}

#[test]
fn room_is_not_written_while_it_is_read() {
    assert!(holds(push_again_while_read));
}
