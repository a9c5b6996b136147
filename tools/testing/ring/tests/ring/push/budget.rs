// SPDX-License-Identifier: GPL-2.0
//! What crosses the link per buffer: nothing is read, whatever the payload.

use virtio::{
    features::{INDIRECT_DESC, IN_ORDER},
    ring::{Batch, Used},
};
use vm_memory::{Bytes, GuestAddress};

use super::ends::Ends;
use crate::{
    driver::{Desc, DriverSide, BUFFERS, WRITE},
    link::Op,
};

const BATCH: u16 = 32;
const ROUNDS: u16 = 50;

/// Reads of the device side, writes of the device side and of the driver side, of all rounds: each in a
/// queue of this size.
fn count(size: u16, features: u64, flags: u16) -> (usize, usize, usize) {
    let mut driver = DriverSide::new(size);
    driver
        .memory
        .write_slice(&[7; 64], GuestAddress(BUFFERS))
        .unwrap();
    let mut ends = Ends::new(&driver, 0, features, 4096);
    ends.near.take_writes();
    let mut batch = Batch::new();
    for round in 0..ROUNDS {
        for n in 0..BATCH {
            let head = round.wrapping_mul(BATCH).wrapping_add(n) % size;
            driver.describe(head, Desc::new(BUFFERS, 64, flags, 0));
            driver.enter(head);
        }
        driver.publish();
        assert_eq!(ends.mirror.sync(), Ok(BATCH));
        assert_eq!(ends.queue.pop(&mut batch), Ok(BATCH.into()));
        for chain in batch.iter().filter(|chain| chain.readable_len() != 0) {
            let mut payload = [0; 64];
            chain.read(ends.queue.memory(), 0, &mut payload).unwrap();
            assert_eq!(payload, [7; 64]);
        }
        let used: Vec<Used> = batch.iter().map(|chain| chain.used(0)).collect();
        assert_eq!(ends.queue.push(&used), Ok(true));
        assert_eq!(ends.queue.pop(&mut batch), Ok(0));
        assert_eq!(ends.queue.enable_notification(), Ok(false));
        driver.take_used();
    }
    let ops = ends.take_ops();
    (
        ops.iter().copied().map(Op::reads).sum(),
        ops.iter().copied().map(Op::writes).sum(),
        ends.near.take_writes(),
    )
}

fn per_buffer(count: usize) -> f64 {
    count as f64 / f64::from(ROUNDS * BATCH)
}

#[test]
fn the_device_side_reads_nothing_across_the_link() {
    for flags in [0, WRITE] {
        let (reads, ..) = count(256, 0, flags);
        assert_eq!(reads, 0);
    }
}

#[test]
fn a_writable_buffer_takes_little_more_than_its_descriptor() {
    let (_, device, driver) = count(256, 0, WRITE);
    // A descriptor is two writes, 32 entries are nine, and the index is one.
    assert!(per_buffer(driver) <= 2.32, "{}", per_buffer(driver));
    // A used entry is one, and the index is one for all.
    assert!(per_buffer(device) <= 1.04, "{}", per_buffer(device));
}

#[test]
fn a_readable_buffer_takes_its_payload_besides() {
    let (_, _, without) = count(256, 0, WRITE);
    let (_, _, with) = count(256, 0, 0);
    let payload = usize::from(ROUNDS * BATCH) * 64 / 8;
    assert_eq!(with - without, payload);
}

#[test]
fn used_in_order_takes_two_writes_for_a_batch() {
    let (_, device, _) = count(256, IN_ORDER, 0);
    assert_eq!(device, usize::from(ROUNDS) * 2);
}

#[test]
fn the_size_of_the_queue_does_not_matter() {
    for size in [512, 4096, 32768] {
        assert_eq!(count(size, 0, 0), count(256, 0, 0));
    }
}

/// Requests for blocks, of 4096 bytes each: a table with header, payload and status.
fn block_requests(is_write: bool) -> usize {
    const BLOCK: u32 = 4096;
    let mut driver = DriverSide::new(64);
    let room = u32::from(BATCH) * (BLOCK + 64);
    let mut ends = Ends::new(&driver, 0, INDIRECT_DESC | IN_ORDER, room);
    ends.near.take_combined();
    let mut batch = Batch::new();
    for round in 0..ROUNDS {
        for n in 0..BATCH {
            let head = (round % 2) * BATCH + n;
            let chain = [
                (BUFFERS, 16, false),
                (BUFFERS, BLOCK, !is_write),
                (BUFFERS, 1, true),
            ];
            driver.describe_table(head, BUFFERS + 0x1000 * u64::from(head + 1), &chain);
            driver.enter(head);
        }
        driver.publish();
        assert_eq!(ends.mirror.sync(), Ok(BATCH));
        assert_eq!(ends.queue.pop(&mut batch), Ok(BATCH.into()));
        let used: Vec<Used> = batch.iter().map(|chain| chain.used(1)).collect();
        assert_eq!(ends.queue.push(&used), Ok(true));
        driver.take_used();
    }
    ends.near.take_combined()
}

#[test]
fn writes_of_requests_are_combined() {
    // The table and the header are a line, and so are the descriptors of four requests.
    let metadata = 1.0 + 0.25;
    // For a batch: two lines of the available ring, and the index.
    let batch = 3.0 / f64::from(BATCH);
    assert_eq!(per_buffer(block_requests(false)), metadata + batch);
    assert_eq!(per_buffer(block_requests(true)), metadata + batch + 64.0);
}
