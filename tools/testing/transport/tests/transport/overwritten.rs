// SPDX-License-Identifier: GPL-2.0

//! The RC writes over words of the EP (H5).

use crate::model::{Rig, FEATURES, NUM_QUEUES};
use transport::{offset, time, Command, Offset, TransportFeatures};

/// Places of the identity and of the queue table, but those that change by themselves or are written
/// at a reset only.
fn places(rig: &Rig) -> Vec<Offset> {
    let table = rig.link.peek(offset::QUEUE_TABLE_REGION);
    let words = (0..0x100).chain(table..table + 16 * u32::from(NUM_QUEUES));
    words
        .step_by(4)
        .map(Offset::new)
        .filter(|place| ![offset::HEARTBEAT, offset::CONFIG_GENERATION].contains(place))
        .collect()
}

#[test]
fn words_of_the_ep_are_written_again() {
    let mut rig = Rig::with_queue(FEATURES);
    rig.okay(&Command::EnableQueue(1));
    let places = places(&rig);
    let read = |rig: &Rig| -> Vec<_> { places.iter().map(|at| rig.link.peek(*at)).collect() };
    let before = read(&rig);
    for garbage in [0, 0x5a5a_5a5a, u32::MAX] {
        places.iter().for_each(|at| rig.link.store(*at, garbage));
        assert_ne!(read(&rig), before);
        rig.now_ms += time::BEAT_MS;
        rig.poll();
        assert_eq!(read(&rig), before);
    }
}

#[test]
fn a_session_begins_with_reserved_words_of_zero() {
    let mut rig = Rig::cold(NUM_QUEUES);
    rig.transport_features = TransportFeatures::NONE;
    for at in [0x38, 0x3c, 0x80, 0xfc] {
        rig.link.store(Offset::new(at), u32::MAX);
    }
    rig.start(7);
    for at in [0x38, 0x3c, 0x80, 0xfc] {
        assert_eq!(rig.link.peek(Offset::new(at)), 0);
    }
}

#[test]
fn decisions_do_not_come_from_words_that_were_overwritten() {
    let mut rig = Rig::with_queue(FEATURES);
    for at in places(&rig) {
        // The epoch and `ready` lead the RC, not the EP.
        if ![offset::EPOCH, offset::READY].contains(&at) {
            rig.link.store(at, u32::MAX);
        }
    }
    rig.okay(&Command::EnableQueue(1));
    rig.okay(&Command::DisableQueue(1));
    rig.okay(&Command::Reset);
}
