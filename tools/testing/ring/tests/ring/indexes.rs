// SPDX-License-Identifier: GPL-2.0
//! Queue sizes, and indexes that wrap.

use virtio::ring::{Area, Batch, Layout, Position, RingError, SplitSize, Used};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::Link,
};

/// Takes `turns` buffers through the queue, `batch` at a time.
fn turn(mut driver: DriverSide, index: u16, turns: usize, batch: usize) {
    let size = driver.size;
    let config = driver.config(0).start_at(Position::split(index));
    let mut queue = config.start(Link(driver.clone())).unwrap();
    let mut chains = Batch::new();
    let mut next = 0..turns as u32;
    for head in 0..size {
        let desc = Desc::new(BUFFERS + u64::from(head), 1, 0, 0);
        driver.describe(head, desc);
    }
    while !next.is_empty() {
        let expected: Vec<_> = next.by_ref().take(batch).collect();
        let head = |turn: &u32| (*turn % u32::from(size)) as u16;
        for turn in &expected {
            driver.offer(head(turn));
        }
        assert_eq!(queue.pop(&mut chains), Ok(expected.len()));
        let heads: Vec<_> = chains.iter().map(|chain| chain.head()).collect();
        assert_eq!(heads, expected.iter().map(head).collect::<Vec<_>>());
        let used: Vec<_> = chains
            .iter()
            .zip(&expected)
            .map(|(chain, turn)| chain.used(*turn))
            .collect();
        assert_eq!(queue.push(&used), Ok(true));
        let ids = expected.iter().map(|turn| (head(turn).into(), *turn));
        assert_eq!(driver.take_used(), ids.collect::<Vec<_>>());
    }
    assert_eq!(queue.pop(&mut chains), Ok(0));
    assert_eq!(queue.position().available, index.wrapping_add(turns as u16));
    assert_eq!(queue.in_flight(), 0);
}

#[test]
fn sizes_are_powers_of_two_up_to_the_maximum() {
    for size in [1, 2, 4, 256, 16384, SplitSize::MAX] {
        assert_eq!(SplitSize::new(size).map(SplitSize::get), Some(size));
    }
    for size in [
        0,
        3,
        255,
        257,
        SplitSize::MAX - 1,
        SplitSize::MAX + 1,
        u16::MAX,
    ] {
        assert_eq!(SplitSize::new(size), None);
    }
}

#[test]
fn areas_have_the_lengths_of_the_specification() {
    for size in [1, 2, 256, SplitSize::MAX] {
        let (queue, n) = (Layout::new(size, 0).unwrap(), usize::from(size));
        assert_eq!(Area::Descriptor.len(queue), 16 * n);
        assert_eq!(Area::Driver.len(queue), 6 + 2 * n);
        assert_eq!(Area::Device.len(queue), 6 + 8 * n);
    }
}

#[test]
fn the_smallest_queues_wrap_their_indexes() {
    turn(DriverSide::new(1), 0, 70_000, 1);
    turn(DriverSide::new(2), 0, 70_000, 2);
}

#[test]
fn batches_that_do_not_divide_the_size_wrap_ring_and_indexes() {
    turn(DriverSide::new(64), 0, 70_000, 37);
}

#[test]
fn the_largest_queue_wraps_its_indexes() {
    let index = u16::MAX - 100;
    turn(
        DriverSide::starting_at(SplitSize::MAX, index),
        index,
        40_000,
        64,
    );
}

#[test]
fn a_full_largest_queue_is_taken_in_batches() {
    let mut driver = DriverSide::new(SplitSize::MAX);
    for head in 0..SplitSize::MAX {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.enter(head);
    }
    driver.publish();
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    let mut heads = 0..SplitSize::MAX;
    while queue.pop(&mut batch) != Ok(0) {
        assert!(batch.iter().all(|chain| Some(chain.head()) == heads.next()));
    }
    assert!(heads.is_empty());
    let used: Vec<_> = (0..SplitSize::MAX).map(|head| Used::new(head, 1)).collect();
    assert_eq!(queue.push(&used), Ok(true));
    assert_eq!(driver.take_used().len(), used.len());
}

#[test]
fn the_index_is_read_again_only_when_the_known_chains_are_used_up() {
    let mut driver = DriverSide::new(4);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    (0..4).for_each(|head| driver.describe(head, Desc::new(BUFFERS, 1, 0, 0)));
    assert_eq!(queue.pop(&mut batch), Ok(0));
    driver.offer(0);
    driver.offer(1);
    assert_eq!(queue.pop(&mut batch), Ok(2));
    driver.offer(2);
    assert_eq!(queue.enable_notification(), Ok(true));
    driver.offer(3);
    assert_eq!(queue.pop(&mut batch), Ok(1));
    assert_eq!(queue.pop(&mut batch), Ok(1));
}

#[test]
fn pushing_what_was_not_popped_writes_nothing() {
    let mut driver = DriverSide::new(4);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    driver.describe(0, Desc::new(BUFFERS, 1, 0, 0));
    driver.offer(0);
    assert_eq!(queue.pop(&mut batch), Ok(1));
    let (count, in_flight) = (2, 1);
    let used = [Used::new(0, 0); 2];
    let error = RingError::UsedTooMany { count, in_flight };
    assert_eq!(queue.push(&used), Err(error));
    let used = [Used::new(4, 0)];
    assert_eq!(
        queue.push(&used),
        Err(RingError::UsedHead { head: 4, size: 4 })
    );
    assert!(driver.take_used().is_empty() && !queue.is_broken());
    assert_eq!(queue.push(&[]), Ok(false));
    assert_eq!(queue.push(&[Used::new(0, 0)]), Ok(true));
}
