// SPDX-License-Identifier: GPL-2.0
//! Every shape that a chain may have.

use virtio::{
    features::INDIRECT_DESC,
    ring::{Area, Batch, Segment, BATCH_CHAINS, BATCH_SEGMENTS, MAX_CHAIN_SEGMENTS},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS, INDIRECT, NEXT, WRITE},
    link::{Link, Op, Traced},
};

const TABLE: u64 = BUFFERS + 0x1_0000;

type Buffer = (u64, u32, bool);

fn buffer(number: u64, len: u32, writable: bool) -> Buffer {
    (BUFFERS + 0x100 * number, len, writable)
}

/// Pops one chain and compares it with the buffers, those of zero bytes left out.
fn expect(driver: &DriverSide, head: u16, buffers: &[Buffer]) {
    let mut queue = driver
        .config(INDIRECT_DESC)
        .start(Link(driver.clone()))
        .unwrap();
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
    assert_eq!(chain.head(), head);
    assert_eq!(chain.readable(), part(false));
    assert_eq!(chain.writable(), part(true));
    let len = |segments: &[Segment]| segments.iter().map(|segment| segment.len).sum::<u32>();
    assert_eq!(chain.readable_len(), len(chain.readable()));
    assert_eq!(chain.writable_len(), len(chain.writable()));
    assert!(batch.get(1).is_none());
}

/// Tries the buffers as a direct chain, in a table, and as both with the cut at each place.
fn expect_all_ways(buffers: &[Buffer]) {
    let mut driver = DriverSide::new(16);
    driver.describe_chain(3, buffers);
    driver.offer(3);
    expect(&driver, 3, buffers);

    let mut driver = DriverSide::new(16);
    driver.describe_table(5, TABLE, buffers);
    driver.offer(5);
    expect(&driver, 5, buffers);

    for cut in 1..buffers.len() {
        let mut driver = DriverSide::new(16);
        for (index, (addr, len, writable)) in (0..).zip(&buffers[..cut]) {
            let write = if *writable { WRITE } else { 0 };
            driver.describe(index, Desc::new(*addr, *len, NEXT | write, index + 1));
        }
        driver.describe_table(cut as u16, TABLE, &buffers[cut..]);
        driver.offer(0);
        expect(&driver, 0, buffers);
    }
}

#[test]
fn readable_then_writable() {
    expect_all_ways(&[buffer(0, 16, false)]);
    expect_all_ways(&[buffer(0, 16, true)]);
    expect_all_ways(&[buffer(0, 16, false), buffer(1, 32, false)]);
    expect_all_ways(&[buffer(0, 16, true), buffer(1, 32, true)]);
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
fn the_whole_length_of_32_bits() {
    expect_all_ways(&[buffer(0, u32::MAX - 1, false), buffer(1, 1, true)]);
}

#[test]
fn a_chain_as_long_as_the_queue() {
    let buffers: Vec<_> = (0..16).map(|n| buffer(n, 1, n > 7)).collect();
    let mut driver = DriverSide::new(16);
    driver.describe_chain(0, &buffers);
    driver.offer(0);
    expect(&driver, 0, &buffers);
    driver.describe_table(0, TABLE, &buffers);
    expect(&driver, 0, &buffers);
}

#[test]
fn chains_in_any_order_of_the_table() {
    let mut driver = DriverSide::new(8);
    driver.describe(6, Desc::new(BUFFERS, 1, NEXT, 1));
    driver.describe(1, Desc::new(BUFFERS + 1, 1, NEXT, 7));
    driver.describe(7, Desc::new(BUFFERS + 2, 1, NEXT | WRITE, 0));
    driver.describe(0, Desc::new(BUFFERS + 3, 1, WRITE, 0));
    driver.offer(6);
    let buffers = [(0, false), (1, false), (2, true), (3, true)];
    expect(
        &driver,
        6,
        &buffers.map(|(n, writable)| (BUFFERS + n, 1, writable)),
    );
}

#[test]
fn tables_in_any_order_and_larger_than_a_run() {
    let mut driver = DriverSide::new(256);
    let order: Vec<u16> = (0..200).map(|n| n * 77 % 200).collect();
    for (n, index) in order.iter().enumerate() {
        let (flags, next) = order.get(n + 1).map_or((0, 0), |next| (NEXT, *next));
        driver.describe_in(TABLE, *index, Desc::new(BUFFERS + n as u64, 1, flags, next));
    }
    // The write flag of the descriptor that refers to the table is ignored (2.7.5.3.2).
    driver.describe(9, Desc::new(TABLE, 16 * 200, INDIRECT | WRITE, 0));
    driver.offer(9);
    let buffers: Vec<_> = (0..200).map(|n| (BUFFERS + n, 1, false)).collect();
    expect(&driver, 9, &buffers);
}

#[test]
fn a_batch_ends_where_its_chains_do() {
    let mut driver = DriverSide::new(128);
    for head in 0..BATCH_CHAINS as u16 + 3 {
        driver.describe(head, Desc::new(BUFFERS, 1, 0, 0));
        driver.offer(head);
    }
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::default();
    assert_eq!(queue.pop(&mut batch), Ok(BATCH_CHAINS));
    assert_eq!(queue.pop(&mut batch), Ok(3));
    assert_eq!(
        batch.get(0).map(|chain| chain.head()),
        Some(BATCH_CHAINS as u16)
    );
}

#[test]
fn a_batch_ends_where_the_longest_chain_has_no_room() {
    let chain: Vec<_> = (0..u64::from(MAX_CHAIN_SEGMENTS))
        .map(|n| buffer(n, 1, false))
        .collect();
    let mut driver = DriverSide::new(1024);
    for head in 0..4 {
        driver.describe_table(head, TABLE, &chain);
        driver.offer(head);
    }
    let mut queue = driver
        .config(INDIRECT_DESC)
        .start(Link(driver.clone()))
        .unwrap();
    let mut batch = Batch::new();
    for _ in 0..2 {
        assert_eq!(queue.pop(&mut batch), Ok(2));
        let segments = batch.iter().map(|chain| chain.readable().len());
        assert_eq!(segments.sum::<usize>(), BATCH_SEGMENTS);
    }
    assert_eq!(queue.pop(&mut batch), Ok(0));
}

/// Offers rounds of chains, by head and length, and returns the lengths of the reads of the descriptor
/// table in the last round.
fn table_reads(rounds: &[&[(u16, u16)]]) -> Vec<usize> {
    let mut driver = DriverSide::new(64);
    let memory = Traced::new(&driver);
    let mut queue = driver.config(0).start(&memory).unwrap();
    let mut batch = Batch::new();
    for chains in rounds {
        memory.take();
        for (head, len) in *chains {
            let chain: Vec<_> = (0..u64::from(*len)).map(|n| buffer(n, 1, false)).collect();
            driver.describe_chain(*head, &chain);
            driver.enter(*head);
        }
        driver.publish();
        assert_eq!(queue.pop(&mut batch), Ok(chains.len()));
        for (chain, (_, len)) in batch.iter().zip(*chains) {
            assert_eq!(chain.readable().len(), usize::from(*len));
        }
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        queue.push(&used).unwrap();
    }
    let ops = memory.take().into_iter();
    ops.filter_map(|op| match op {
        Op::Read(Area::Descriptor, _, len) => Some(len / 16),
        _ => None,
    })
    .collect()
}

#[test]
fn descriptors_come_in_runs() {
    let again = |heads: &[u16], len| {
        let chains: Vec<_> = heads.iter().map(|head| (*head, len)).collect();
        table_reads(&[&chains, &chains])
    };
    assert_eq!(again(&[0, 1, 2, 3], 1), [4]);
    assert_eq!(again(&[3, 2, 1, 0], 1), [4]);
    assert_eq!(again(&[0, 3, 6, 9], 3), [12]);
    assert_eq!(again(&[9, 6, 3, 0], 3), [12]);
    assert_eq!(again(&[0, 1, 8, 9, 20], 1), [2, 2, 1]);
    assert_eq!(again(&[4], 60), [60]);
    assert_eq!(again(&[0], 64), [64]);
}

#[test]
fn only_what_each_of_the_last_chains_had_is_read_in_advance() {
    let singles: &[_] = &[(20, 1), (30, 1)];
    assert_eq!(table_reads(&[&[(0, 3), (8, 1), (10, 4)], singles]), [1, 1]);
    assert_eq!(table_reads(&[&[(0, 3), (10, 4)], singles]), [3, 3]);
    assert_eq!(table_reads(&[&[(0, 3), (10, 4)], singles, singles]), [1, 1]);
    // The table ends earlier than the run would.
    assert_eq!(table_reads(&[&[(0, 3)], &[(62, 1)]]), [2]);
    assert_eq!(table_reads(&[&[(0, 3)], &[(63, 1), (60, 3)]]), [4]);
}
