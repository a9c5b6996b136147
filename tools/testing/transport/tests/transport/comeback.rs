// SPDX-License-Identifier: GPL-2.0

//! An EP that was lost is there again: ready, in one session, with a heartbeat.

use crate::model::{Rig, BARS, EPOCH};
use transport::{offset, time, Comeback};

#[test]
fn an_endpoint_is_there_when_its_heart_has_beaten() {
    let mut rig = Rig::connected();
    let mut comeback = Comeback::default();
    assert!(!is_there(&rig, &mut comeback));
    // It stands still.
    assert!(!is_there(&rig, &mut comeback));
    beat(&mut rig);
    assert!(is_there(&rig, &mut comeback));
    assert!(!is_there(&rig, &mut comeback));
}

#[test]
fn a_heartbeat_of_another_session_does_not_count() {
    let mut rig = Rig::connected();
    let mut comeback = Comeback::default();
    assert!(!is_there(&rig, &mut comeback));
    beat(&mut rig);
    rig.stop();
    rig.start(EPOCH + 1);
    assert!(!is_there(&rig, &mut comeback));
    beat(&mut rig);
    assert!(is_there(&rig, &mut comeback));
}

#[test]
fn an_endpoint_that_is_not_ready_is_not_there() {
    let mut rig = Rig::connected();
    let mut comeback = Comeback::default();
    assert!(!is_there(&rig, &mut comeback));
    rig.stop();
    beat(&mut rig);
    assert!(!is_there(&rig, &mut comeback));
    rig.start(EPOCH + 1);
    // What was seen before it was away does not count.
    beat(&mut rig);
    assert!(!is_there(&rig, &mut comeback));
}

#[test]
fn a_dead_link_and_another_device_are_no_comeback() {
    for word in [offset::MAGIC, offset::VERSION, offset::EPOCH] {
        let mut rig = Rig::connected();
        let mut comeback = Comeback::default();
        assert!(!is_there(&rig, &mut comeback));
        beat(&mut rig);
        rig.link.store(word, u32::MAX);
        assert!(!is_there(&rig, &mut comeback), "{word:?}");
    }
}

fn is_there(rig: &Rig, comeback: &mut Comeback) -> bool {
    comeback.look(&rig.link.rc(), 0, &BARS).is_some()
}

fn beat(rig: &mut Rig) {
    rig.now_ms += time::BEAT_MS;
    rig.poll();
}
