// SPDX-License-Identifier: GPL-2.0
//! How many reads and writes cross the link per buffer.
//!
//! A read of at most eight bytes is one; a bulk read of n bytes is n / 8, rounded up. At about 1.1 us
//! each these are what the data path costs, not the time in this process. A write costs a twentieth.

use virtio::{
    features::{EVENT_IDX, IN_ORDER, RING_PACKED},
    ring::{Area, Batch},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::{Op, Traced},
    packed::driver::PackedSide,
};

const SIZE: u16 = 256;
const BATCH: u16 = 32;
const ROUNDS: u16 = 50;

/// Makes buffers of one descriptor available, that the device side may not write.
enum Driver {
    Split(DriverSide),
    Packed(PackedSide),
}

impl Driver {
    fn new(features: u64) -> Self {
        Self::of_size(SIZE, features)
    }

    fn of_size(size: u16, features: u64) -> Self {
        match features & RING_PACKED {
            0 => Self::Split(DriverSide::new(size)),
            _ => Self::Packed(PackedSide::new(size, features)),
        }
    }

    fn side(&self) -> &DriverSide {
        match self {
            Self::Split(side) => side,
            Self::Packed(driver) => &driver.side,
        }
    }

    fn offer_batch(&mut self, round: u16) {
        match self {
            Self::Split(driver) => {
                for n in 0..BATCH {
                    let head = (round * BATCH + n) % driver.size;
                    driver.describe(head, Desc::new(BUFFERS, 64, 0, 0));
                    driver.enter(head);
                }
                driver.publish();
            }
            Self::Packed(driver) => {
                driver.take_used();
                for _ in 0..BATCH {
                    driver.enter(&[(BUFFERS, 64, false)]);
                }
                driver.publish();
            }
        }
    }
}

/// Whether the device side goes to sleep after each batch: pops once more, and asks for kicks.
#[derive(Clone, Copy, PartialEq)]
enum After {
    Batch,
    Sleep,
}

/// Reads and writes of all rounds.
fn count(features: u64, after: After, hints: bool) -> (usize, usize) {
    count_with(Driver::new(features), features, after, hints)
}

fn count_with(mut driver: Driver, features: u64, after: After, hints: bool) -> (usize, usize) {
    let memory = Traced::new(driver.side());
    let mut queue = driver.side().config(features).start(&memory).unwrap();
    let mut batch = Batch::new();
    for round in 0..ROUNDS {
        driver.offer_batch(round);
        if let (true, Driver::Packed(driver)) = (hints, &driver) {
            queue.hint(driver.next.word());
        }
        assert_eq!(queue.pop(&mut batch), Ok(BATCH.into()));
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        queue.push(&used).unwrap();
        if after == After::Sleep {
            assert_eq!(queue.pop(&mut batch), Ok(0));
            assert_eq!(queue.enable_notification(), Ok(false));
        }
    }
    let ops = memory.take();
    let reads = ops.iter().map(|op| op.reads()).sum();
    (reads, ops.iter().map(|op| op.writes()).sum())
}

/// Reads per 1000 buffers.
fn reads(features: u64, after: After) -> usize {
    per_1000(count(features, after, false).0)
}

fn per_1000(count: usize) -> usize {
    1000 * count / usize::from(ROUNDS * BATCH)
}

#[test]
fn at_most_two_and_a_half_reads_per_buffer() {
    for features in [0, EVENT_IDX] {
        // Two for the descriptor and a quarter for the entry cannot be saved by this layout; the rest is
        // the index and the wish, and for the sleep the index twice more.
        assert_eq!(reads(features, After::Batch), 2312);
        assert_eq!(reads(features, After::Sleep), 2375);
    }
}

#[test]
fn at_most_two_and_a_tenth_reads_per_buffer_in_order_or_packed() {
    for features in [IN_ORDER, RING_PACKED, RING_PACKED | IN_ORDER] {
        for features in [features, features | EVENT_IDX] {
            // Two for the descriptor; the index, or the look at what is not there, and the wish. The first
            // head of an in-order queue is read once.
            let reads_of_batch = reads(features, After::Batch);
            assert!((2062..=2063).contains(&reads_of_batch), "{reads_of_batch}");
            let reads_with_sleep = reads(features, After::Sleep);
            assert!(
                (2125..=2126).contains(&reads_with_sleep),
                "{reads_with_sleep}"
            );
        }
    }
}

#[test]
fn a_hint_saves_the_look_at_what_is_not_there() {
    let reads = |after| per_1000(count(RING_PACKED, after, true).0);
    assert_eq!((reads(After::Batch), reads(After::Sleep)), (2031, 2093));
}

#[test]
fn writes_per_batch() {
    let writes = |features| count(features, After::Batch, false).1 / usize::from(ROUNDS);
    let batch = usize::from(BATCH);
    // The entries and the index.
    assert_eq!(writes(0), batch + 1);
    // One entry for all.
    assert_eq!(writes(IN_ORDER), 2);
    // The used descriptors, the first of them in two.
    assert_eq!(writes(RING_PACKED), batch + 1);
    assert_eq!(writes(RING_PACKED | IN_ORDER), 2);
}

#[test]
fn the_size_of_a_ring_costs_nothing() {
    for features in [0, IN_ORDER, RING_PACKED, RING_PACKED | IN_ORDER] {
        for features in [features, features | EVENT_IDX] {
            let cost = |size| {
                let driver = Driver::of_size(size, features);
                count_with(driver, features, After::Sleep, false)
            };
            // 50 rounds of 32 go several times around the smallest ring, and not once around the largest.
            let (reads, writes) = cost(SIZE);
            for size in [512, 4096, 32768] {
                assert_eq!(cost(size), (reads, writes), "{size} descriptors");
            }
        }
    }
}

#[test]
fn a_push_reads_the_wish_alone() {
    let wishes = [
        (0, Op::Load(Area::Driver, 0)),
        (EVENT_IDX, Op::Load(Area::Driver, 4 + 2 * 256)),
        (RING_PACKED, Op::Read(Area::Driver, 0, 4)),
        (RING_PACKED | EVENT_IDX, Op::Read(Area::Driver, 0, 4)),
    ];
    for (features, wish) in wishes {
        let mut driver = Driver::new(features);
        let memory = Traced::new(driver.side());
        let mut queue = driver.side().config(features).start(&memory).unwrap();
        let mut batch = Batch::new();
        driver.offer_batch(0);
        assert_eq!(queue.pop(&mut batch), Ok(BATCH.into()));
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        memory.take();
        queue.push(&used).unwrap();
        let ops = memory.take();
        let reads: Vec<_> = ops.iter().filter(|op| op.reads() != 0).collect();
        assert_eq!(reads, [&wish]);
    }
}
