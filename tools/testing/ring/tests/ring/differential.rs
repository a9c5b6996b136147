// SPDX-License-Identifier: GPL-2.0
//! The same ring memory through this crate and through rust-vmm's `virtio-queue`: the same chains, the
//! same used ring, the same decisions about signals.

use proptest::{collection::vec, prelude::*};
use virtio::{
    features::{EVENT_IDX, INDIRECT_DESC},
    ring::{Area, Batch, Position, Used},
};
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestMemoryMmap};

use crate::{
    driver::{DriverSide, BUFFERS},
    link::Link,
    peer,
};

const SIZE: u16 = 64;

/// Head, and segments with address, length and direction.
type Seen = (u16, Vec<(u64, u32, bool)>);

fn peer_at(driver: &DriverSide, start: u16, event_idx: bool) -> Queue {
    let mut queue = peer::queue(driver);
    queue.set_event_idx(event_idx);
    queue.set_next_avail(start);
    queue.set_next_used(start);
    assert!(queue.is_valid(&driver.memory));
    queue
}

fn pop_peer(queue: &mut Queue, memory: &GuestMemoryMmap) -> Vec<Seen> {
    std::iter::from_fn(|| queue.pop_descriptor_chain(memory))
        .map(|chain| {
            let head = chain.head_index();
            let segments = chain.map(|desc| (desc.addr().0, desc.len(), desc.is_write_only()));
            (head, segments.collect())
        })
        .collect()
}

fn seen(batch: &Batch) -> Vec<Seen> {
    let chains = batch.iter().map(|chain| {
        let readable = chain
            .readable()
            .iter()
            .map(|segment| (segment.addr, segment.len, false));
        let writable = chain
            .writable()
            .iter()
            .map(|segment| (segment.addr, segment.len, true));
        (chain.head(), readable.chain(writable).collect())
    });
    chains.collect()
}

/// Returns all bytes of the used ring with its index.
fn used_ring(driver: &DriverSide) -> Vec<u8> {
    let mut bytes = vec![0; Area::Device.len(driver.layout()) - 4];
    driver
        .memory
        .read_slice(&mut bytes, driver.address(Area::Device, 2))
        .unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_rust_vmm(
        start in any::<u16>(),
        chains in vec((vec((1..0x1000_u32, any::<bool>()), 1..8), any::<bool>()), 1..8),
        event in 0..20_u16,
        flags in 0..2_u16,
        event_idx in any::<bool>(),
    ) {
        // Two driver sides with the same content, so that neither device sees the other's writes.
        let mut sides = [DriverSide::starting_at(SIZE, start), DriverSide::starting_at(SIZE, start)];
        for driver in &mut sides {
            for (head, (buffers, indirect)) in (0..).step_by(8).zip(&chains) {
                let base = BUFFERS + 0x2000 * u64::from(head);
                let mut buffers: Vec<_> = (0..).zip(buffers).map(|(n, (len, writable))| (base + 0x1000 * n, *len, *writable)).collect();
                buffers.sort_by_key(|(.., writable)| *writable);
                if *indirect {
                    driver.describe_table(head, base + 0xf000, &buffers);
                } else {
                    driver.describe_chain(head, &buffers);
                }
                driver.enter(head);
            }
            driver.publish();
            driver.set_flags(flags);
            driver.set_used_event(start.wrapping_add(event).wrapping_sub(5));
        }
        let [ours, theirs] = sides;
        let features = INDIRECT_DESC | if event_idx { EVENT_IDX } else { 0 };
        let mut queue = ours.config(features).start_at(Position::split(start)).start(Link(ours.clone())).unwrap();
        let mut peer = peer_at(&theirs, start, event_idx);

        let mut batch = Batch::new();
        prop_assert_eq!(queue.pop(&mut batch), Ok(chains.len()));
        let chains = seen(&batch);
        prop_assert_eq!(&chains, &pop_peer(&mut peer, &theirs.memory));
        prop_assert_eq!(queue.position().available, peer.next_avail());

        let used: Vec<_> = chains.iter().map(|(head, segments)| Used::new(*head, segments[0].1)).collect();
        let signal = queue.push(&used).unwrap();
        for used in &used {
            peer.add_used(&theirs.memory, used.head, used.len).unwrap();
        }
        prop_assert_eq!(used_ring(&ours), used_ring(&theirs));
        // Without EVENT_IDX rust-vmm leaves the flags to its caller.
        let theirs_signal = peer.needs_notification(&theirs.memory).unwrap();
        prop_assert_eq!(signal, if event_idx { theirs_signal } else { flags == 0 });

        prop_assert_eq!(queue.enable_notification(), Ok(peer.enable_notification(&theirs.memory).unwrap()));
        prop_assert_eq!((ours.device_flags(), ours.avail_event()), (theirs.device_flags(), theirs.avail_event()));
    }
}
