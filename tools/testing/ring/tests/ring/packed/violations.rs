// SPDX-License-Identifier: GPL-2.0
//! Every rule that the driver side can break: its own error, and a queue that is broken afterwards.

use virtio::{
    features::INDIRECT_DESC,
    ring::{Area, Batch, RingError, MAX_CHAIN_SEGMENTS},
};

use super::driver::{PackedSide, AVAIL};
use crate::{
    driver::{Desc, BASE, BUFFERS, INDIRECT, NEXT, WRITE},
    link::{Fault, Link},
};

const TABLE: u64 = BUFFERS + 0x1_0000;

/// Pops what the driver side offers, after a good chain, and expects the error.
fn expect(driver: &PackedSide, features: u64, error: RingError<Fault>) {
    let config = driver.side.config(features);
    let mut queue = config.start(Link(driver.side.clone())).unwrap();
    let mut batch = Batch::new();
    let position = queue.position();
    assert_eq!(queue.pop(&mut batch), Err(error), "{error}");
    assert!(batch.is_empty() && queue.is_broken());
    assert_eq!((queue.position(), queue.in_flight()), (position, 0));

    let ring = |offset| driver.side.load(Area::Descriptor, offset);
    let before: Vec<_> = (0..64).step_by(2).map(ring).collect();
    assert_eq!(queue.pop(&mut batch), Err(RingError::Broken));
    assert_eq!(queue.push(&[]), Err(RingError::Broken));
    assert_eq!(queue.enable_notification(), Err(RingError::Broken));
    assert_eq!(queue.disable_notification(), Err(RingError::Broken));
    assert_eq!((0..64).step_by(2).map(ring).collect::<Vec<_>>(), before);
}

/// A driver side that offers a good chain at offset 0, then these descriptors, available in the first
/// round.
fn offering(size: u16, descs: &[Desc]) -> PackedSide {
    let mut driver = PackedSide::new(size, 0);
    driver.offer(&[(BUFFERS, 1, false)]);
    for (n, desc) in (1..).zip(descs) {
        // The last field is the flags.
        driver.describe(
            n,
            Desc {
                next: desc.next | AVAIL,
                ..*desc
            },
        );
    }
    driver
}

/// The same with an indirect table.
fn offering_table(descs: &[Desc]) -> PackedSide {
    let len = 16 * descs.len() as u32;
    let driver = offering(16, &[Desc::new(TABLE, len, 1, INDIRECT)]);
    for (n, desc) in (0..).zip(descs) {
        driver.side.describe_in(TABLE, n, *desc);
    }
    driver
}

fn plain(flags: u16) -> Desc {
    Desc::new(BUFFERS, 1, 1, flags)
}

#[test]
fn lists_that_are_not_whole() {
    let driver = offering(16, &[plain(NEXT), plain(NEXT)]);
    let error = RingError::ListIncomplete { index: 3 };
    expect(&driver, 0, error);
    assert_eq!(
        error.to_string(),
        "descriptor 3 of an available list is not available"
    );
}

#[test]
fn lists_longer_than_the_queue() {
    // All around, into the chain before, which is in flight.
    let driver = offering(4, &[plain(NEXT); 3]);
    expect(&driver, 0, RingError::ListIncomplete { index: 0 });
    // As if available in the next round too.
    driver.describe(0, Desc::new(BUFFERS, 1, 1, AVAIL));
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    driver.describe(1, plain(0));
    assert_eq!(queue.pop(&mut Batch::new()), Ok(1));
    driver.describe(0, Desc::new(BUFFERS, 1, 1, 1 << 15));
    driver.describe(1, Desc::new(BUFFERS, 1, 1, AVAIL | NEXT));
    let error = RingError::ChainTooLong { head: 1, limit: 3 };
    assert_eq!(queue.pop(&mut Batch::new()), Err(error));
    let driver = PackedSide::new(1, 0);
    driver.describe(0, Desc::new(BUFFERS, 0, 1, AVAIL | NEXT));
    expect(&driver, 0, RingError::ListIncomplete { index: 0 });
}

#[test]
fn lists_longer_than_a_batch_takes() {
    let limit = MAX_CHAIN_SEGMENTS;
    let driver = offering(1024, &vec![plain(NEXT); usize::from(limit) + 1]);
    expect(&driver, 0, RingError::ChainTooLong { head: 1, limit });
}

#[test]
fn tables_longer_than_the_queue() {
    let driver = offering_table(&[plain(0); 17]);
    expect(
        &driver,
        INDIRECT_DESC,
        RingError::ChainTooLong { head: 1, limit: 16 },
    );
    let len = u32::MAX & !15;
    let driver = offering(16, &[Desc::new(TABLE, len, 1, INDIRECT)]);
    expect(
        &driver,
        INDIRECT_DESC,
        RingError::ChainTooLong { head: 1, limit: 16 },
    );
}

#[test]
fn more_bytes_than_32_bits() {
    let total = u64::from(u32::MAX) + 1;
    let error = RingError::LengthOverflow { head: 1, total };
    let descs = |next| [Desc::new(BUFFERS, u32::MAX, 1, next), plain(WRITE)];
    expect(&offering(16, &descs(NEXT)), 0, error);
    expect(&offering_table(&descs(0)), INDIRECT_DESC, error);
}

#[test]
fn beyond_the_address_space() {
    let (addr, len) = (u64::MAX - 15, 17);
    let error = RingError::AddressOverflow { addr, len };
    expect(&offering(16, &[Desc::new(addr, len, 1, 0)]), 0, error);
    let len = 32;
    let error = RingError::AddressOverflow { addr, len };
    let driver = offering(16, &[Desc::new(addr, len, 1, INDIRECT)]);
    expect(&driver, INDIRECT_DESC, error);
}

#[test]
fn readable_after_writable() {
    let driver = offering(16, &[plain(NEXT), plain(NEXT | WRITE), plain(0)]);
    expect(
        &driver,
        0,
        RingError::ReadableAfterWritable { head: 1, index: 3 },
    );
    let driver = offering_table(&[plain(WRITE), plain(0)]);
    let error = RingError::ReadableAfterWritable { head: 1, index: 1 };
    expect(&driver, INDIRECT_DESC, error);
}

#[test]
fn indirect_tables() {
    let table = |len, flags| offering(16, &[Desc::new(TABLE, len, 1, INDIRECT | flags), plain(0)]);
    expect(
        &table(16, 0),
        0,
        RingError::IndirectNotNegotiated { index: 1 },
    );
    expect(
        &table(16, NEXT),
        INDIRECT_DESC,
        RingError::IndirectWithNext { index: 1 },
    );
    for len in [0, 1, 15, 17, u32::MAX] {
        expect(
            &table(len, 0),
            INDIRECT_DESC,
            RingError::IndirectLength { len },
        );
    }
    let behind = offering(16, &[plain(NEXT), Desc::new(TABLE, 16, 1, INDIRECT)]);
    expect(
        &behind,
        INDIRECT_DESC,
        RingError::IndirectWithNext { index: 2 },
    );
    let nested = offering_table(&[plain(0), Desc::new(TABLE, 16, 1, INDIRECT)]);
    expect(
        &nested,
        INDIRECT_DESC,
        RingError::IndirectNested { index: 1 },
    );
}

#[test]
fn memory_that_is_not_there() {
    let driver = offering(16, &[Desc::new(BASE - 16, 16, 1, INDIRECT)]);
    expect(&driver, INDIRECT_DESC, RingError::Memory(Fault(BASE - 16)));
}

#[test]
fn flags_that_make_nothing_available() {
    // 2.8.1: available when the bits differ, and the first is the wrap counter.
    for (flags, count) in [(0, 0), (AVAIL, 1), (1 << 15, 0), (AVAIL | (1 << 15), 0)] {
        let driver = PackedSide::new(4, 0);
        driver.describe(0, Desc::new(BUFFERS, 1, 1, flags));
        let mut queue = driver
            .side
            .config(0)
            .start(Link(driver.side.clone()))
            .unwrap();
        assert_eq!(queue.enable_notification(), Ok(count != 0));
        assert_eq!(queue.pop(&mut Batch::new()), Ok(count));
    }
}
