// SPDX-License-Identifier: GPL-2.0
//! Every shape that a list may have.

use virtio::{
    features::INDIRECT_DESC,
    ring::{Batch, Segment},
};

use super::driver::{Buffer, PackedSide, Place};
use crate::{driver::BUFFERS, link::Link};

const TABLE: u64 = BUFFERS + 0x1_0000;

fn buffer(number: u64, len: u32, writable: bool) -> Buffer {
    (BUFFERS + 0x100 * number, len, writable)
}

/// Pops one chain and compares it with the buffers, those of zero bytes left out.
fn expect(driver: &PackedSide, id: u16, buffers: &[Buffer]) {
    let config = driver
        .side
        .config(INDIRECT_DESC)
        .start_at(driver.position());
    let mut queue = config.start(Link(driver.side.clone())).unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    let chain = batch.get(0).unwrap();
    let part = |wanted: bool| -> Vec<_> {
        let part = buffers
            .iter()
            .filter(|(_, len, writable)| *writable == wanted && *len != 0);
        part.map(|(addr, len, _)| Segment {
            addr: *addr,
            len: *len,
        })
        .collect()
    };
    assert_eq!(chain.head(), id);
    assert_eq!(chain.readable(), part(false));
    assert_eq!(chain.writable(), part(true));
    assert!(batch.get(1).is_none());
}

/// Tries the buffers as a list at each place of the ring, and in a table.
fn expect_all_ways(buffers: &[Buffer]) {
    for wrap in [false, true] {
        for offset in 0..16 {
            let place = Place { offset, wrap };
            let mut driver = PackedSide::starting_at(16, 0, place);
            let id = driver.offer(buffers);
            expect(&driver, id, buffers);

            let mut driver = PackedSide::starting_at(16, 0, place);
            let id = driver.enter_table(TABLE, buffers);
            driver.publish();
            expect(&driver, id, buffers);
        }
    }
}

#[test]
fn readable_then_writable() {
    expect_all_ways(&[buffer(0, 16, false)]);
    expect_all_ways(&[buffer(0, 16, true)]);
    expect_all_ways(&[buffer(0, 16, false), buffer(1, 32, true)]);
    let mixed = [(5, false), (7, false), (1, true), (9, true), (2, true)];
    let mixed: Vec<_> = (0..)
        .zip(mixed)
        .map(|(n, (len, writable))| buffer(n, len, writable))
        .collect();
    expect_all_ways(&mixed);
}

#[test]
fn buffers_of_zero_bytes_carry_nothing() {
    expect_all_ways(&[buffer(0, 0, false)]);
    expect_all_ways(&[
        buffer(0, 4, false),
        buffer(1, 0, false),
        buffer(2, 0, true),
        buffer(3, 4, true),
    ]);
}

#[test]
fn a_list_as_long_as_the_queue() {
    let buffers: Vec<_> = (0..16).map(|n| buffer(n, 1, n > 7)).collect();
    expect_all_ways(&buffers);
}

#[test]
fn tables_longer_than_a_run() {
    let buffers: Vec<_> = (0..200).map(|n| buffer(n, 1, n > 100)).collect();
    let mut driver = PackedSide::new(256, 0);
    let id = driver.enter_table(TABLE, &buffers);
    driver.publish();
    expect(&driver, id, &buffers);
}
