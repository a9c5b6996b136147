// SPDX-License-Identifier: GPL-2.0
//! Which signals are asked for and given, and the order of accesses around them.

use virtio::{
    features::EVENT_IDX,
    ring::{Area, Batch, Position, Queue, Used},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::{Link, Op, Traced},
};

const SIZE: u16 = 16;

/// Makes `count` chains available and pops them.
fn pop<M: virtio::ring::RingMemory>(
    driver: &mut DriverSide,
    queue: &mut Queue<M>,
    count: u16,
) -> Vec<Used> {
    for head in 0..count {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch).ok(), Some(count.into()));
    batch.iter().map(|chain| chain.used(0)).collect()
}

#[test]
fn flags_tell_whether_to_signal() {
    // 2.7.7.2: without EVENT_IDX the device ignores used_event, and signals unless flags is 1.
    let mut driver = DriverSide::new(SIZE);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    for (flags, signal) in [(0, true), (1, false), (0xfffe, true), (0xffff, false)] {
        driver.set_flags(flags);
        driver.set_used_event(0x1234);
        let used = pop(&mut driver, &mut queue, 1);
        assert_eq!(queue.push(&used), Ok(signal));
    }
}

#[test]
fn used_event_tells_whether_to_signal() {
    // 2.7.7.2: with EVENT_IDX the device ignores the flags, and signals when the index that
    // determined where an entry was placed was equal to used_event.
    for start in [0, 5, u16::MAX - 2, 0x7fff] {
        for count in [1, 2, 3, SIZE] {
            for event in start.wrapping_sub(20)..=start.wrapping_sub(20).saturating_add(40) {
                let mut driver = DriverSide::starting_at(SIZE, start);
                let config = driver.config(EVENT_IDX).start_at(Position::split(start));
                let mut queue = config.start(Link(driver.clone())).unwrap();
                driver.set_flags(event & 1);
                driver.set_used_event(event);
                let used = pop(&mut driver, &mut queue, count);
                let placed = (0..count).map(|n| start.wrapping_add(n));
                let signal = placed.into_iter().any(|index| index == event);
                assert_eq!(queue.push(&used), Ok(signal), "{start} {count} {event}");
            }
        }
    }
}

#[test]
fn flags_ask_for_kicks() {
    // 2.7.10: without EVENT_IDX, flags 1 advises the driver side not to kick.
    let mut driver = DriverSide::new(SIZE);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    assert_eq!(queue.disable_notification(), Ok(()));
    assert_eq!(driver.device_flags(), 1);
    assert_eq!(queue.enable_notification(), Ok(false));
    assert_eq!((driver.device_flags(), driver.avail_event()), (0, 0));
    driver.describe(0, Desc::new(BUFFERS, 1, 0, 0));
    driver.offer(0);
    assert_eq!(queue.enable_notification(), Ok(true));
}

#[test]
fn a_look_is_a_read_and_asks_for_nothing() {
    for features in [0, EVENT_IDX] {
        let mut driver = DriverSide::new(SIZE);
        let memory = Traced::new(&driver);
        let mut queue = driver.config(features).start(&memory).unwrap();
        for is_there in [false, true] {
            if is_there {
                driver.describe(0, Desc::new(BUFFERS, 1, 0, 0));
                driver.offer(0);
            }
            assert_eq!(queue.poll(), Ok(is_there));
            let expected = [Op::Load(Area::Driver, 2), Op::ReadBarrier];
            assert_eq!(memory.take(), expected);
        }
        assert_eq!(queue.pop(&mut Batch::new()), Ok(1));
        assert_eq!(queue.poll(), Ok(false));
    }
}

#[test]
fn avail_event_asks_for_kicks() {
    // 2.7.10.2: with EVENT_IDX the device sets flags to 0, and avail_event to the index of the
    // entry for which it wants a kick.
    let mut driver = DriverSide::new(SIZE);
    let mut queue = driver
        .config(EVENT_IDX)
        .start(Link(driver.clone()))
        .unwrap();
    let used = pop(&mut driver, &mut queue, 3);
    assert_eq!(queue.disable_notification(), Ok(()));
    assert_eq!((driver.device_flags(), driver.avail_event()), (0, 0));
    assert_eq!(queue.enable_notification(), Ok(false));
    assert_eq!((driver.device_flags(), driver.avail_event()), (0, 3));
    queue.push(&used).unwrap();
    driver.offer(0);
    assert_eq!(queue.enable_notification(), Ok(true));
    assert_eq!(driver.avail_event(), 3);
}

#[test]
fn a_chain_that_comes_while_asking_is_seen() {
    let mut driver = DriverSide::new(SIZE);
    driver.describe(0, Desc::new(BUFFERS, 1, 0, 0));
    driver.enter(0);
    let ready = driver.clone();
    for (features, asked) in [
        (0, Op::Store(Area::Device, 0, 0)),
        (
            EVENT_IDX,
            Op::Store(Area::Device, 4 + 8 * usize::from(SIZE), 0),
        ),
    ] {
        driver.store(Area::Driver, 2, 0);
        // The driver side publishes at the last moment at which it may see no wish for a kick.
        let memory = Traced::with(&driver, |_, op| {
            if op == asked {
                ready.publish();
            }
        });
        let mut queue = driver.config(features).start(&memory).unwrap();
        assert_eq!(queue.enable_notification(), Ok(true));
        let expected = [
            asked,
            Op::FullBarrier,
            Op::Load(Area::Driver, 2),
            Op::ReadBarrier,
        ];
        assert_eq!(memory.take(), expected);
    }
}

#[test]
fn the_order_of_publication_is_fixed() {
    for (features, word) in [(0, 0), (EVENT_IDX, 4 + 2 * usize::from(SIZE))] {
        let mut driver = DriverSide::starting_at(SIZE, 14);
        let memory = Traced::new(&driver);
        let config = driver.config(features).start_at(Position::split(14));
        let mut queue = config.start(&memory).unwrap();
        let used = pop(&mut driver, &mut queue, 5);
        let expected = [
            Op::Load(Area::Driver, 2),
            Op::ReadBarrier,
            Op::Read(Area::Driver, 4 + 2 * 14, 2 * 2),
            Op::Read(Area::Driver, 4, 2 * 3),
            Op::Read(Area::Descriptor, 0, 16 * 5),
        ];
        assert_eq!(memory.take(), expected);
        queue.push(&used).unwrap();
        let expected = [
            Op::Write(Area::Device, 4 + 8 * 14, 8 * 2),
            Op::Write(Area::Device, 4, 8 * 3),
            Op::WriteBarrier,
            Op::Store(Area::Device, 2, 19),
            Op::FullBarrier,
            Op::Load(Area::Driver, word),
        ];
        assert_eq!(memory.take(), expected);
    }
}
