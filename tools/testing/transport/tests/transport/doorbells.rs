// SPDX-License-Identifier: GPL-2.0

//! No kick is lost, whichever order the CPUs' writes arrive in.

use std::collections::HashSet;
use std::thread;

use crate::model::Rig;
use transport::{offset, Doorbell, DoorbellKind, Offset, PolledSlot};

fn doorbell(rig: &Rig, queue: u16, slot: u32) -> Doorbell {
    let identity = rig.identify().expect("a legal identity");
    let queue = identity.queue(queue).expect("a queue");
    identity.doorbell(&rig.link.rc(), queue, slot)
}

#[test]
fn a_slot_is_at_its_stride() {
    let rig = Rig::started();
    for queue in 0..3 {
        let doorbell = doorbell(&rig, queue, 0);
        assert_eq!(
            (doorbell.bar(), doorbell.offset()),
            (0, 0x1000 + 4 * u64::from(queue))
        );
    }
}

#[test]
fn interrupting_doorbells_have_a_fixed_value() {
    let rig = Rig::started();
    for kind in [DoorbellKind::Embedded, DoorbellKind::Msi] {
        rig.link.store(offset::DOORBELL_KIND, kind as u32);
        let doorbell = doorbell(&rig, 2, 77);
        assert_eq!(
            (doorbell.next_value(), doorbell.next_value()),
            (0x102, 0x102)
        );
    }
}

#[test]
fn the_index_of_the_queue_rings_what_polls_or_has_that_value() {
    let rig = Rig::started();
    let identity = rig.identify().expect("a legal identity");
    let [own, other] = [2, 1].map(|index| identity.queue(index).expect("a queue"));
    assert!(doorbell(&rig, 2, 77).is_rung_by_index(own));
    for kind in [DoorbellKind::Embedded, DoorbellKind::Msi] {
        rig.link.store(offset::DOORBELL_KIND, kind as u32);
        assert!(!doorbell(&rig, 2, 77).is_rung_by_index(own));
        let table = rig.link.peek(offset::QUEUE_TABLE_REGION);
        let entry = table + 2 * rig.link.peek(offset::QUEUE_STRIDE);
        let word = Offset::new(entry + offset::queue::DOORBELL.bytes());
        rig.link.store(word, 2);
        assert!(doorbell(&rig, 2, 77).is_rung_by_index(own));
        assert!(!doorbell(&rig, 2, 77).is_rung_by_index(other));
        rig.link.store(word, 0x102);
    }
}

#[test]
fn a_counter_goes_on_from_the_slot_and_wraps() {
    let doorbell = doorbell(&Rig::started(), 0, u32::MAX - 1);
    assert_eq!(doorbell.next_value(), u32::MAX);
    assert_eq!(doorbell.next_value(), 0);
}

#[test]
fn kicks_of_all_cpus_have_values_of_their_own() {
    const CPUS: usize = 4;
    const KICKS: usize = 10_000;
    let doorbell = &doorbell(&Rig::started(), 0, 5);
    let values: HashSet<u32> = thread::scope(|scope| {
        let cpu = || {
            (0..KICKS)
                .map(|_| doorbell.next_value())
                .collect::<Vec<_>>()
        };
        let cpus: Vec<_> = (0..CPUS).map(|_| scope.spawn(cpu)).collect();
        let values = cpus
            .into_iter()
            .map(|cpu| cpu.join().expect("a CPU that kicks"));
        values.flatten().collect()
    });
    assert_eq!(values.len(), CPUS * KICKS);
    assert!(!values.contains(&5));
}

/// Lets `writes` arrive in every order, with the EP's looks before, between and after them.
#[test]
fn every_write_after_a_look_is_seen_by_the_next_look() {
    const KICKS: u32 = 5;
    let doorbell = doorbell(&Rig::started(), 0, 0);
    let values: Vec<u32> = (0..KICKS).map(|_| doorbell.next_value()).collect();
    for order in permutations(&values) {
        // Bit n of `looks`: the EP looks after write n.
        for looks in 0..1 << KICKS {
            let mut slot = PolledSlot::new(0);
            let mut has_write = false;
            let mut word = 0;
            for (n, value) in order.iter().enumerate() {
                (word, has_write) = (*value, true);
                if (looks >> n) & 1 == 1 {
                    assert!(slot.is_kicked(word));
                    assert!(!slot.is_kicked(word));
                    has_write = false;
                }
            }
            assert_eq!(slot.is_kicked(word), has_write);
        }
    }
}

fn permutations(values: &[u32]) -> Vec<Vec<u32>> {
    let Some((first, rest)) = values.split_first() else {
        return vec![vec![]];
    };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, *first);
            all.push(longer);
        }
    }
    all
}
