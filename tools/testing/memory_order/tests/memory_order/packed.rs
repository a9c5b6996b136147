// SPDX-License-Identifier: GPL-2.0
//! The same of a packed queue: who sees the flags of a first descriptor sees what they hand over, and of
//! two sides that ask for notifications and look once more at least one notices (VIRTIO 1.2, sections
//! 2.8.2, 2.8.10 and 2.8.21.1).

use loom::thread;
use memory_order::{
    area::{batch, Side, PAYLOAD},
    holds, Missing,
};
use virtio::{
    features::{EVENT_IDX, RING_PACKED},
    ring::{Area, Queue, QueueConfig, RingMemory, Segment},
};

/// `VIRTQ_DESC_F_NEXT` and `VIRTQ_DESC_F_WRITE`.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
/// The flags of a descriptor that is available, and of one that is used, in the first round.
const AVAILABLE: u16 = 1 << 7;
const USED: u16 = AVAILABLE | (1 << 15);
/// Event suppression: none is wanted, or the one at the place in the other word.
const DISABLE: u16 = 1;
const AT_PLACE: u16 = 2;
/// The first descriptor in the first round, as a place.
const FIRST: u16 = 1 << 15;

const LEN: u16 = 4;

fn config(features: u64) -> QueueConfig {
    QueueConfig::new(2, RING_PACKED | features).expect("a legal size")
}

fn driver() -> Side {
    Side::new(config(0).layout())
}

fn queue(side: Side, features: u64) -> Queue<Side> {
    config(features).start(side).expect("a position")
}

/// Writes all of a descriptor but its flags; it is writable.
fn describe(driver: &Side, offset: u16, id: u16) {
    let at = 16 * usize::from(offset);
    driver.set(Area::Descriptor, at, PAYLOAD as u16);
    driver.set(Area::Descriptor, at + 8, LEN);
    driver.set(Area::Descriptor, at + 12, id);
}

fn set_flags(driver: &Side, offset: u16, flags: u16) {
    driver.set(Area::Descriptor, 16 * usize::from(offset) + 14, flags);
}

fn flags(driver: &Side, offset: u16) -> u16 {
    driver.get(Area::Descriptor, 16 * usize::from(offset) + 14)
}

/// Makes the buffer at descriptor 0 available.
fn offer(driver: &Side) {
    describe(driver, 0, 3);
    driver.write_barrier();
    set_flags(driver, 0, AVAILABLE | WRITE);
}

const SEGMENT: Segment = Segment {
    addr: PAYLOAD,
    len: LEN as u32,
};

/// The device side pops while the driver side makes a list of two descriptors available.
fn pop_while_list_is_offered(missing: Missing) -> bool {
    let driver = driver();
    let device = driver.without(missing);
    let other = thread::spawn(move || {
        describe(&driver, 0, 0);
        describe(&driver, 1, 3);
        set_flags(&driver, 1, AVAILABLE | WRITE);
        driver.write_barrier();
        set_flags(&driver, 0, AVAILABLE | WRITE | NEXT);
    });
    let mut queue = queue(device, 0);
    let mut batch = batch();
    let popped = queue.pop(&mut batch);
    other.join().expect("the driver side");
    match batch.get(0) {
        Some(chain) => chain.head() == 3 && chain.writable() == [SEGMENT; 2],
        None => popped == Ok(0),
    }
}

/// The same with two lists, the second of which comes first.
fn pop_while_two_are_offered(missing: Missing) -> bool {
    let driver = driver();
    let device = driver.without(missing);
    let other = thread::spawn(move || {
        for offset in [1, 0] {
            describe(&driver, offset, offset);
            driver.write_barrier();
            set_flags(&driver, offset, AVAILABLE | WRITE);
        }
    });
    let mut queue = queue(device, 0);
    let mut batch = batch();
    let popped = queue.pop(&mut batch);
    other.join().expect("the driver side");
    let is_whole = batch.iter().all(|chain| chain.writable() == [SEGMENT]);
    popped == Ok(batch.len()) && is_whole
}

#[test]
fn an_available_list_is_whole() {
    assert!(holds(|| pop_while_list_is_offered(Missing::Nothing)));
    assert!(holds(|| pop_while_two_are_offered(Missing::Nothing)));
}

#[test]
fn an_available_list_needs_the_read_barrier() {
    assert!(!holds(|| pop_while_list_is_offered(Missing::Read)));
    assert!(!holds(|| pop_while_two_are_offered(Missing::Read)));
}

/// The driver side looks while the device side hands two chains back at once.
fn look_while_used(missing: Missing) -> bool {
    let driver = driver();
    offer(&driver);
    describe(&driver, 1, 7);
    set_flags(&driver, 1, AVAILABLE | WRITE);
    driver.set(Area::Driver, 2, DISABLE);
    let mut queue = queue(driver.without(missing), 0);
    let mut batch = batch();
    // Before the other thread is there: loom does not take the store of a thread that read the same word
    // just before to where another one read it earlier.
    assert_eq!(queue.pop(&mut batch), Ok(2));
    let used = [0, 1].map(|n| batch.get(n).expect("a chain").used(2));
    let other = thread::spawn(move || {
        let written = queue.memory().write_buffer(PAYLOAD, &[7, 7, 8, 8]);
        written.expect("memory");
        queue.push(&used).expect("chains in flight");
    });
    let is_used = flags(&driver, 0) & USED == USED;
    driver.read_barrier();
    let word = |offset| driver.get(Area::Descriptor, offset);
    let both = [0, 16].map(|at| [word(at + 8), word(at + 12), word(at + 14)]);
    let payload = [0, 1].map(|word| driver.payload(word));
    other.join().expect("the device side");
    let expected = [3, 7].map(|id| [2, id, USED | WRITE]);
    !is_used || (both == expected && payload == [0x0707, 0x0808])
}

#[test]
fn used_descriptors_and_their_payload_are_whole() {
    assert!(holds(|| look_while_used(Missing::Nothing)));
}

#[test]
fn used_descriptors_need_the_write_barrier() {
    assert!(!holds(|| look_while_used(Missing::Write)));
}

/// Whether the wish in this area asks for word of the first descriptor. The words are read in this order
/// or the other: neither does harm.
fn is_wanted(side: &Side, area: Area, flags_first: bool) -> bool {
    let [place, flags] = if flags_first {
        let flags = side.get(area, 2);
        [side.get(area, 0), flags]
    } else {
        [side.get(area, 0), side.get(area, 2)]
    };
    flags == 0 || (flags == AT_PLACE && place == FIRST)
}

/// The driver side makes a chain available while the device side goes to sleep.
fn sleep_while_offered(features: u64, missing: Missing, flags_first: bool) -> bool {
    let driver = driver();
    let mut queue = queue(driver.without(missing), features);
    queue.disable_notification().expect("memory");
    let other = thread::spawn(move || queue.enable_notification() == Ok(true));
    offer(&driver);
    driver.full_barrier();
    let kicks = is_wanted(&driver, Area::Device, flags_first);
    let sees = other.join().expect("the device side");
    kicks || sees
}

#[test]
fn no_kick_is_lost() {
    for features in [0, EVENT_IDX] {
        for first in [false, true] {
            assert!(holds(move || sleep_while_offered(
                features,
                Missing::Nothing,
                first
            )));
        }
    }
}

#[test]
fn a_kick_is_lost_without_the_full_barrier() {
    for features in [0, EVENT_IDX] {
        assert!(!holds(move || sleep_while_offered(
            features,
            Missing::Full,
            true
        )));
    }
}

/// The device side hands a chain back while the driver side goes to sleep.
fn sleep_while_used(features: u64, missing: Missing) -> bool {
    let driver = driver();
    let mut queue = queue(driver.without(missing), features);
    offer(&driver);
    driver.set(Area::Driver, 2, DISABLE);
    let mut batch = batch();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    let used = batch.get(0).expect("a chain").used(0);
    let other = thread::spawn(move || queue.push(&[used]) == Ok(true));
    if features == EVENT_IDX {
        driver.set(Area::Driver, 0, FIRST);
        driver.set(Area::Driver, 2, AT_PLACE);
    } else {
        driver.set(Area::Driver, 2, 0);
    }
    driver.full_barrier();
    let sees = flags(&driver, 0) & USED == USED;
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
