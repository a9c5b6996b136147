// SPDX-License-Identifier: GPL-2.0
//! Who sees an index sees what it hands over (VIRTIO 1.2, sections 2.7.13.3 and 2.7.14).

use loom::thread;
use memory_order::{
    area::{batch, Side, PAYLOAD},
    holds, Missing,
};
use virtio::ring::{Area, QueueConfig, RingMemory, Segment};

const HEAD: u16 = 1;
const LEN: u16 = 4;

fn config() -> QueueConfig {
    QueueConfig::new(2, 0).expect("a power of two")
}

/// Makes the buffer at descriptor 1 available, as the first one.
fn offer(driver: &Side) {
    let desc = 16 * usize::from(HEAD);
    driver.set(Area::Descriptor, desc, PAYLOAD as u16);
    driver.set(Area::Descriptor, desc + 8, LEN);
    // Writable.
    driver.set(Area::Descriptor, desc + 12, 2);
    driver.set(Area::Driver, 4, HEAD);
    driver.write_barrier();
    driver.set(Area::Driver, 2, 1);
}

/// The device side pops while the driver side makes a chain available.
fn pop_while_offered(missing: Missing) -> bool {
    let driver = Side::new(config().layout());
    let device = driver.without(missing);
    let other = thread::spawn(move || offer(&driver));
    let mut queue = config().start(device).expect("a position");
    let mut batch = batch();
    let popped = queue.pop(&mut batch);
    other.join().expect("the driver side");
    let segment = Segment {
        addr: PAYLOAD,
        len: LEN.into(),
    };
    match batch.get(0) {
        Some(chain) => chain.head() == HEAD && chain.writable() == [segment],
        None => popped == Ok(0),
    }
}

#[test]
fn an_available_chain_is_whole() {
    assert!(holds(|| pop_while_offered(Missing::Nothing)));
}

#[test]
fn an_available_chain_needs_the_read_barrier() {
    assert!(!holds(|| pop_while_offered(Missing::Read)));
}

/// The driver side looks while the device side hands a chain back.
fn look_while_used(missing: Missing) -> bool {
    let driver = Side::new(config().layout());
    offer(&driver);
    let device = driver.without(missing);
    let other = thread::spawn(move || {
        let mut queue = config().start(device).expect("a position");
        let mut batch = batch();
        assert_eq!(queue.pop(&mut batch), Ok(1));
        let chain = batch.get(0).expect("a chain");
        assert_eq!(chain.write(queue.memory(), 0, &[7, 7, 8, 8]), Ok(4));
        queue.push(&[chain.used(4)]).expect("a chain in flight");
    });
    let is_used = driver.get(Area::Device, 2) == 1;
    driver.read_barrier();
    let entry = [4, 6, 8, 10].map(|offset| driver.get(Area::Device, offset));
    let payload = [0, 1].map(|word| driver.payload(word));
    other.join().expect("the device side");
    !is_used || (entry == [HEAD, 0, LEN, 0] && payload == [0x0707, 0x0808])
}

#[test]
fn a_used_entry_and_its_payload_are_whole() {
    assert!(holds(|| look_while_used(Missing::Nothing)));
}

#[test]
fn a_used_entry_needs_the_write_barrier() {
    assert!(!holds(|| look_while_used(Missing::Write)));
}
