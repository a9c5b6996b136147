// SPDX-License-Identifier: GPL-2.0
//! Memory of a driver side that is not trusted goes away while it is pushed, between any two copies.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use proptest::{
    collection::{btree_set, vec},
    prelude::*,
};
use virtio::{
    features::INDIRECT_DESC,
    ring::{Area, Batch, RingError, RingMemory},
};

use super::ends::Ends;
use crate::{
    driver::{DriverSide, BUFFERS},
    link::{Fault, Link},
};

const SIZE: u16 = 16;
/// A chain has at most two descriptors, and each head has its two.
const HEADS: u16 = SIZE / 2;

/// Memory of which copies are refused, by their number: what is unmapped then, and mapped again.
struct Revoked {
    link: Link,
    refused: Rc<RefCell<Refusals>>,
}

#[derive(Default)]
struct Refusals {
    count: usize,
    numbers: BTreeSet<usize>,
    /// One was refused of a ring.
    has_hit_ring: bool,
}

impl Revoked {
    fn ask(&self, is_ring: bool) -> Result<(), Fault> {
        let refused = &mut *self.refused.borrow_mut();
        refused.count += 1;
        if !refused.numbers.contains(&refused.count) {
            return Ok(());
        }
        refused.has_hit_ring |= is_ring;
        Err(Fault(0))
    }
}

impl RingMemory for Revoked {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        self.ask(true)?;
        self.link.read(area, offset, to)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        self.ask(true)?;
        self.link.load_u16(area, offset)
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.ask(false)?;
        self.link.read_buffer(addr, to)
    }

    fn write(&self, _: Area, _: usize, _: &[u8]) -> Result<(), Fault> {
        unreachable!("the driver side's memory is only read")
    }

    fn store_u16(&self, _: Area, _: usize, _: u16) -> Result<(), Fault> {
        unreachable!("the driver side's memory is only read")
    }

    fn write_buffer(&self, _: u64, _: &[u8]) -> Result<(), Fault> {
        unreachable!("the driver side's memory is only read")
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
    fn full_barrier(&self) {}
}

/// Makes a chain of two readable buffers available, and returns its payload.
fn offer(driver: &mut DriverSide, head: u16, lens: [u32; 2], is_table: bool) -> Vec<u8> {
    let base = BUFFERS + 0x4000 * u64::from(head);
    let places = [base, base + 0x1000];
    let mut payload = Vec::new();
    for ((place, len), byte) in places.into_iter().zip(lens).zip(1 + head as u8..) {
        let bytes = vec![byte; len as usize];
        driver.fill(place, &bytes);
        payload.extend(bytes);
    }
    let [first, second] = [0, 1].map(|n| (places[n], lens[n], false));
    match is_table {
        true => driver.describe_table(head, base + 0x2000, &[first, second]),
        false => driver.describe_chain(head, &[first, second]),
    }
    driver.offer(head);
    payload
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A ring that is not there ends the queue, and nothing is handed over. A buffer or a table that is not there
    /// is for the device side to fetch, whole: no chain has a part of it.
    #[test]
    fn a_chain_is_whole_or_not_there(
        chains in vec((any::<[u8; 2]>(), 0..4_u32, any::<bool>()), 1..usize::from(HEADS)),
        room in prop_oneof![Just(0_u32), 1..2000_u32, Just(1 << 16)],
        numbers in btree_set(1..200_usize, 0..20),
    ) {
        let mut driver = DriverSide::new(SIZE);
        let refused = Rc::new(RefCell::new(Refusals { numbers, ..Refusals::default() }));
        let source = Revoked { link: Link(driver.clone()), refused: refused.clone() };
        let mut ends = Ends::read_by(source, &driver, 0, INDIRECT_DESC, room);
        let mut expected = Vec::new();
        for (n, (lens, pieces, is_table)) in (0..).zip(&chains) {
            // Buffers that take some copies each.
            let lens = lens.map(|len| u32::from(len) + 256 * pieces);
            expected.push(offer(&mut driver, 2 * n, lens, *is_table));
        }
        let pushed = ends.mirror.sync();
        let mut batch = Batch::new();
        prop_assert!(ends.queue.pop(&mut batch).is_ok());
        if refused.borrow().has_hit_ring {
            prop_assert_eq!(pushed, Err(RingError::Memory(Fault(0))));
            prop_assert_eq!(batch.len(), 0);
            return Ok(());
        }
        prop_assert_eq!(pushed, Ok(chains.len() as u16));
        prop_assert_eq!(batch.len(), chains.len());
        for (chain, expected) in batch.iter().zip(expected) {
            let mut payload = vec![0; chain.readable_len() as usize];
            chain.read(ends.queue.memory(), 0, &mut payload).unwrap();
            prop_assert_eq!(payload, expected);
        }
    }
}
