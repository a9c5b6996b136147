// SPDX-License-Identifier: GPL-2.0
//! Memory that changes as soon as it has been read: the copy that was checked is the one that counts.

use virtio::{
    features::INDIRECT_DESC,
    ring::{Area, Batch, Segment},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS, INDIRECT, NEXT, WRITE},
    link::{Op, Traced},
};

const TABLE: u64 = BUFFERS + 0x1_0000;
/// What the driver side writes over everything that has been read.
const POISON: Desc = Desc {
    addr: u64::MAX,
    len: u32::MAX,
    flags: NEXT | WRITE | INDIRECT,
    next: u16::MAX,
};

/// Overwrites what the device side has just read.
fn poison(driver: &DriverSide, op: Op) {
    match op {
        Op::Read(Area::Descriptor, offset, len) => (offset / 16..(offset + len) / 16)
            .for_each(|index| driver.describe(index as u16, POISON)),
        Op::Read(Area::Driver, offset, len) => (offset..offset + len)
            .step_by(2)
            .for_each(|at| driver.store(Area::Driver, at, u16::MAX)),
        Op::ReadBuffer(addr, len) => {
            (0..len / 16).for_each(|index| driver.describe_in(addr, index as u16, POISON))
        }
        Op::Load(Area::Driver, offset) => driver.store(Area::Driver, offset, u16::MAX),
        _ => (),
    }
}

#[test]
fn the_first_copy_counts() {
    let mut driver = DriverSide::new(16);
    let chain: Vec<_> = (0..3).map(|n| (BUFFERS + n, 1, n == 2)).collect();
    driver.describe_chain(0, &chain);
    driver.describe_chain(3, &chain);
    driver.describe_table(6, TABLE, &chain);
    [0, 3, 6].into_iter().for_each(|head| driver.enter(head));
    driver.publish();

    let memory = Traced::with(&driver, poison);
    let mut queue = driver.config(INDIRECT_DESC).start(&memory).unwrap();
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

#[test]
fn what_is_not_yet_read_may_change() {
    let mut driver = DriverSide::new(16);
    driver.describe(0, Desc::new(BUFFERS, 1, NEXT, 1));
    driver.describe(1, Desc::new(BUFFERS, 1, 0, 0));
    driver.offer(0);
    // The second descriptor becomes a loop once the first has been read.
    let memory = Traced::with(&driver, |driver, op| {
        if op == Op::Read(Area::Descriptor, 0, 16) {
            driver.describe(1, Desc::new(BUFFERS, 1, NEXT, 1));
        }
    });
    let mut queue = driver.config(0).start(&memory).unwrap();
    let error = virtio::ring::RingError::ChainTooLong { head: 0, limit: 16 };
    assert_eq!(queue.pop(&mut Batch::new()), Err(error));
}

/// Returns whether no byte was read twice.
pub fn reads_once(ops: &[Op]) -> bool {
    let ranges = ops.iter().filter_map(|op| match *op {
        Op::Read(area, offset, len) => Some((area as u64, offset as u64, len)),
        Op::Load(area, offset) => Some((area as u64, offset as u64, 2)),
        Op::LoadLong(area, offset) => Some((area as u64, offset as u64, 8)),
        Op::ReadBuffer(addr, len) => Some((3, addr, len)),
        _ => None,
    });
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    let apart = |pair: &[(u64, u64, usize)]| {
        pair[0].0 != pair[1].0 || pair[0].1 + pair[0].2 as u64 <= pair[1].1
    };
    ranges.windows(2).all(apart)
}
