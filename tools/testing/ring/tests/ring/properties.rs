// SPDX-License-Identifier: GPL-2.0
//! Properties of random rings.

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::{EVENT_IDX, INDIRECT_DESC},
    ring::{Batch, Position, Used},
};
use vm_memory::{Bytes, GuestAddress};

use crate::{
    driver::{Desc, DriverSide, BASE, BUFFERS},
    link::Link,
};

/// Lengths of the readable and of the writable buffers, and whether they are in a table.
type Shape = (Vec<u32>, Vec<u32>, bool);

fn shape() -> impl Strategy<Value = Shape> {
    (vec(0..40_u32, 1..4), vec(0..40_u32, 0..4), any::<bool>())
}

/// Lays a shape out at `head`, its payload in pieces; returns where they are.
fn lay_out(driver: &DriverSide, head: u16, shape: &Shape) -> Vec<(u64, u32, bool)> {
    let base = BUFFERS + 0x1000 * u64::from(head);
    let lens = shape.0.iter().map(|len| (*len, false));
    let lens = lens.chain(shape.1.iter().map(|len| (*len, true)));
    let buffers: Vec<_> = (0..)
        .zip(lens)
        .map(|(n, (len, writable))| (base + 0x40 * n, len, writable))
        .collect();
    if shape.2 {
        driver.describe_table(head, base + 0x800, &buffers);
    } else {
        driver.describe_chain(head, &buffers);
    }
    buffers
}

/// Returns the bytes of the buffers of one direction, one after the other.
fn bytes(driver: &DriverSide, buffers: &[(u64, u32, bool)], direction: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (addr, len, _) in buffers
        .iter()
        .filter(|(.., writable)| *writable == direction)
    {
        let mut part = vec![0; *len as usize];
        driver
            .memory
            .read_slice(&mut part, GuestAddress(*addr))
            .unwrap();
        bytes.extend(part);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What the driver side put into readable buffers comes out of the writable ones.
    #[test]
    fn payload_makes_the_round_trip(
        shapes in vec(shape(), 1..8),
        start in any::<u16>(),
        seed in any::<u8>(),
    ) {
        let mut driver = DriverSide::starting_at(64, start);
        let config = driver.config(INDIRECT_DESC).start_at(Position::split(start));
        let mut queue = config.start(Link(driver.clone())).unwrap();
        let mut expected = Vec::new();
        for (head, shape) in (0..).step_by(8).zip(&shapes) {
            let buffers = lay_out(&driver, head, shape);
            for (addr, len, _) in buffers.iter().filter(|(.., writable)| !writable) {
                let fill: Vec<_> = (0..*len).map(|n| (n as u8).wrapping_mul(seed)).collect();
                driver.memory.write_slice(&fill, GuestAddress(*addr)).unwrap();
            }
            driver.enter(head);
            expected.push((head, buffers));
        }
        driver.publish();

        let mut batch = Batch::new();
        prop_assert_eq!(queue.pop(&mut batch), Ok(shapes.len()));
        let mut used = Vec::new();
        for chain in batch.iter() {
            let mut payload = vec![0; chain.readable_len() as usize];
            let memory = queue.memory();
            prop_assert_eq!(chain.read(memory, 0, &mut payload), Ok(payload.len()));
            let written = chain.write(memory, 0, &payload).unwrap();
            used.push(chain.used(written as u32));
        }
        queue.push(&used).unwrap();

        let seen = driver.take_used();
        for ((id, len), (head, buffers)) in seen.iter().zip(&expected) {
            prop_assert_eq!(*id, u32::from(*head));
            let (sent, received) = (bytes(&driver, buffers, false), bytes(&driver, buffers, true));
            let len = *len as usize;
            prop_assert_eq!(len, sent.len().min(received.len()));
            prop_assert_eq!(&sent[..len], &received[..len]);
        }
    }

    /// Any interleaving of offers, pops and pushes in any order keeps every chain, once.
    #[test]
    fn no_chain_is_lost_or_doubled(
        start in any::<u16>(),
        steps in vec((0..20_usize, any::<bool>(), 0..70_usize, any::<bool>()), 1..60),
        event_idx in any::<bool>(),
    ) {
        let mut driver = DriverSide::starting_at(32, start);
        let features = if event_idx { EVENT_IDX } else { 0 };
        let mut queue = driver.config(features).start_at(Position::split(start)).start(Link(driver.clone())).unwrap();
        let mut batch = Batch::new();
        let mut free: VecDeque<u16> = (0..32).collect();
        let mut offered = VecDeque::new();
        let mut in_flight = Vec::new();
        for (offers, pop, pushes, from_end) in steps {
            for head in free.drain(..offers.min(free.len())) {
                driver.describe(head, Desc::new(BUFFERS + u64::from(head), 1, 0, 0));
                driver.offer(head);
                offered.push_back(head);
            }
            if pop {
                queue.pop(&mut batch).unwrap();
                for chain in batch.iter() {
                    prop_assert_eq!(Some(chain.head()), offered.pop_front());
                    prop_assert_eq!(chain.readable()[0].addr, BUFFERS + u64::from(chain.head()));
                    in_flight.push(chain.head());
                }
            }
            if from_end {
                in_flight.reverse();
            }
            let used: Vec<_> = in_flight.drain(..pushes.min(in_flight.len())).map(|head| Used::new(head, 7)).collect();
            queue.push(&used).unwrap();
            let seen: Vec<_> = driver.take_used();
            let expected: Vec<_> = used.iter().map(|used| (u32::from(used.head), used.len)).collect();
            prop_assert_eq!(seen, expected);
            free.extend(used.iter().map(|used| used.head));
            prop_assert_eq!(usize::from(queue.in_flight()), in_flight.len());
        }
    }

    /// Whatever bytes the ring holds, the queue answers, and its chains keep their promises.
    #[test]
    fn random_rings_do_no_harm(
        table in vec((any::<[u16; 2]>(), 0..0x200_u32, 0..8_u16, 0..20_u16), 16),
        heads in vec(0..18_u16, 16),
        index in 0..20_u16,
    ) {
        let mut driver = DriverSide::new(16);
        for (n, ([low, high], len, flags, next)) in (0..).zip(table) {
            // Some of the addresses are those of the table itself, taken as an indirect one.
            let addr = if high & 1 == 0 { driver.address(virtio::ring::Area::Descriptor, 0).0 } else { BASE + u64::from(low) };
            driver.describe(n, Desc::new(addr, len & !15, flags, next));
        }
        heads.into_iter().for_each(|head| driver.enter(head));
        driver.store(virtio::ring::Area::Driver, 2, index);
        let mut queue = driver.config(INDIRECT_DESC).start(Link(driver.clone())).unwrap();
        let mut batch = Batch::new();
        let popped = queue.pop(&mut batch);
        prop_assert_eq!(popped.is_err(), queue.is_broken());
        prop_assert_eq!(popped.unwrap_or(0), batch.len());
        for chain in batch.iter() {
            let segments = chain.readable().iter().chain(chain.writable());
            prop_assert!(chain.head() < 16);
            prop_assert!(segments.clone().count() <= 16);
            prop_assert!(segments.clone().all(|segment| segment.len != 0));
            let total: u32 = segments.map(|segment| segment.len).sum();
            prop_assert_eq!(total, chain.readable_len() + chain.writable_len());
        }
    }
}
