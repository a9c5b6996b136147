// SPDX-License-Identifier: GPL-2.0
//! How many reads cross the link per buffer.
//!
//! A read of at most eight bytes is one; a bulk read of n bytes is n / 8, rounded up. At about 1.1 us
//! each these are what the data path costs, not the time in this process.

use virtio::{
    features::EVENT_IDX,
    ring::{Area, Batch, QueueConfig},
};

use crate::{
    driver::{Desc, DriverSide, BUFFERS},
    link::{Op, Traced},
};

const BATCH: u16 = 32;
const ROUNDS: u16 = 50;

/// Reads per 100 buffers of one descriptor, for the whole cycle: pop until empty, push, ask for kicks.
fn reads_per_100(features: u64) -> usize {
    let mut driver = DriverSide::new(256);
    let memory = Traced::new(&driver);
    let mut queue = QueueConfig::new(driver.size, features).start(&memory);
    let mut batch = Batch::new();
    for round in 0..ROUNDS {
        for n in 0..BATCH {
            let head = (round * BATCH + n) % 256;
            driver.describe(head, Desc::new(BUFFERS, 64, 0, 0));
            driver.enter(head);
        }
        driver.publish();
        assert_eq!(queue.pop(&mut batch), Ok(BATCH.into()));
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        queue.push(&used).unwrap();
        assert_eq!(queue.pop(&mut batch), Ok(0));
        assert_eq!(queue.enable_notification(), Ok(false));
    }
    let reads: usize = memory.take().into_iter().map(Op::reads).sum();
    100 * reads / usize::from(ROUNDS * BATCH)
}

#[test]
fn at_most_two_and_a_half_reads_per_buffer() {
    for features in [0, EVENT_IDX] {
        let reads = reads_per_100(features);
        println!("{}.{:02} reads per buffer", reads / 100, reads % 100);
        assert!(reads <= 250, "{reads} reads per 100 buffers");
        // Two for the descriptor and a quarter for the entry cannot be saved by this layout.
        assert!(
            reads >= 225,
            "{reads} reads per 100 buffers: not all were counted"
        );
    }
}

#[test]
fn a_push_reads_the_suppression_word_alone() {
    for (features, word) in [(0, 0), (EVENT_IDX, 4 + 2 * 256)] {
        let mut driver = DriverSide::new(256);
        let memory = Traced::new(&driver);
        let mut queue = QueueConfig::new(driver.size, features).start(&memory);
        let mut batch = Batch::new();
        for head in 0..BATCH {
            driver.describe(head, Desc::new(BUFFERS, 64, 0, 0));
            driver.offer(head);
        }
        assert_eq!(queue.pop(&mut batch), Ok(BATCH.into()));
        let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
        memory.take();
        queue.push(&used).unwrap();
        let ops = memory.take();
        let reads: Vec<_> = ops.iter().filter(|op| op.reads() != 0).collect();
        assert_eq!(reads, [&Op::Load(Area::Driver, word)]);
        let writes = ops
            .iter()
            .filter(|op| matches!(op, Op::Write(..) | Op::Store(..)));
        assert_eq!(writes.count(), 2);
    }
}
