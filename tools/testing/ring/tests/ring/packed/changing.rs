// SPDX-License-Identifier: GPL-2.0
//! Memory that changes as soon as it has been read, and lists that come in any order.

use virtio::{
    features::INDIRECT_DESC,
    ring::{Area, Batch, Segment},
};

use super::driver::{PackedSide, AVAIL};
use crate::{
    changing::reads_once,
    driver::{Desc, DriverSide, BUFFERS, INDIRECT, NEXT, WRITE},
    link::{Link, Op, Traced},
};

const TABLE: u64 = BUFFERS + 0x1_0000;
/// Flags that would be a violation anywhere.
const POISON: u16 = NEXT | WRITE | INDIRECT | AVAIL;

/// Overwrites what the device side has just read.
fn poison(driver: &DriverSide, op: Op) {
    let (from, len) = match op {
        Op::Read(Area::Descriptor, offset, len) => (offset, len),
        Op::LoadLong(Area::Descriptor, offset) => (offset, 8),
        Op::ReadBuffer(addr, len) => {
            let desc = Desc::new(u64::MAX, u32::MAX, 0, POISON);
            return (0..len / 16).for_each(|n| driver.describe_in(addr, n as u16, desc));
        }
        _ => return,
    };
    for at in (from..from + len).step_by(2) {
        let value = if at % 16 == 14 { POISON } else { u16::MAX };
        driver.store(Area::Descriptor, at, value);
    }
}

#[test]
fn the_first_copy_counts() {
    let mut driver = PackedSide::new(16, 0);
    let list: Vec<_> = (0..3).map(|n| (BUFFERS + n, 1, n == 2)).collect();
    driver.enter(&list);
    driver.enter(&list);
    driver.enter_table(TABLE, &list);
    driver.publish();
    let memory = Traced::with(&driver.side, poison);
    let mut queue = driver.side.config(INDIRECT_DESC).start(&memory).unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(3));
    for chain in batch.iter() {
        let segment = |n| Segment {
            addr: BUFFERS + n,
            len: 1,
        };
        assert_eq!(chain.readable(), [segment(0), segment(1)]);
        assert_eq!(chain.writable(), [segment(2)]);
    }
    assert!(reads_once(&memory.take()));
}

/// A bulk read of the ring would see the flags of the second list with the address from before.
#[test]
fn a_list_behind_the_first_may_come_at_any_moment() {
    for moment in 0..6 {
        let mut driver = PackedSide::new(4, 0);
        driver.offer(&[(BUFFERS, 1, false)]);
        driver.describe(1, Desc::new(u64::MAX, u32::MAX, 0, 0));
        let count = std::cell::Cell::new(0);
        let memory = Traced::with(&driver.side, |side, _| {
            if count.replace(count.get() + 1) == moment {
                side.describe(1, Desc::new(BUFFERS + 8, 8, 7, AVAIL));
            }
        });
        let mut queue = driver.side.config(0).start(&memory).unwrap();
        let mut batch = Batch::new();
        let mut chains = Vec::new();
        while queue.pop(&mut batch) != Ok(0) {
            chains.extend(batch.iter().map(|chain| chain.readable()[0]));
        }
        let [first, second] =
            [(BUFFERS, 1), (BUFFERS + 8, 8)].map(|(addr, len)| Segment { addr, len });
        assert!(
            chains == [first, second] || chains == [first],
            "{moment}: {chains:x?}"
        );
    }
}

#[test]
fn a_list_without_the_one_before_it_is_not_there() {
    let mut driver = PackedSide::new(4, 0);
    driver.enter(&[(BUFFERS, 1, false)]);
    let second = driver.next;
    driver.describe(second.offset, Desc::new(BUFFERS, 1, 7, second.available()));
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(0));
    driver.publish();
    assert_eq!(queue.pop(&mut batch), Ok(2));
}
