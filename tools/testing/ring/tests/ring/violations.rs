// SPDX-License-Identifier: GPL-2.0
//! Every rule that the driver side can break: its own error, and a queue that is broken afterwards.

use virtio::{
    features::INDIRECT_DESC,
    ring::{Area, Batch, RingError, MAX_CHAIN_SEGMENTS},
};

use crate::{
    driver::{Desc, DriverSide, BASE, BUFFERS, INDIRECT, NEXT, WRITE},
    link::{Fault, Link},
};

const TABLE: u64 = BUFFERS + 0x1_0000;

/// Pops what the driver side offers, after a good chain, and expects the error.
fn expect(driver: &DriverSide, features: u64, error: RingError<Fault>) {
    let mut queue = driver.config(features).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Err(error), "{error}");
    assert!(batch.is_empty() && queue.is_broken());
    assert_eq!((queue.position().available, queue.in_flight()), (0, 0));

    let index = driver.load(Area::Device, 2);
    assert_eq!(queue.pop(&mut batch), Err(RingError::Broken));
    assert_eq!(queue.push(&[]), Err(RingError::Broken));
    assert_eq!(queue.enable_notification(), Err(RingError::Broken));
    assert_eq!(queue.disable_notification(), Err(RingError::Broken));
    assert_eq!(driver.load(Area::Device, 2), index);
}

/// A driver side that offers a good chain at head 7, then the one at head 0.
fn offering(size: u16, descs: &[Desc]) -> DriverSide {
    let mut driver = DriverSide::new(size);
    driver.describe(7, Desc::new(BUFFERS, 1, 0, 0));
    driver.offer(7);
    for (index, desc) in (0..).zip(descs) {
        driver.describe(index, *desc);
    }
    driver.offer(0);
    driver
}

/// The same with an indirect table at head 0.
fn offering_table(descs: &[Desc]) -> DriverSide {
    let len = 16 * descs.len() as u32;
    let driver = offering(16, &[Desc::new(TABLE, len, INDIRECT, 0)]);
    for (index, desc) in (0..).zip(descs) {
        driver.describe_in(TABLE, index, *desc);
    }
    driver
}

fn plain(flags: u16, next: u16) -> Desc {
    Desc::new(BUFFERS, 1, flags, next)
}

#[test]
fn available_index_too_far() {
    let driver = DriverSide::new(16);
    driver.store(Area::Driver, 2, 17);
    let (index, seen, used, size) = (17, 0, 0, 16);
    let error = RingError::AvailableIndex {
        index,
        seen,
        used,
        size,
    };
    expect(&driver, 0, error);
    assert_eq!(
        error.to_string(),
        "available index 0x11 is not from 0x0 to 0x10 after 0x0"
    );
}

#[test]
fn available_index_counts_chains_in_flight() {
    let mut driver = DriverSide::new(2);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    for head in [0, 1] {
        driver.describe(head, plain(0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut batch), Ok(2));
    driver.offer(0);
    let (index, seen, used, size) = (3, 2, 0, 2);
    let error = RingError::AvailableIndex {
        index,
        seen,
        used,
        size,
    };
    assert_eq!(queue.pop(&mut batch), Err(error));
    assert!(queue.is_broken());
}

#[test]
fn available_index_back() {
    let mut driver = DriverSide::new(16);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    for head in [0, 1] {
        driver.describe(head, plain(0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut Batch::new()), Ok(2));
    driver.store(Area::Driver, 2, 1);
    let (index, seen, used, size) = (1, 2, 0, 16);
    let error = RingError::AvailableIndex {
        index,
        seen,
        used,
        size,
    };
    assert_eq!(queue.enable_notification(), Err(error));
    assert!(queue.is_broken());
}

#[test]
fn head_out_of_range() {
    for head in [16, 17, u16::MAX] {
        let mut driver = offering(16, &[plain(0, 0)]);
        driver.offer(head);
        expect(&driver, 0, RingError::HeadOutOfRange { head, size: 16 });
    }
}

#[test]
fn next_out_of_range() {
    for next in [16, u16::MAX] {
        let driver = offering(16, &[plain(NEXT, next)]);
        expect(&driver, 0, RingError::NextOutOfRange { next, size: 16 });
        let driver = offering_table(&[plain(NEXT, next), plain(0, 0)]);
        expect(
            &driver,
            INDIRECT_DESC,
            RingError::NextOutOfRange { next, size: 2 },
        );
    }
}

#[test]
fn loops() {
    let error = RingError::ChainTooLong { head: 0, limit: 16 };
    expect(&offering(16, &[plain(NEXT, 0)]), 0, error);
    expect(
        &offering(16, &[plain(NEXT, 1), plain(NEXT, 2), plain(NEXT, 1)]),
        0,
        error,
    );
    expect(
        &offering_table(&[plain(NEXT, 1), plain(NEXT, 0)]),
        INDIRECT_DESC,
        error,
    );
    // A loop of empty buffers makes no segment and ends all the same.
    expect(&offering(16, &[Desc::new(BUFFERS, 0, NEXT, 0)]), 0, error);
}

#[test]
fn chains_longer_than_the_queue() {
    let table: Vec<_> = (0..17)
        .map(|n| plain(if n < 16 { NEXT } else { 0 }, n + 1))
        .collect();
    let error = RingError::ChainTooLong { head: 0, limit: 16 };
    expect(&offering_table(&table), INDIRECT_DESC, error);
    // One direct descriptor and as many in the table as the queue has.
    let driver = offering(
        16,
        &[plain(NEXT, 1), Desc::new(TABLE, 16 * 16, INDIRECT, 0)],
    );
    for (index, desc) in (0..16).zip(&table) {
        let flags = if index < 15 { NEXT } else { 0 };
        driver.describe_in(TABLE, index, Desc { flags, ..*desc });
    }
    expect(&driver, INDIRECT_DESC, error);
}

#[test]
fn chains_longer_than_a_batch_takes() {
    let limit = MAX_CHAIN_SEGMENTS;
    let mut driver = DriverSide::new(1024);
    let chain: Vec<_> = (0..limit + 1)
        .map(|n| (BUFFERS + u64::from(n), 1, false))
        .collect();
    driver.describe_chain(0, &chain);
    driver.offer(0);
    expect(&driver, 0, RingError::ChainTooLong { head: 0, limit });
}

#[test]
fn more_bytes_than_32_bits() {
    let total = u64::from(u32::MAX) + 1;
    let descs = [Desc::new(BUFFERS, u32::MAX, NEXT, 1), plain(WRITE, 0)];
    let error = RingError::LengthOverflow { head: 0, total };
    expect(&offering(16, &descs), 0, error);
    expect(&offering_table(&descs), INDIRECT_DESC, error);
}

#[test]
fn beyond_the_address_space() {
    let (addr, len) = (u64::MAX - 15, 17);
    let error = RingError::AddressOverflow { addr, len };
    expect(&offering(16, &[Desc::new(addr, len, 0, 0)]), 0, error);
    let len = 32;
    let error = RingError::AddressOverflow { addr, len };
    expect(
        &offering(16, &[Desc::new(addr, len, INDIRECT, 0)]),
        INDIRECT_DESC,
        error,
    );
}

#[test]
fn readable_after_writable() {
    let descs = [plain(NEXT, 1), plain(NEXT | WRITE, 2), plain(0, 0)];
    let error = RingError::ReadableAfterWritable { head: 0, index: 2 };
    expect(&offering(16, &descs), 0, error);
    expect(&offering_table(&descs), INDIRECT_DESC, error);
    let empty = [Desc::new(BUFFERS, 0, NEXT | WRITE, 1), plain(0, 0)];
    let error = RingError::ReadableAfterWritable { head: 0, index: 1 };
    expect(&offering(16, &empty), 0, error);
}

#[test]
fn indirect_tables() {
    let table = |len, flags| offering(16, &[Desc::new(TABLE, len, INDIRECT | flags, 1)]);
    expect(
        &table(16, 0),
        0,
        RingError::IndirectNotNegotiated { index: 0 },
    );
    expect(
        &table(16, NEXT),
        INDIRECT_DESC,
        RingError::IndirectWithNext { index: 0 },
    );
    for len in [0, 1, 15, 17, u32::MAX] {
        expect(
            &table(len, 0),
            INDIRECT_DESC,
            RingError::IndirectLength { len },
        );
    }
    let nested = offering_table(&[plain(NEXT, 1), Desc::new(TABLE, 16, INDIRECT, 0)]);
    expect(
        &nested,
        INDIRECT_DESC,
        RingError::IndirectNested { index: 1 },
    );
}

#[test]
fn memory_that_is_not_there() {
    let driver = offering(16, &[Desc::new(BASE - 16, 16, INDIRECT, 0)]);
    expect(&driver, INDIRECT_DESC, RingError::Memory(Fault(BASE - 16)));
}
