// SPDX-License-Identifier: GPL-2.0
//! Queue sizes, rings that wrap, and batches.

use virtio::{
    features::RING_PACKED,
    ring::{
        Area, Batch, Layout, PackedSize, Position, RingError, Used, BATCH_CHAINS, BATCH_SEGMENTS,
        MAX_CHAIN_SEGMENTS,
    },
};

use super::driver::{PackedSide, Place};
use crate::{driver::BUFFERS, link::Link};

/// Takes `turns` buffers of `len` descriptors through the queue, `count` at a time.
fn turn(mut driver: PackedSide, turns: usize, count: usize, len: u16) {
    let config = driver.side.config(0).start_at(driver.position());
    let mut queue = config.start(Link(driver.side.clone())).unwrap();
    let mut batch = Batch::new();
    let mut next = 0..turns as u32;
    while !next.is_empty() {
        let expected: Vec<_> = next.by_ref().take(count).collect();
        let list = |turn: u32| -> Vec<_> {
            let addr = BUFFERS + u64::from(turn % 1000);
            (0..len).map(|n| (addr, 1 + u32::from(n), true)).collect()
        };
        let ids: Vec<_> = expected
            .iter()
            .map(|turn| driver.enter(&list(*turn)))
            .collect();
        driver.publish();
        assert_eq!(queue.pop(&mut batch), Ok(expected.len()));
        let heads: Vec<_> = batch.iter().map(|chain| chain.head()).collect();
        assert_eq!(heads, ids);
        for (chain, turn) in batch.iter().zip(&expected) {
            assert_eq!(chain.writable()[0].addr, list(*turn)[0].0);
            assert_eq!(chain.writable().len(), usize::from(len));
        }
        assert_eq!(usize::from(queue.in_flight()), count_of(&expected, len));
        let used: Vec<_> = batch
            .iter()
            .zip(&expected)
            .map(|(chain, turn)| chain.used(*turn))
            .collect();
        assert_eq!(queue.push(&used), Ok(true));
        let seen: Vec<_> = ids.into_iter().zip(expected).collect();
        assert_eq!(driver.take_used(), seen);
    }
    assert_eq!(queue.pop(&mut batch), Ok(0));
    assert_eq!(
        (queue.position(), queue.in_flight()),
        (driver.position(), 0)
    );
}

fn count_of(turns: &[u32], len: u16) -> usize {
    turns.len() * usize::from(len)
}

#[test]
fn sizes_are_any_up_to_the_maximum() {
    for size in [1, 2, 3, 255, 256, 257, PackedSize::MAX - 1, PackedSize::MAX] {
        assert_eq!(PackedSize::new(size).map(PackedSize::get), Some(size));
    }
    for size in [0, PackedSize::MAX + 1, u16::MAX] {
        assert_eq!(PackedSize::new(size), None);
        assert_eq!(Layout::new(size, RING_PACKED), None);
    }
}

#[test]
fn areas_have_the_lengths_of_the_specification() {
    for size in [1, 3, PackedSize::MAX] {
        let layout = Layout::new(size, RING_PACKED).unwrap();
        assert_eq!(Area::Descriptor.len(layout), 16 * usize::from(size));
        assert_eq!((Area::Driver.len(layout), Area::Device.len(layout)), (4, 4));
    }
}

#[test]
fn the_smallest_queues_wrap() {
    turn(PackedSide::new(1, 0), 1000, 1, 1);
    turn(PackedSide::new(2, 0), 1000, 2, 1);
    turn(PackedSide::new(3, 0), 1000, 2, 1);
    turn(PackedSide::new(3, 0), 1000, 1, 3);
}

#[test]
fn batches_and_lists_that_do_not_divide_the_size_wrap() {
    turn(PackedSide::new(61, 0), 5000, 37, 1);
    turn(PackedSide::new(64, 0), 5000, 12, 5);
    let last = Place {
        offset: 60,
        wrap: false,
    };
    turn(PackedSide::starting_at(61, 0, last), 5000, 12, 5);
}

#[test]
fn the_largest_queue_wraps() {
    let place = Place {
        offset: PackedSize::MAX - 100,
        wrap: true,
    };
    turn(
        PackedSide::starting_at(PackedSize::MAX, 0, place),
        4000,
        64,
        1,
    );
    turn(
        PackedSide::starting_at(PackedSize::MAX, 0, place),
        400,
        40,
        7,
    );
}

#[test]
fn a_full_largest_queue_is_taken_in_batches() {
    let mut driver = PackedSide::new(PackedSize::MAX, 0);
    let ids: Vec<_> = (0..PackedSize::MAX)
        .map(|_| driver.enter(&[(BUFFERS, 1, false)]))
        .collect();
    driver.publish();
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let mut batch = Batch::new();
    let mut used = Vec::new();
    while queue.pop(&mut batch) != Ok(0) {
        used.extend(batch.iter().map(|chain| chain.used(0)));
    }
    assert_eq!(queue.in_flight(), PackedSize::MAX);
    assert!(used.iter().map(|used| used.head).eq(ids.iter().copied()));
    // All are in flight: what lies in the ring is not looked at.
    assert_eq!(queue.enable_notification(), Ok(false));
    assert_eq!(queue.push(&used), Ok(true));
    assert_eq!(driver.take_used().len(), ids.len());
    assert_eq!(queue.position(), Position::packed(0));
}

#[test]
fn chains_may_be_used_in_any_order() {
    let mut driver = PackedSide::new(8, 0);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let mut batch = Batch::new();
    for _ in 0..20 {
        let short = driver.offer(&[(BUFFERS, 4, true)]);
        let long = driver.offer(&[(BUFFERS, 4, false), (BUFFERS, 4, true), (BUFFERS, 4, true)]);
        let other = driver.offer(&[(BUFFERS, 4, false)]);
        assert_eq!(queue.pop(&mut batch), Ok(3));
        let [a, b, c] = [0, 1, 2].map(|n| batch.get(n).unwrap().used(n as u32));
        assert_eq!(queue.push(&[c, b]), Ok(true));
        assert_eq!(driver.take_used(), [(other, 2), (long, 1)]);
        let next = driver.offer(&[(BUFFERS, 4, false), (BUFFERS, 4, false)]);
        assert_eq!(queue.pop(&mut batch), Ok(1));
        assert_eq!(queue.push(&[batch.get(0).unwrap().used(0), a]), Ok(true));
        assert_eq!(driver.take_used(), [(next, 0), (short, 0)]);
    }
}

#[test]
fn a_batch_ends_where_its_chains_do() {
    let mut driver = PackedSide::new(128, 0);
    for _ in 0..BATCH_CHAINS + 3 {
        driver.offer(&[(BUFFERS, 1, false)]);
    }
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(BATCH_CHAINS));
    assert_eq!(queue.pop(&mut batch), Ok(3));
    assert_eq!(queue.pop(&mut batch), Ok(0));
}

#[test]
fn a_batch_ends_where_the_longest_chain_has_no_room() {
    let list = vec![(BUFFERS, 1, false); MAX_CHAIN_SEGMENTS.into()];
    let mut driver = PackedSide::new(2048, 0);
    for _ in 0..4 {
        driver.offer(&list);
    }
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let mut batch = Batch::new();
    for _ in 0..2 {
        assert_eq!(queue.pop(&mut batch), Ok(2));
        let segments = batch.iter().map(|chain| chain.readable().len());
        assert_eq!(segments.sum::<usize>(), BATCH_SEGMENTS);
    }
    assert_eq!(queue.pop(&mut batch), Ok(0));
}

#[test]
fn pushing_what_was_not_popped_writes_nothing() {
    let mut driver = PackedSide::new(4, 0);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let mut batch = Batch::new();
    let id = driver.offer(&[(BUFFERS, 1, false), (BUFFERS, 1, false)]);
    assert_eq!(queue.pop(&mut batch), Ok(1));
    let used = batch.get(0).unwrap().used(0);
    let (count, in_flight) = (3, 2);
    let error = RingError::UsedTooMany { count, in_flight };
    assert_eq!(queue.push(&[used, Used::new(9, 0)]), Err(error));
    assert!(driver.take_used().is_empty() && !queue.is_broken());
    assert_eq!(queue.push(&[]), Ok(false));
    assert_eq!(queue.push(&[used]), Ok(true));
    assert_eq!(driver.take_used(), [(id, 0)]);
}
