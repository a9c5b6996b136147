// SPDX-License-Identifier: GPL-2.0
//! Of two sides that ask for notifications and look once more, at least one notices (VIRTIO 1.2,
//! sections 2.7.7 and 2.7.10; D6 of the transport).

use loom::thread;
use memory_order::{
    area::{batch, Side},
    holds, Missing,
};
use virtio::{
    features::EVENT_IDX,
    ring::{Area, Position, Queue, QueueConfig, RingMemory},
};

/// All indexes begin here, so that no event is right by chance.
const START: u16 = 5;

fn config(features: u64) -> QueueConfig {
    QueueConfig::new(2, features).expect("a power of two")
}

fn queue(side: &Side, features: u64) -> Queue<Side> {
    for area in [Area::Driver, Area::Device] {
        side.set(area, 2, START);
    }
    let config = config(features).start_at(Position::split(START));
    config.start(side.clone()).expect("a position")
}

/// Whether the wish in this area, flags or event, asks for word of entry `START`.
fn is_wanted(side: &Side, area: Area, features: u64) -> bool {
    let event = match area {
        Area::Driver => 4 + 2 * 2,
        _ => 4 + 8 * 2,
    };
    if features == EVENT_IDX {
        side.get(area, event) == START
    } else {
        side.get(area, 0) & 1 == 0
    }
}

/// The driver side makes a chain available while the device side goes to sleep.
fn sleep_while_offered(features: u64, missing: Missing) -> bool {
    let driver = Side::new(config(features).layout());
    let mut queue = queue(&driver.without(missing), features);
    queue.disable_notification().expect("memory");
    let other = thread::spawn(move || queue.enable_notification() == Ok(true));
    driver.write_barrier();
    driver.set(Area::Driver, 2, START + 1);
    driver.full_barrier();
    let kicks = is_wanted(&driver, Area::Device, features);
    let sees = other.join().expect("the device side");
    kicks || sees
}

#[test]
fn no_kick_is_lost() {
    assert!(holds(|| sleep_while_offered(0, Missing::Nothing)));
    assert!(holds(|| sleep_while_offered(EVENT_IDX, Missing::Nothing)));
}

#[test]
fn a_kick_is_lost_without_the_full_barrier() {
    assert!(!holds(|| sleep_while_offered(0, Missing::Full)));
    assert!(!holds(|| sleep_while_offered(EVENT_IDX, Missing::Full)));
}

/// The device side hands a chain back while the driver side goes to sleep.
fn sleep_while_used(features: u64, missing: Missing) -> bool {
    let driver = Side::new(config(features).layout());
    let mut queue = queue(&driver.without(missing), features);
    driver.set(Area::Driver, 2, START + 1);
    // No signals: the flag, or an event that is past.
    driver.set(Area::Driver, 0, 1);
    let mut batch = batch();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    let used = batch.get(0).expect("a chain").used(0);
    let other = thread::spawn(move || queue.push(&[used]) == Ok(true));
    if features == EVENT_IDX {
        driver.set(Area::Driver, 4 + 2 * 2, START);
    } else {
        driver.set(Area::Driver, 0, 0);
    }
    driver.full_barrier();
    let sees = driver.get(Area::Device, 2) == START + 1;
    let signals = other.join().expect("the device side");
    signals || sees
}

#[test]
fn no_signal_is_lost() {
    assert!(holds(|| sleep_while_used(0, Missing::Nothing)));
    assert!(holds(|| sleep_while_used(EVENT_IDX, Missing::Nothing)));
}

#[test]
fn a_signal_is_lost_without_the_full_barrier() {
    assert!(!holds(|| sleep_while_used(0, Missing::Full)));
    assert!(!holds(|| sleep_while_used(EVENT_IDX, Missing::Full)));
}
