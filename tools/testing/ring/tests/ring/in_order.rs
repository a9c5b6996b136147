// SPDX-License-Identifier: GPL-2.0
//! With IN_ORDER a split queue needs no available entries, and one used entry tells of several chains
//! (sections 2.7.5 and 2.7.9).

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::{INDIRECT_DESC, IN_ORDER},
    ring::{Area, Batch, Position, RingError, Used},
};
use vm_memory::Bytes;

use crate::{
    driver::{Desc, DriverSide, BUFFERS, NEXT, WRITE},
    link::{Link, Op, Traced},
};

/// A driver side that takes descriptors in ring order.
struct Ordered {
    driver: DriverSide,
    /// The next descriptor.
    next: u16,
    free: u16,
    /// Head, descriptors and writable length of what is outstanding.
    outstanding: VecDeque<(u16, u16, u32)>,
    seen: u16,
}

impl Ordered {
    fn starting_at(size: u16, index: u16, next: u16) -> Self {
        Self {
            driver: DriverSide::starting_at(size, index),
            next,
            free: size,
            outstanding: VecDeque::new(),
            seen: index,
        }
    }

    /// Makes a chain available, the last `writable` of its buffers of 8 bytes being so.
    fn offer(&mut self, count: u16, writable: u16) -> u16 {
        let (head, size) = (self.next, self.driver.size);
        for n in 0..count {
            let (index, more) = ((head + n) % size, n + 1 < count);
            let write = if n + writable >= count { WRITE } else { 0 };
            let flags = write | if more { NEXT } else { 0 };
            self.driver
                .describe(index, Desc::new(BUFFERS, 8, flags, (index + 1) % size));
        }
        self.next = (head + count) % size;
        self.free -= count;
        let written = 8 * u32::from(writable);
        self.outstanding.push_back((head, count, written));
        self.driver.offer(head);
        head
    }

    /// Returns head and length of all used since the last call, those too that were not told of.
    fn take_used(&mut self) -> Vec<(u16, u32)> {
        let mut used = Vec::new();
        while self.seen != self.driver.load(Area::Device, 2) {
            let slot = usize::from(self.seen % self.driver.size);
            let mut entry = [0; 8];
            let at = self.driver.address(Area::Device, 4 + 8 * slot);
            self.driver.memory.read_slice(&mut entry, at).unwrap();
            let id = u32::from_le_bytes(entry[..4].try_into().unwrap());
            let len = u32::from_le_bytes(entry[4..].try_into().unwrap());
            loop {
                let (head, count, writable) = self.outstanding.pop_front().unwrap();
                self.free += count;
                self.seen = self.seen.wrapping_add(1);
                if id == u32::from(head) {
                    used.push((head, len));
                    break;
                }
                used.push((head, writable));
            }
        }
        used
    }
}

#[test]
fn available_entries_are_not_read() {
    let mut side = Ordered::starting_at(8, 0, 0);
    let memory = Traced::new(&side.driver);
    let mut queue = side.driver.config(IN_ORDER).start(&memory).unwrap();
    let mut batch = Batch::new();
    for round in 0..20 {
        let heads = [side.offer(1, 1), side.offer(3, 1), side.offer(1, 0)];
        memory.take();
        assert_eq!(queue.pop(&mut batch), Ok(3));
        assert!(batch.iter().map(|chain| chain.head()).eq(heads));
        let entries = memory
            .take()
            .into_iter()
            .filter(|op| matches!(op, Op::Read(Area::Driver, ..)));
        assert_eq!(entries.count(), usize::from(round == 0));
        let used: Vec<_> = batch
            .iter()
            .map(|chain| chain.used(chain.writable_len()))
            .collect();
        queue.push(&used).unwrap();
        assert_eq!(side.take_used().len(), 3);
    }
}

#[test]
fn filled_chains_are_told_of_together() {
    let mut side = Ordered::starting_at(8, 6, 3);
    let memory = Traced::new(&side.driver);
    let config = side.driver.config(IN_ORDER).start_at(Position::split(6));
    let mut queue = config.start(&memory).unwrap();
    let mut batch = Batch::new();
    let heads = [0; 4].map(|_| side.offer(1, 1));
    assert_eq!(queue.pop(&mut batch), Ok(4));
    let lens = [8, 8, 4, 8];
    let used: Vec<Used> = batch
        .iter()
        .zip(lens)
        .map(|(chain, len)| chain.used(len))
        .collect();
    memory.take();
    queue.push(&used).unwrap();
    // Where the first of each group would be: indexes 6 and 9.
    let expected = [
        Op::Write(Area::Device, 4 + 8 * 6, 8),
        Op::Write(Area::Device, 4 + 8, 8),
        Op::WriteBarrier,
        Op::Store(Area::Device, 2, 10),
        Op::FullBarrier,
        Op::Load(Area::Driver, 0),
    ];
    assert_eq!(memory.take(), expected);
    let seen: Vec<_> = heads.into_iter().zip(lens).collect();
    assert_eq!(side.take_used(), seen);
}

#[test]
fn chains_follow_each_other() {
    let driver = DriverSide::new(4);
    let expect = |descs: &[Desc], error| {
        let mut driver = driver.clone();
        (0..)
            .zip(descs)
            .for_each(|(n, desc)| driver.describe(n, *desc));
        driver.offer(0);
        let mut queue = driver.config(IN_ORDER).start(Link(driver.clone())).unwrap();
        assert_eq!(queue.pop(&mut Batch::new()), error);
        let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
        assert_eq!(queue.pop(&mut Batch::new()), Ok(1));
    };
    let plain = |flags, next| Desc::new(BUFFERS, 1, flags, next);
    expect(&[plain(NEXT, 1), plain(0, 7)], Ok(1));
    let (index, next) = (0, 2);
    let error = RingError::NextOutOfOrder { index, next };
    expect(&[plain(NEXT, 2), plain(0, 0), plain(0, 0)], Err(error));
}

#[test]
fn a_table_takes_one_descriptor() {
    let mut driver = DriverSide::new(4);
    for head in 0..4 {
        let table = BUFFERS + 0x1000 * u64::from(head);
        driver.describe_table(head, table, &[(BUFFERS, 8, false), (BUFFERS, 8, true)]);
    }
    let config = driver.config(IN_ORDER | INDIRECT_DESC);
    let mut queue = config.start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    for head in (0..4).cycle().take(20) {
        driver.offer(head);
        assert_eq!(queue.pop(&mut batch), Ok(1));
        let chain = batch.get(0).unwrap();
        assert_eq!((chain.head(), chain.writable_len()), (head, 8));
        queue.push(&[chain.used(8)]).unwrap();
    }
    // A list may end with a table.
    let list = Desc::new(BUFFERS, 8, NEXT, 1);
    driver.describe(0, list);
    let table = BUFFERS + 0x8000;
    driver.describe_table(1, table, &[(BUFFERS, 8, true)]);
    driver.offer(0);
    driver.describe(2, Desc::new(BUFFERS, 8, 0, 0));
    driver.offer(2);
    assert_eq!(queue.pop(&mut batch), Ok(2));
    assert_eq!(batch.get(1).unwrap().head(), 2);
}

#[test]
fn heads_are_learnt_anew() {
    let mut side = Ordered::starting_at(8, 0, 5);
    let mut queue = side
        .driver
        .config(IN_ORDER)
        .start(Link(side.driver.clone()))
        .unwrap();
    let mut batch = Batch::new();
    let heads = [side.offer(2, 1), side.offer(3, 1), side.offer(1, 1)];
    assert_eq!(queue.pop(&mut batch), Ok(3));
    queue.push(&[batch.get(0).unwrap().used(8)]).unwrap();
    // Neither is known where the second chain began, nor where the third did.
    queue.rewind();
    assert_eq!(queue.pop(&mut batch), Ok(2));
    assert!(batch
        .iter()
        .map(|chain| chain.head())
        .eq(heads[1..].iter().copied()));
    queue.go_on_at(Position::split(2)).unwrap();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    assert_eq!(batch.get(0).unwrap().head(), heads[2]);
}

#[test]
fn an_order_that_was_negotiated_is_not_checked_when_taken_over() {
    let mut side = Ordered::starting_at(8, 0, 0);
    let config = side.driver.config(IN_ORDER);
    let mut queue = config.start(Link(side.driver.clone())).unwrap();
    let mut batch = Batch::new();
    for _ in 0..4 {
        side.offer(1, 0);
    }
    assert_eq!(queue.pop(&mut batch), Ok(4));
    let used: Vec<_> = batch.iter().take(3).map(|chain| chain.used(0)).collect();
    queue.push(&used).unwrap();
    let mut queue = config.take_over(Link(side.driver.clone())).unwrap();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    assert_eq!(batch.get(0).unwrap().head(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any interleaving of offers, pops and pushes keeps every chain, once, and tells of it truly.
    #[test]
    fn no_chain_is_lost_or_doubled(
        (log, start) in (0..6_u32, any::<u16>()),
        next in any::<u16>(),
        steps in vec((vec((1..5_u16, 0..5_u16), 0..5), any::<bool>(), 0..12_usize, any::<u32>()), 1..60),
    ) {
        let size = 1 << log;
        let mut side = Ordered::starting_at(size, start, next % size);
        let config = side.driver.config(IN_ORDER).start_at(Position::split(start));
        let mut queue = config.start(Link(side.driver.clone())).unwrap();
        let mut batch = Batch::new();
        let (mut offered, mut in_flight) = (VecDeque::new(), VecDeque::new());
        for (chains, pop, pushes, len) in steps {
            for (count, writable) in chains {
                if count <= side.free {
                    offered.push_back(side.offer(count, writable.min(count)));
                }
            }
            while pop && queue.pop(&mut batch).unwrap() != 0 {
                for chain in batch.iter() {
                    prop_assert_eq!(Some(chain.head()), offered.pop_front());
                    in_flight.push_back(chain.used(chain.writable_len().min(len)));
                }
            }
            let used: Vec<_> = in_flight.drain(..pushes.min(in_flight.len())).collect();
            queue.push(&used).unwrap();
            let expected: Vec<_> = used.iter().map(|used| (used.head, used.len)).collect();
            prop_assert_eq!(side.take_used(), expected);
            prop_assert_eq!(usize::from(queue.in_flight()), in_flight.len());
        }
    }
}
