// SPDX-License-Identifier: GPL-2.0
//! A queue that is stopped and resumes elsewhere, or that somebody else takes over.

use proptest::prelude::*;
use virtio::{
    features,
    ring::{Area, Batch, Position, RingError, Used},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::{Fault, Link, Op, Traced},
};

fn heads(batch: &Batch) -> Vec<u16> {
    batch.iter().map(|chain| chain.head()).collect()
}

#[test]
fn a_saved_queue_resumes_where_it_stopped() {
    let mut driver = DriverSide::starting_at(8, 65533);
    let config = driver.config(0);
    let mut queue = config
        .start_at(Position::split(65533))
        .start(Link(driver.clone()))
        .unwrap();
    let mut batch = Batch::new();
    for head in 0..6 {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut batch), Ok(6));
    let used: Vec<_> = batch.iter().take(4).map(|chain| chain.used(0)).collect();
    queue.push(&used).unwrap();

    // Two chains were not worked on.
    assert_eq!(queue.in_flight(), 2);
    queue.rewind();
    let saved = queue.position();
    assert_eq!((saved, queue.in_flight()), (Position::split(1), 0));

    let mut queue = config.start_at(saved).start(queue.stop()).unwrap();
    assert_eq!(queue.pop(&mut batch), Ok(2));
    assert_eq!(heads(&batch), [4, 5]);
    let used: Vec<_> = batch.iter().map(|chain| chain.used(9)).collect();
    queue.push(&used).unwrap();
    let seen = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 9), (5, 9)];
    assert_eq!(driver.take_used(), seen);
}

#[test]
fn a_queue_goes_on_at_another_index() {
    let mut driver = DriverSide::starting_at(8, 65533);
    let config = driver.config(0).start_at(Position::split(65533));
    let mut queue = config.start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    for head in 0..6 {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut batch), Ok(6));
    queue.rewind();

    let position = Position::split(65535);
    assert_eq!(queue.go_on_at(position), Ok(()));
    assert_eq!((queue.position(), queue.in_flight()), (position, 0));
    assert_eq!(queue.pop(&mut batch), Ok(4));
    assert_eq!(heads(&batch), [2, 3, 4, 5]);
}

#[test]
fn chains_given_back_are_popped_again() {
    let mut driver = DriverSide::new(4);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    for head in [2, 3, 1] {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut batch), Ok(3));
    assert_eq!(queue.push(&[batch.get(0).unwrap().used(0)]), Ok(true));
    queue.rewind();
    assert_eq!(queue.pop(&mut batch), Ok(2));
    assert_eq!(heads(&batch), [3, 1]);
    queue.rewind();
    queue.rewind();
    assert_eq!((queue.in_flight(), queue.pop(&mut batch)), (0, Ok(2)));
}

#[test]
fn a_split_queue_has_no_second_index() {
    let driver = DriverSide::new(4);
    let (available, used, size) = (1, 1, 4);
    let position = Position { available, used };
    let error = RingError::Position {
        available,
        used,
        size,
    };
    let config = driver.config(0).start_at(position);
    assert_eq!(config.start(Link(driver.clone())).err(), Some(error));
    let mut queue = driver.config(0).start(Link(driver)).unwrap();
    assert_eq!(queue.go_on_at(position), Err(error));
    assert_eq!(queue.position(), Position::split(0));
}

/// A driver side with single chains, the first `used` of `available` of which were used in order.
fn left_behind(size: u16, start: u16, available: u16, used: u16) -> DriverSide {
    let mut driver = DriverSide::starting_at(size, start);
    let config = driver.config(0).start_at(Position::split(start));
    let mut queue = config.start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    for head in 0..size {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
    }
    // Heads that differ from positions, and come again when they were used.
    for number in 0..used {
        driver.offer(number.wrapping_mul(3) % size);
        assert_eq!(queue.pop(&mut batch), Ok(1));
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        queue.push(&used).unwrap();
    }
    for number in used..available {
        driver.offer(number.wrapping_mul(3) % size);
    }
    driver
}

fn take_over(driver: &DriverSide) -> Result<Vec<u16>, RingError<Fault>> {
    let config = driver.config(0);
    let mut queue = config.take_over(Link(driver.clone()))?;
    let mut batch = Batch::new();
    let mut found = Vec::new();
    while queue.pop(&mut batch)? != 0 {
        found.extend(heads(&batch));
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        queue.push(&used)?;
    }
    Ok(found)
}

proptest! {
    #[test]
    fn what_was_left_is_found(
        (size, used, left) in (0u32..6).prop_flat_map(|log| (Just(1u16 << log), 0u16..100, 0..=1u16 << log)),
        start in any::<u16>(),
    ) {
        let driver = left_behind(size, start, used + left, used);
        let expected: Vec<_> = (used..used + left).map(|number| number.wrapping_mul(3) % size).collect();
        prop_assert_eq!(take_over(&driver).unwrap(), expected);
    }
}

/// The device side that used the last chain died between that and its signal.
#[test]
fn a_signal_that_got_lost_is_made_up_for() {
    for features in [0, features::EVENT_IDX] {
        let driver = left_behind(4, 0, 3, 2);
        let config = driver.config(features);
        // Asks to be told of the second used entry (EVENT_IDX), or of none.
        driver.set_used_event(1);
        driver.set_flags(1);
        let mut queue = config.take_over(Link(driver.clone())).unwrap();
        assert_eq!(queue.push(&[]), Ok(true));
        assert_eq!(queue.push(&[]), Ok(false));

        let mut queue = config.take_over(Link(driver.clone())).unwrap();
        let mut batch = Batch::new();
        assert_eq!(queue.pop(&mut batch), Ok(1));
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        assert_eq!(queue.push(&used), Ok(true));
    }
}

#[test]
fn a_queue_used_out_of_order_is_not_taken_over() {
    let mut driver = DriverSide::new(4);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    for head in 0..3 {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    assert_eq!(queue.pop(&mut batch), Ok(3));
    queue.push(&[Used::new(1, 0)]).unwrap();
    let error = take_over(&driver).err();
    assert!(
        matches!(error, Some(RingError::UsedOutOfOrder { index: 0 })),
        "{error:?}"
    );
}

#[test]
fn an_entry_is_read_before_the_index_that_tells_whether_it_was_written_over() {
    let mut driver = DriverSide::new(4);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    (0..2).for_each(|head| driver.offer(head));
    assert_eq!(queue.pop(&mut Batch::new()), Ok(2));
    queue.push(&[Used::new(1, 0)]).unwrap();
    let memory = Traced::new(&driver);
    let config = driver.config(0);
    assert!(config.take_over(&memory).is_err());
    let ops = memory.take();
    let expected = [
        Op::Read(Area::Driver, 4, 2),
        Op::Read(Area::Device, 4, 4),
        Op::ReadBarrier,
        Op::Load(Area::Driver, 2),
    ];
    assert!(ops.ends_with(&expected), "{ops:?}");
}

#[test]
fn entries_that_the_driver_side_wrote_over_tell_nothing() {
    // The oldest known entry gives way to the next one before that is published.
    let mut driver = left_behind(4, 0, 6, 5);
    driver.enter(0);
    assert_eq!(driver.load(Area::Driver, 2), 6);
    assert_eq!(take_over(&driver).unwrap(), [15 % 4]);
}

#[test]
fn indexes_too_far_apart_are_not_taken_over() {
    let driver = DriverSide::new(4);
    driver.store(Area::Driver, 2, 5);
    assert!(matches!(
        take_over(&driver),
        Err(RingError::AvailableIndex {
            index: 5,
            used: 0,
            ..
        })
    ));
}
