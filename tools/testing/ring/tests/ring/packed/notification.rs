// SPDX-License-Identifier: GPL-2.0
//! Which signals are asked for and given, and the order of accesses around them.

use virtio::{
    features::{EVENT_IDX, RING_PACKED},
    ring::{Area, Batch, NotificationData, Queue, RingMemory, Used},
};

use super::driver::{PackedSide, Place, AT_PLACE, AVAIL, DISABLE, ENABLE, USED};
use crate::{
    driver::BUFFERS,
    link::{Link, Op, Traced},
};

const SIZE: u16 = 16;

/// Makes `count` chains available and pops them.
fn pop<M: RingMemory>(driver: &mut PackedSide, queue: &mut Queue<M>, count: u16) -> Vec<Used> {
    for _ in 0..count {
        driver.enter(&[(BUFFERS, 1, false)]);
    }
    driver.publish();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch).ok(), Some(count.into()));
    batch.iter().map(|chain| chain.used(0)).collect()
}

#[test]
fn flags_tell_whether_to_signal() {
    // 2.8.10, 2.8.14. A place without EVENT_IDX and the reserved value are no reason to be silent.
    let mut driver = PackedSide::new(SIZE, 0);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    for (flags, signal) in [
        (ENABLE, true),
        (DISABLE, false),
        (AT_PLACE, true),
        (3, true),
        (0xfffd, false),
    ] {
        driver.set_event(0x1234, flags);
        let used = pop(&mut driver, &mut queue, 1);
        assert_eq!(queue.push(&used), Ok(signal), "{flags}");
        driver.take_used();
    }
}

#[test]
fn a_look_is_a_read_and_asks_for_nothing() {
    for features in [0, EVENT_IDX] {
        let mut driver = PackedSide::new(SIZE, 0);
        let memory = Traced::new(&driver.side);
        let mut queue = driver.side.config(features).start(&memory).unwrap();
        for is_there in [false, true] {
            if is_there {
                driver.enter(&[(BUFFERS, 1, false)]);
                driver.publish();
            }
            assert_eq!(queue.poll(), Ok(is_there));
            assert_eq!(memory.take(), [Op::Load(Area::Descriptor, 14)]);
        }
        assert_eq!(queue.pop(&mut Batch::new()), Ok(1));
        assert_eq!(queue.poll(), Ok(false));
    }
}

#[test]
fn place_tells_whether_to_signal() {
    for start in [0, 5, SIZE - 1] {
        for wrap in [false, true] {
            let place = Place {
                offset: start,
                wrap,
            };
            for count in [1, 2, 3, SIZE] {
                let used_places: Vec<_> = (0..count).map(|n| place.after(n, SIZE).word()).collect();
                for event in (0..2 * SIZE).map(|n| Place::FIRST.after(n, SIZE).word()) {
                    let mut driver = PackedSide::starting_at(SIZE, EVENT_IDX, place);
                    let config = driver.side.config(0).start_at(driver.position());
                    let mut queue = config.start(Link(driver.side.clone())).unwrap();
                    driver.set_event(event, AT_PLACE);
                    let used = pop(&mut driver, &mut queue, count);
                    let signal = used_places.contains(&event);
                    assert_eq!(
                        queue.push(&used),
                        Ok(signal),
                        "{place:?} {count} {event:#x}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_place_that_the_ring_does_not_have_is_never_passed() {
    let mut driver = PackedSide::new(SIZE, EVENT_IDX);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    for place in [SIZE, 0x8000 | SIZE, u16::MAX] {
        driver.set_event(place, AT_PLACE);
        let used = pop(&mut driver, &mut queue, SIZE);
        assert_eq!(queue.push(&used), Ok(false));
        driver.take_used();
    }
}

#[test]
fn a_place_within_a_list_is_passed_with_it() {
    let mut driver = PackedSide::new(SIZE, EVENT_IDX);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    driver.offer(&[(BUFFERS, 1, false); 3]);
    driver.set_event(0x8002, AT_PLACE);
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    assert_eq!(queue.push(&[batch.get(0).unwrap().used(0)]), Ok(true));
}

#[test]
fn kicks_are_asked_for() {
    let mut driver = PackedSide::new(SIZE, 0);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    assert_eq!(queue.disable_notification(), Ok(()));
    assert_eq!(driver.device_event(), (0, DISABLE));
    assert_eq!(queue.enable_notification(), Ok(false));
    assert_eq!(driver.device_event(), (0, ENABLE));
    driver.offer(&[(BUFFERS, 1, false)]);
    assert_eq!(queue.enable_notification(), Ok(true));
}

#[test]
fn a_kick_is_asked_for_at_a_place() {
    let mut driver = PackedSide::new(SIZE, EVENT_IDX);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let used = pop(&mut driver, &mut queue, 3);
    assert_eq!(queue.disable_notification(), Ok(()));
    assert_eq!(driver.device_event(), (0, DISABLE));
    assert_eq!(queue.enable_notification(), Ok(false));
    assert_eq!(driver.device_event(), (0x8003, AT_PLACE));
    queue.push(&used).unwrap();
    let used = pop(&mut driver, &mut queue, SIZE - 3);
    queue.push(&used).unwrap();
    assert_eq!(queue.enable_notification(), Ok(false));
    assert_eq!(driver.device_event(), (0, AT_PLACE));
}

#[test]
fn a_chain_that_comes_while_asking_is_seen() {
    let asked = [
        (0, Op::Store(Area::Device, 2, ENABLE)),
        (EVENT_IDX, Op::Write(Area::Device, 0, 4)),
    ];
    for (features, asked) in asked {
        let mut driver = PackedSide::new(SIZE, features);
        driver.enter(&[(BUFFERS, 1, false)]);
        // The driver side publishes at the last moment at which it may see no wish for a kick.
        let memory = Traced::with(&driver.side, |side, op| {
            if op == asked {
                side.store(Area::Descriptor, 14, AVAIL);
            }
        });
        let mut queue = driver.side.config(0).start(&memory).unwrap();
        assert_eq!(queue.enable_notification(), Ok(true));
        let expected = [asked, Op::FullBarrier, Op::Load(Area::Descriptor, 14)];
        assert_eq!(memory.take(), expected);
    }
}

#[test]
fn the_order_of_publication_is_fixed() {
    let place = Place {
        offset: SIZE - 2,
        wrap: true,
    };
    let mut driver = PackedSide::starting_at(SIZE, 0, place);
    let memory = Traced::new(&driver.side);
    let config = driver.side.config(0).start_at(driver.position());
    let mut queue = config.start(&memory).unwrap();
    driver.enter(&[(BUFFERS, 1, false), (BUFFERS, 1, false), (BUFFERS, 1, true)]);
    driver.enter(&[(BUFFERS, 1, true)]);
    driver.publish();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(2));
    let at = |offset| 16 * usize::from(offset);
    let expected = [
        Op::LoadLong(Area::Descriptor, at(SIZE - 2) + 8),
        Op::ReadBarrier,
        Op::LoadLong(Area::Descriptor, at(SIZE - 2)),
        Op::Read(Area::Descriptor, at(SIZE - 1), 16),
        Op::Read(Area::Descriptor, at(0), 16),
        Op::LoadLong(Area::Descriptor, at(1) + 8),
        Op::ReadBarrier,
        Op::LoadLong(Area::Descriptor, at(1)),
        Op::LoadLong(Area::Descriptor, at(2) + 8),
        Op::ReadBarrier,
    ];
    assert_eq!(memory.take(), expected);
    let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
    queue.push(&used).unwrap();
    let expected = [
        Op::Write(Area::Descriptor, at(SIZE - 2) + 8, 6),
        Op::Write(Area::Descriptor, at(1) + 8, 8),
        Op::WriteBarrier,
        Op::Store(Area::Descriptor, at(SIZE - 2) + 14, AVAIL | USED),
        Op::FullBarrier,
        Op::Read(Area::Driver, 0, 4),
    ];
    assert_eq!(memory.take(), expected);
}

#[test]
fn a_kick_says_queue_and_place() {
    let data = NotificationData::from_word(0x8005_0002);
    assert_eq!((data.queue, data.next), (2, 0x8005));
}

#[test]
fn a_hint_ends_a_batch_and_nothing_else() {
    let mut driver = PackedSide::new(SIZE, RING_PACKED);
    let memory = Traced::new(&driver.side);
    let mut queue = driver.side.config(0).start(&memory).unwrap();
    let looks = || {
        let ops = memory.take().into_iter();
        ops.filter(|op| matches!(op, Op::LoadLong(_, at) if at % 16 == 8))
            .count()
    };
    // The truth: no look at the one that is not there.
    queue.hint(0x8003);
    let used = pop(&mut driver, &mut queue, 3);
    assert_eq!(looks(), 3);
    queue.push(&used).unwrap();
    driver.take_used();
    // Used up; and lies: where the queue is, behind it, within a list, beyond the ring.
    for hint in [
        None,
        Some(0x8004),
        Some(0x8001),
        Some(0x000a),
        Some(0xffff),
        Some(SIZE),
    ] {
        hint.into_iter().for_each(|hint| queue.hint(hint));
        let used = pop(&mut driver, &mut queue, 1);
        assert_eq!(looks(), 2, "{hint:x?}");
        queue.push(&used).unwrap();
        driver.take_used();
    }
    // Too early: the rest comes with the next pop.
    queue.hint(driver.next.after(1, SIZE).word());
    for _ in 0..3 {
        driver.offer(&[(BUFFERS, 1, false)]);
    }
    let mut batch = Batch::new();
    assert_eq!(
        (queue.pop(&mut batch), queue.pop(&mut batch)),
        (Ok(1), Ok(2))
    );
}
