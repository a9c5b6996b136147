// SPDX-License-Identifier: GPL-2.0
//! Properties of random rings of any size.

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::{EVENT_IDX, INDIRECT_DESC, IN_ORDER},
    ring::{Area, Batch, Used},
};

use super::driver::{Buffer, PackedSide, Place, AT_PLACE};
use crate::{
    driver::{Desc, BASE, BUFFERS},
    link::Link,
};

/// Lengths of the readable and of the writable buffers, and whether they are in a table.
type Shape = (Vec<u32>, Vec<u32>, bool);

fn shape() -> impl Strategy<Value = Shape> {
    (vec(1..40_u32, 1..4), vec(1..40_u32, 0..4), any::<bool>())
}

/// What the driver side does next, what the device side does, how many chains it pushes, and whether it
/// fills them.
type Step = (Vec<Shape>, bool, usize, bool, Option<u16>);

fn step() -> impl Strategy<Value = Step> {
    (
        vec(shape(), 0..5),
        any::<bool>(),
        0..12_usize,
        any::<bool>(),
        any::<Option<u16>>(),
    )
}

/// The size, and a place in the ring.
fn start() -> impl Strategy<Value = (u16, Place)> {
    (1..40_u16).prop_flat_map(|size| {
        let place = (0..size, any::<bool>()).prop_map(|(offset, wrap)| Place { offset, wrap });
        (Just(size), place)
    })
}

fn buffers(shape: &Shape) -> Vec<Buffer> {
    let readable = shape.0.iter().map(|len| (*len, false));
    let lens = readable.chain(shape.1.iter().map(|len| (*len, true)));
    (0..)
        .zip(lens)
        .map(|(n, (len, writable))| (BUFFERS + 0x40 * n, len, writable))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any interleaving of offers, pops and pushes keeps every chain, once, and tells of it truly; in any
    /// order unless one was negotiated.
    #[test]
    fn no_chain_is_lost_or_doubled(
        (size, place) in start(),
        steps in vec(step(), 1..60),
        in_order in any::<bool>(),
        event_idx in any::<bool>(),
    ) {
        let features = if in_order { IN_ORDER } else { 0 } | if event_idx { EVENT_IDX } else { 0 };
        let mut driver = PackedSide::starting_at(size, features | INDIRECT_DESC, place);
        let config = driver.side.config(0).start_at(driver.position());
        let mut queue = config.start(Link(driver.side.clone())).unwrap();
        let mut batch = Batch::new();
        let mut offered = std::collections::VecDeque::new();
        let mut in_flight: Vec<(Used, u32)> = Vec::new();
        let mut used_place = place;
        let mut tables = 0;
        for (shapes, pop, pushes, fill, event) in steps {
            for shape in &shapes {
                let buffers = buffers(shape);
                let slots = if shape.2 { 1 } else { buffers.len() };
                // A chain is no longer than the queue, in a table neither.
                if slots > driver.free.into() || buffers.len() > size.into() {
                    continue;
                }
                // More places than there can be tables.
                tables += 1;
                let table = BUFFERS + 0x1000 + 0x100 * (tables % 64);
                let id = if shape.2 { driver.enter_table(table, &buffers) } else { driver.enter(&buffers) };
                offered.push_back((id, buffers, slots));
            }
            driver.publish();
            if pop {
                while queue.pop(&mut batch).unwrap() != 0 {
                    for chain in batch.iter() {
                        let (id, buffers, _) = offered.pop_front().unwrap();
                        prop_assert_eq!(chain.head(), id);
                        let segments: Vec<_> = chain.readable().iter().map(|s| (s.addr, s.len, false))
                            .chain(chain.writable().iter().map(|s| (s.addr, s.len, true))).collect();
                        prop_assert_eq!(segments, buffers);
                        let len = if fill { chain.writable_len() } else { chain.writable_len() / 2 };
                        in_flight.push((chain.used(len), len));
                    }
                }
                prop_assert!(offered.is_empty());
            }
            if !in_order && !fill {
                in_flight.reverse();
            }
            if let Some(event) = event {
                driver.set_event(event, AT_PLACE);
            }
            let used: Vec<_> = in_flight.drain(..pushes.min(in_flight.len())).collect();
            let used_only: Vec<_> = used.iter().map(|(used, _)| *used).collect();
            let before = driver.seen;
            let signal = queue.push(&used_only).unwrap();
            let expected: Vec<_> = used.iter().map(|(used, len)| (used.head, *len)).collect();
            prop_assert_eq!(driver.take_used(), expected);
            prop_assert_eq!(before, used_place);
            // Place by place, as 2.8.10 has it.
            let mut passed = Vec::new();
            while used_place != driver.seen || (passed.is_empty() && !used.is_empty()) {
                passed.push(used_place.word());
                used_place = used_place.next(size);
            }
            match event {
                Some(event) if event_idx => prop_assert_eq!(signal, passed.contains(&event)),
                Some(_) => prop_assert_eq!(signal, !used.is_empty()),
                None => {}
            }
            prop_assert_eq!(queue.in_flight() == 0, in_flight.is_empty());
        }
    }

    /// Whatever bytes the ring holds, the queue answers, and its chains keep their promises.
    #[test]
    fn random_rings_do_no_harm(
        ring in vec((any::<[u16; 2]>(), 0..0x200_u32, any::<u16>(), 0..8_u16, any::<bool>()), 16),
    ) {
        let driver = PackedSide::new(16, INDIRECT_DESC);
        for (n, ([low, high], len, id, flags, is_available)) in (0..).zip(ring) {
            // Some of the addresses are those of the ring itself, taken as a table.
            let addr = if high & 1 == 0 { driver.side.address(Area::Descriptor, 0).0 } else { BASE + u64::from(low) };
            let owner = if is_available { Place::FIRST.available() } else { 0 };
            driver.describe(n, Desc::new(addr, len & !15, id, flags | owner));
        }
        let mut queue = driver.side.config(0).start(Link(driver.side.clone())).unwrap();
        let mut batch = Batch::new();
        let popped = queue.pop(&mut batch);
        prop_assert_eq!(popped.is_err(), queue.is_broken());
        prop_assert_eq!(popped.unwrap_or(0), batch.len());
        for chain in batch.iter() {
            let segments = chain.readable().iter().chain(chain.writable());
            prop_assert!(segments.clone().count() <= 16);
            prop_assert!(segments.clone().all(|segment| segment.len != 0));
            let total: u32 = segments.map(|segment| segment.len).sum();
            prop_assert_eq!(total, chain.readable_len() + chain.writable_len());
        }
        prop_assert!(queue.in_flight() <= 16);
    }
}
