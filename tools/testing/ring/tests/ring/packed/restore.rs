// SPDX-License-Identifier: GPL-2.0
//! A queue that is stopped and resumes elsewhere.

use virtio::ring::{Area, Batch, Position, RingError};
use vm_memory::Bytes;

use super::driver::{PackedSide, Place};
use crate::{
    driver::BUFFERS,
    link::{Fault, Link},
};

const SIZE: u16 = 7;

fn heads(batch: &Batch) -> Vec<u16> {
    batch.iter().map(|chain| chain.head()).collect()
}

#[test]
fn a_saved_queue_resumes_where_it_stopped() {
    for start in (0..2 * SIZE).map(|n| Place::FIRST.after(n, SIZE)) {
        let mut driver = PackedSide::starting_at(SIZE, 0, start);
        let config = driver.side.config(0);
        let mut queue = config
            .start_at(driver.position())
            .start(Link(driver.side.clone()))
            .unwrap();
        let mut batch = Batch::new();
        let list = [(BUFFERS, 1, false), (BUFFERS, 1, true)];
        let ids = [0, 1, 2].map(|_| driver.offer(&list));
        assert_eq!(queue.pop(&mut batch), Ok(3));
        queue.push(&[batch.get(0).unwrap().used(1)]).unwrap();

        // Two chains were not worked on.
        assert_eq!(queue.in_flight(), 4);
        queue.rewind();
        let saved = queue.position();
        assert_eq!(
            (saved, queue.in_flight()),
            (Position::packed(start.after(2, SIZE).word()), 0)
        );

        let mut queue = config.start_at(saved).start(queue.stop()).unwrap();
        assert_eq!(queue.pop(&mut batch), Ok(2));
        assert_eq!(heads(&batch), ids[1..]);
        let used: Vec<_> = batch.iter().map(|chain| chain.used(1)).collect();
        queue.push(&used).unwrap();
        assert_eq!(driver.take_used(), ids.map(|id| (id, 1)));
    }
}

#[test]
fn a_queue_goes_on_at_another_place() {
    let mut driver = PackedSide::new(SIZE, 0);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let ids = [0, 1, 2].map(|_| driver.offer(&[(BUFFERS, 1, false)]));
    let place = Position::packed(Place::FIRST.next(SIZE).word());
    assert_eq!(queue.go_on_at(place), Ok(()));
    assert_eq!(queue.position(), place);
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(2));
    assert_eq!(heads(&batch), ids[1..]);
}

#[test]
fn places_that_the_ring_does_not_have() {
    let driver = PackedSide::new(SIZE, 0);
    let mut queue = driver
        .side
        .config(0)
        .start(Link(driver.side.clone()))
        .unwrap();
    let before = queue.position();
    // Beyond the ring; and with chains in flight, which nobody would push.
    for (available, used) in [
        (7, 7),
        (0x8007, 0x8007),
        (0xffff, 0xffff),
        (0x8003, 0x8001),
        (0, 0x8000),
    ] {
        let position = Position { available, used };
        let size = SIZE;
        let error: RingError<Fault> = RingError::Position {
            available,
            used,
            size,
        };
        let config = driver.side.config(0).start_at(position);
        assert_eq!(config.start(Link(driver.side.clone())).err(), Some(error));
        assert_eq!(queue.go_on_at(position), Err(error));
    }
    assert_eq!(queue.position(), before);
}

/// Uses all that is available, and returns where the queue is then.
fn use_all(driver: &PackedSide, at: Position) -> Position {
    let config = driver.side.config(0).start_at(at);
    let mut queue = config.start(Link(driver.side.clone())).unwrap();
    let mut batch = Batch::new();
    queue.pop(&mut batch).unwrap();
    let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
    queue.push(&used).unwrap();
    queue.position()
}

/// Why there is no `take_over`: two rings of the same bytes, of which one has something outstanding.
#[test]
fn a_packed_ring_does_not_tell_what_is_outstanding() {
    let [first, second] = [(BUFFERS, 1, false), (BUFFERS + 8, 1, true)];
    let mut list = PackedSide::new(SIZE, 0);
    list.offer(&[first, second]);
    let after_list = use_all(&list, list.position());

    let mut single = PackedSide::new(SIZE, 0);
    let id = single.offer(&[first]);
    let after_single = use_all(&single, single.position());
    assert_eq!(single.take_used(), [(id, 0)]);
    assert_eq!(single.offer(&[second]), id);

    let bytes = |driver: &PackedSide| {
        let mut bytes = [0; 16 * SIZE as usize];
        let at = driver.side.address(Area::Descriptor, 0);
        driver.side.memory.read_slice(&mut bytes, at).unwrap();
        bytes
    };
    assert_eq!(bytes(&list), bytes(&single));
    assert_ne!(after_list, after_single);
}

#[test]
fn a_packed_queue_is_not_taken_over() {
    let driver = PackedSide::new(SIZE, 0);
    let error = driver
        .side
        .config(0)
        .take_over(Link(driver.side.clone()))
        .err();
    assert_eq!(error, Some(RingError::TakeOverPacked));
}
