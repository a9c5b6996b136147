// SPDX-License-Identifier: GPL-2.0
//! What a pushed queue does and does not, and rules that the driver side breaks.

use virtio::ring::{Area, Batch, PushArea, RingError, MOST_PUSHED};

use super::ends::Ends;
use crate::{
    driver::{Desc, DriverSide, BUFFERS, NEXT, WRITE},
    link::Op,
};

const SIZE: u16 = 8;

#[test]
fn kicks_are_always_wanted_and_no_wish_is_read() {
    let mut driver = DriverSide::new(SIZE);
    // The driver side wants no signal, which is not pushed.
    driver.set_flags(1);
    let mut ends = Ends::new(&driver, 0, 0, 64);
    let mut batch = Batch::new();
    driver.describe(0, Desc::new(BUFFERS, 8, WRITE, 0));
    driver.offer(0);
    assert_eq!(ends.queue.disable_notification(), Ok(()));
    assert_eq!(ends.queue.enable_notification(), Ok(false));
    assert_eq!(ends.mirror.sync(), Ok(1));
    assert_eq!(ends.queue.enable_notification(), Ok(true));
    assert_eq!(ends.queue.pop(&mut batch), Ok(1));
    let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
    assert_eq!(ends.queue.push(&used), Ok(true));
    let is_wish = |op: &Op| matches!(op, Op::Store(Area::Device, 0, _) | Op::Load(..));
    assert!(!ends.take_ops().iter().any(is_wish));
    assert_eq!(driver.device_flags(), 0);
}

#[test]
fn nothing_is_pushed_twice() {
    let mut driver = DriverSide::new(SIZE);
    let mut ends = Ends::new(&driver, 0, 0, 64);
    assert_eq!(ends.mirror.sync(), Ok(0));
    driver.describe(0, Desc::new(BUFFERS, 8, WRITE, 0));
    driver.offer(0);
    assert_eq!(ends.mirror.sync(), Ok(1));
    ends.near.take_writes();
    assert_eq!(ends.mirror.sync(), Ok(0));
    assert_eq!(ends.near.take_writes(), 0);
}

/// How a buffer of `len` bytes comes to the device side of a queue that leaves those of `below` bytes and more.
fn comes_pushed(len: u32, below: u32) -> bool {
    let mut driver = DriverSide::new(SIZE);
    let mut ends = Ends::pushing_below(&driver, below, 64 << 10);
    driver.describe(0, Desc::new(BUFFERS, len, 0, 0));
    driver.offer(0);
    assert_eq!(ends.mirror.sync(), Ok(1));
    let mut batch = Batch::new();
    assert_eq!(ends.queue.pop(&mut batch), Ok(1));
    let buffer = batch.get(0).unwrap().readable()[0];
    assert_eq!(buffer.len, len);
    PushArea::offset_of(buffer.addr).is_some()
}

#[test]
fn buffers_that_the_device_side_fetches_by_itself_are_not_pushed() {
    for below in [1, 2, 256, MOST_PUSHED] {
        assert!(below == 1 || comes_pushed(below - 1, below));
        assert!(!comes_pushed(below, below));
    }
}

#[test]
fn buffers_that_take_too_long_are_never_pushed() {
    for below in [0, MOST_PUSHED + 1, u32::MAX] {
        assert!(comes_pushed(1, below));
        assert!(comes_pushed(MOST_PUSHED, below));
        assert!(!comes_pushed(MOST_PUSHED + 1, below));
    }
}

#[test]
fn a_full_queue_is_pushed_and_one_more_is_refused() {
    let mut driver = DriverSide::starting_at(SIZE, 0xfffc);
    let mut ends = Ends::new(&driver, 0xfffc, 0, 64);
    for head in 0..SIZE {
        driver.describe(head, Desc::new(BUFFERS, 8, WRITE, 0));
        driver.enter(head);
    }
    driver.publish();
    assert_eq!(ends.mirror.sync(), Ok(SIZE));
    for head in 0..=SIZE {
        driver.enter(head % SIZE);
    }
    driver.publish();
    assert!(matches!(
        ends.mirror.sync(),
        Err(RingError::AvailableIndex { .. })
    ));
}

#[test]
fn chains_that_do_not_end_are_not_pushed() {
    for next in [0, 1] {
        let mut driver = DriverSide::new(SIZE);
        let mut ends = Ends::new(&driver, 0, 0, 64);
        driver.describe(0, Desc::new(BUFFERS, 8, NEXT, 1));
        driver.describe(1, Desc::new(BUFFERS, 8, NEXT, next));
        driver.offer(0);
        assert_eq!(
            ends.mirror.sync(),
            Err(RingError::ChainTooLong {
                head: 0,
                limit: SIZE
            })
        );
        assert_eq!(ends.queue.pop(&mut Batch::new()), Ok(0));
    }
}

#[test]
fn chains_that_share_descriptors_are_not_pushed() {
    // Each has two; the last one would be a descriptor too much.
    for (count, expected) in [(SIZE / 2, Ok(SIZE / 2)), (SIZE / 2 + 1, Err(()))] {
        let mut driver = DriverSide::new(SIZE);
        let mut ends = Ends::new(&driver, 0, 0, 64);
        driver.describe(0, Desc::new(BUFFERS, 8, NEXT, 1));
        driver.describe(1, Desc::new(BUFFERS, 8, WRITE, 0));
        for _ in 0..count {
            driver.enter(0);
        }
        driver.publish();
        let pushed = ends.mirror.sync();
        let too_long = RingError::ChainTooLong {
            head: 0,
            limit: SIZE,
        };
        assert_eq!(pushed, expected.map_err(|()| too_long));
        let popped = ends.queue.pop(&mut Batch::new());
        assert_eq!(popped.is_ok_and(|count| count > 0), expected.is_ok());
    }
}

#[test]
fn descriptors_that_are_not_there_are_not_pushed() {
    for (head, next) in [(SIZE, 0), (u16::MAX, 0), (0, SIZE)] {
        let mut driver = DriverSide::new(SIZE);
        let mut ends = Ends::new(&driver, 0, 0, 64);
        driver.describe(0, Desc::new(BUFFERS, 8, NEXT, next));
        driver.offer(head);
        assert!(matches!(
            ends.mirror.sync(),
            Err(RingError::HeadOutOfRange { size: SIZE, .. })
        ));
    }
}

#[test]
fn a_queue_goes_on_where_it_was() {
    let mut driver = DriverSide::starting_at(SIZE, 0xffff);
    driver.describe(3, Desc::new(BUFFERS, 8, WRITE, 0));
    driver.offer(3);
    // Before the queue is enabled.
    let mut ends = Ends::new(&driver, 0xffff, 0, 64);
    assert_eq!(ends.mirror.sync(), Ok(1));
    let mut batch = Batch::new();
    assert_eq!(ends.queue.pop(&mut batch), Ok(1));
    assert_eq!(batch.iter().next().map(|chain| chain.used(0).head), Some(3));
}
