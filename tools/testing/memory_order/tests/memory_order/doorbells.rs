// SPDX-License-Identifier: GPL-2.0
//! No kick of a polled slot is lost, and what it tells of is there (D1 to D5).
//!
//! A write to a slot is a swap here. C11 lets a plain store by one CPU hide what another CPU did before
//! the store that it overwrites; a link that delivers posted writes in one order, and processors that
//! agree on the order of writes to a word, do not. The swap carries that order over.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
};
use memory_order::{holds, words::Side, Missing};
use transport::{Doorbell, Offset, PolledSlot, Registers};

use crate::ends::Ends;

const CPUS: u16 = 2;

/// One CPU of the RC makes a chain available (D1) and kicks (D2). The index is a counter: the driver
/// side's own lock is around it.
fn kick(rc: &Side, index: &AtomicU16, doorbell: &Doorbell, slot: Offset) {
    index.fetch_add(1, Relaxed);
    rc.write_barrier();
    rc.swap(slot, doorbell.next_value());
}

/// The EP, which takes what it finds in the slot as seen, and looks at the index when it changed.
struct Endpoint {
    bar: Side,
    at: Offset,
    slot: PolledSlot,
    index: Arc<AtomicU16>,
    found: u16,
}

impl Endpoint {
    /// D5
    fn new(bar: Side, at: Offset, index: Arc<AtomicU16>) -> Self {
        let slot = PolledSlot::new(bar.read32(at));
        let mut ep = Self {
            bar,
            at,
            slot,
            index,
            found: 0,
        };
        ep.look();
        ep
    }

    /// D3
    fn poll(&mut self) {
        if self.slot.is_kicked(self.bar.read32(self.at)) {
            self.look();
        }
    }

    /// D4
    fn look(&mut self) {
        self.bar.read_barrier();
        self.found = self.found.max(self.index.load(Relaxed));
    }
}

/// Two CPUs kick while the EP enables the queue and looks; then it looks for the last time.
fn poll_while_kicked(rc_missing: Missing, ep_missing: Missing) -> bool {
    let ends = Ends::connected();
    let identity = ends.rc.identity();
    let queue = identity.queue(0).expect("a queue");
    let at = identity.layout().polled_slot(queue).expect("a slot");
    let doorbell = Arc::new(identity.doorbell(&ends.bar, queue, 0));
    let bar = ends.bar.share();
    let index = Arc::new(AtomicU16::new(0));
    let cpu = |_| {
        let (rc, index, doorbell) = (bar.without(rc_missing), index.clone(), doorbell.clone());
        thread::spawn(move || kick(&rc, &index, &doorbell, at))
    };
    let cpus: Vec<_> = (0..CPUS).map(cpu).collect();
    let mut ep = Endpoint::new(bar.without(ep_missing), at, index);
    ep.poll();
    for cpu in cpus {
        cpu.join().expect("a CPU that kicks");
    }
    ep.poll();
    ep.found == CPUS
}

#[test]
fn no_kick_is_lost() {
    assert!(holds(|| poll_while_kicked(
        Missing::Nothing,
        Missing::Nothing
    )));
}

#[test]
fn a_kick_is_lost_without_a_barrier() {
    assert!(!holds(|| poll_while_kicked(
        Missing::Write,
        Missing::Nothing
    )));
    assert!(!holds(|| poll_while_kicked(
        Missing::Nothing,
        Missing::Read
    )));
}
