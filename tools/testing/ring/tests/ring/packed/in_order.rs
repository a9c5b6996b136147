// SPDX-License-Identifier: GPL-2.0
//! With IN_ORDER one used descriptor tells of several chains (section 2.8.8).

use virtio::{
    features::IN_ORDER,
    ring::{Area, Batch, Used},
};

use super::driver::PackedSide;
use crate::{
    driver::BUFFERS,
    link::{Op, Traced},
};

#[test]
fn filled_chains_are_told_of_together() {
    let mut driver = PackedSide::new(16, IN_ORDER);
    let memory = Traced::new(&driver.side);
    let mut queue = driver.side.config(0).start(&memory).unwrap();
    let mut batch = Batch::new();
    for _ in 0..10 {
        let ids = [
            driver.enter(&[(BUFFERS, 8, true)]),
            driver.enter(&[(BUFFERS, 8, false), (BUFFERS, 8, false)]),
            driver.enter(&[(BUFFERS, 8, true), (BUFFERS, 8, true)]),
            driver.enter(&[(BUFFERS, 8, false), (BUFFERS, 8, true)]),
        ];
        driver.publish();
        assert_eq!(queue.pop(&mut batch), Ok(4));
        let used: Vec<Used> = batch
            .iter()
            .map(|chain| chain.used(chain.writable_len()))
            .collect();
        memory.take();
        assert_eq!(queue.push(&used), Ok(true));
        let writes: Vec<_> = memory
            .take()
            .into_iter()
            .filter(|op| op.writes() != 0)
            .collect();
        assert!(matches!(
            writes[..],
            [
                Op::Write(Area::Descriptor, _, 6),
                Op::Store(Area::Descriptor, _, _)
            ]
        ));
        let seen: Vec<_> = ids.into_iter().zip([8, 0, 16, 8]).collect();
        assert_eq!(driver.take_used(), seen);
        assert_eq!(
            (queue.position(), queue.in_flight()),
            (driver.position(), 0)
        );
    }
}

#[test]
fn a_chain_that_is_not_filled_is_told_of() {
    let mut driver = PackedSide::new(16, IN_ORDER);
    let memory = Traced::new(&driver.side);
    let mut queue = driver.side.config(0).start(&memory).unwrap();
    let mut batch = Batch::new();
    let ids: Vec<_> = (0..5)
        .map(|_| driver.offer(&[(BUFFERS, 8, true)]))
        .collect();
    assert_eq!(queue.pop(&mut batch), Ok(5));
    let lens = [8, 5, 8, 8, 7];
    let used: Vec<_> = batch
        .iter()
        .zip(lens)
        .map(|(chain, len)| chain.used(len))
        .collect();
    memory.take();
    assert_eq!(queue.push(&used), Ok(true));
    let writes = memory
        .take()
        .into_iter()
        .filter(|op| op.writes() != 0)
        .count();
    assert_eq!(writes, 3);
    let seen: Vec<_> = ids.into_iter().zip(lens).collect();
    assert_eq!(driver.take_used(), seen);
}
