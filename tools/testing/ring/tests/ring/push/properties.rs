// SPDX-License-Identifier: GPL-2.0
//! A pushed queue is to the device side what the driver side's own is, whatever happens in whichever order.

use std::collections::{BTreeSet, VecDeque};

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::INDIRECT_DESC,
    ring::{Batch, Used},
};
use vm_memory::{Bytes, GuestAddress};

use super::ends::Ends;
use crate::driver::{DriverSide, BUFFERS};

const SIZE: u16 = 32;
/// A chain has at most four descriptors, and each head has its four.
const HEADS: u16 = SIZE / 4;

/// What one of the ends does next.
#[derive(Clone, Debug)]
enum Step {
    /// Makes a chain of readable buffers of these lengths available, in a table or not, and a writable
    /// one behind them.
    Offer(Vec<u32>, bool),
    Kick,
    Pop,
    /// Hands back the first of what was popped.
    Push,
}

fn step() -> impl Strategy<Value = Step> {
    let offer = (vec(0..100_u32, 1..4), any::<bool>());
    prop_oneof![
        3 => offer.prop_map(|(lens, is_table)| Step::Offer(lens, is_table)),
        2 => Just(Step::Kick),
        2 => Just(Step::Pop),
        3 => Just(Step::Push),
    ]
}

/// Both ends, and what the test knows of them.
struct Run {
    driver: DriverSide,
    ends: Ends,
    free: BTreeSet<u16>,
    /// Heads and payload of what was made available and not popped.
    offered: VecDeque<(u16, Vec<u8>)>,
    /// How many of those were kicked for.
    kicked: usize,
    popped: VecDeque<Used>,
    count: u8,
}

impl Run {
    fn new(start: u16, room: u32) -> Self {
        let driver = DriverSide::starting_at(SIZE, start);
        Self {
            ends: Ends::new(&driver, start, INDIRECT_DESC, room),
            driver,
            free: (0..HEADS).map(|n| n * 4).collect(),
            offered: VecDeque::new(),
            kicked: 0,
            popped: VecDeque::new(),
            count: 0,
        }
    }

    fn offer(&mut self, lens: &[u32], is_table: bool) {
        let Some(head) = self.free.pop_first() else {
            return;
        };
        self.count = self.count.wrapping_add(1);
        let base = BUFFERS + 0x1000 * u64::from(head);
        let mut payload = Vec::new();
        let mut buffers = Vec::new();
        for (n, len) in (0..).zip(lens) {
            let addr = base + 0x100 * n;
            let bytes = vec![self.count.wrapping_add(n as u8); *len as usize];
            let memory = &self.driver.memory;
            memory.write_slice(&bytes, GuestAddress(addr)).unwrap();
            payload.extend(bytes);
            buffers.push((addr, *len, false));
        }
        buffers.push((base + 0x600, 16, true));
        match is_table {
            true => self.driver.describe_table(head, base + 0x800, &buffers),
            false => self.driver.describe_chain(head, &buffers),
        }
        self.driver.offer(head);
        self.offered.push_back((head, payload));
    }

    fn kick(&mut self) {
        let pushed = self.ends.mirror.sync().unwrap();
        self.kicked += usize::from(pushed);
        assert_eq!(self.kicked, self.offered.len());
    }

    /// What was kicked for is there, each once, in order, with its payload.
    fn pop(&mut self) {
        let mut batch = Batch::new();
        let count = self.ends.queue.pop(&mut batch).unwrap();
        assert!(count > 0 || self.kicked == 0);
        for chain in batch.iter() {
            let (head, expected) = self.offered.pop_front().unwrap();
            let mut payload = vec![0; chain.readable_len() as usize];
            chain
                .read(self.ends.queue.memory(), 0, &mut payload)
                .unwrap();
            assert_eq!(payload, expected);
            chain
                .write(self.ends.queue.memory(), 0, &head.to_le_bytes())
                .unwrap();
            self.popped.push_back(chain.used(2));
        }
        self.kicked -= count;
    }

    fn push(&mut self) {
        let Some(used) = self.popped.pop_front() else {
            return;
        };
        assert_eq!(self.ends.queue.push(&[used]), Ok(true));
        for (id, len) in self.driver.take_used() {
            let head = id as u16;
            let mut told = [0; 2];
            let at = GuestAddress(BUFFERS + 0x1000 * u64::from(head) + 0x600);
            self.driver.memory.read_slice(&mut told, at).unwrap();
            assert_eq!((u16::from_le_bytes(told), len), (head, 2));
            assert!(self.free.insert(head));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing is lost, doubled or changed, with plenty of room, little, or none.
    #[test]
    fn each_chain_arrives_once_in_order(
        start in any::<u16>(),
        room in prop_oneof![Just(0_u32), 1..600_u32, Just(1 << 16)],
        steps in vec(step(), 1..200),
    ) {
        let mut run = Run::new(start, room);
        for step in &steps {
            match step {
                Step::Offer(lens, is_table) => run.offer(lens, *is_table),
                Step::Kick => run.kick(),
                Step::Pop => run.pop(),
                Step::Push => run.push(),
            }
        }
        if room == 1 << 16 {
            prop_assert_eq!(run.ends.take_reads(), 0);
        }
        run.kick();
        while !run.offered.is_empty() {
            run.pop();
        }
        while !run.popped.is_empty() {
            run.push();
        }
        prop_assert_eq!(run.free.len(), usize::from(HEADS));
    }
}
