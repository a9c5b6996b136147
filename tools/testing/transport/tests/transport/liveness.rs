// SPDX-License-Identifier: GPL-2.0

//! Heartbeats, and who takes whom for dead when they stop (H1 to H3).

use crate::model::Rig;
use transport::{time, Command, Health, Step};

#[test]
fn the_root_complex_sees_a_silent_endpoint() {
    let mut rig = Rig::connected();
    for _ in 0..20 {
        rig.now_ms += time::BEAT_MS;
        rig.poll();
        assert_eq!(watch(&mut rig), Health::Alive);
    }
    rig.now_ms += time::EP_SILENT_MS - 1;
    assert_eq!(watch(&mut rig), Health::Alive);
    rig.now_ms += 1;
    assert_eq!(watch(&mut rig), Health::Silent);
    rig.poll();
    assert_eq!(watch(&mut rig), Health::Alive);
    rig.stop();
    assert_eq!(watch(&mut rig), Health::Restarted);
}

#[test]
fn a_root_complex_may_have_more_patience() {
    let mut rig = Rig::connected();
    let patience = 4 * time::EP_SILENT_MS;
    let mut health_after = |ms| {
        rig.now_ms += ms;
        let rc = rig.rc.as_mut().expect("connected");
        rc.watch(&rig.link.rc(), patience, rig.now_ms)
    };
    assert_eq!(health_after(0), Health::Alive);
    assert_eq!(health_after(patience - 1), Health::Alive);
    assert_eq!(health_after(1), Health::Silent);
}

#[test]
fn an_endpoint_that_works_on_a_command_is_not_silent() {
    let mut rig = Rig::connected();
    rig.issue(&Command::Reset);
    rig.now_ms += time::QUIESCE_MS - 1;
    assert_eq!(watch(&mut rig), Health::Alive);
    assert_eq!(rig.step(), Step::Pending);
}

#[test]
fn the_endpoint_sees_a_silent_root_complex() {
    let mut rig = Rig::connected();
    rig.okay(&Command::SetStatus(1));
    assert_eq!(watch(&mut rig), Health::Alive);
    assert!(!poll_after(&mut rig, 0));
    assert!(!poll_after(&mut rig, time::RC_SILENT_MS - 1));
    assert!(poll_after(&mut rig, 1));
    assert_eq!(watch(&mut rig), Health::Alive);
    assert!(!poll_after(&mut rig, 0));
}

#[test]
fn a_root_complex_that_does_not_use_the_device_may_be_silent() {
    let mut rig = Rig::connected();
    assert_eq!(watch(&mut rig), Health::Alive);
    assert!(!poll_after(&mut rig, 0));
    assert!(!poll_after(&mut rig, 10 * time::RC_SILENT_MS));
    // One without a heartbeat is not watched.
    let mut rig = Rig::connected();
    rig.okay(&Command::SetStatus(1));
    assert!(!poll_after(&mut rig, 10 * time::RC_SILENT_MS));
}

fn watch(rig: &mut Rig) -> Health {
    let (link, now_ms) = (&rig.link, rig.now_ms);
    let health = rig
        .rc
        .as_mut()
        .map(|rc| rc.watch(&link.rc(), time::EP_SILENT_MS, now_ms));
    rig.link.deliver(usize::MAX);
    health.expect("connected")
}

/// Whether the EP takes the RC for dead after `ms` more milliseconds.
fn poll_after(rig: &mut Rig, ms: u64) -> bool {
    rig.now_ms += ms;
    rig.poll().is_rc_silent
}
