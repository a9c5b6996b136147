// SPDX-License-Identifier: GPL-2.0

//! Heartbeats, and who takes whom for dead when they stop (H1 to H3).

use crate::model::{Rig, EPOCH, NUM_QUEUES};
use transport::{offset, time, Command, Health, IssueError, Step, TransportFeatures};

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
fn an_endpoint_of_version_1_1_may_be_silent_in_a_command() {
    let mut rig = Rig::cold(NUM_QUEUES);
    rig.transport_features = TransportFeatures::NONE;
    rig.start(EPOCH);
    rig.connect();
    rig.issue(&Command::Reset);
    rig.now_ms += time::QUIESCE_MS - 1;
    assert_eq!(watch(&mut rig), Health::Alive);
    assert_eq!(rig.step(), Step::Pending);
    rig.now_ms += 1;
    assert_eq!(rig.step(), Step::TimedOut);
    // From the last look in the command on it owes a beat.
    rig.now_ms += time::EP_SILENT_MS - 2;
    assert_eq!(watch(&mut rig), Health::Alive);
    rig.now_ms += 1;
    assert_eq!(watch(&mut rig), Health::Silent);
}

#[test]
fn an_endpoint_that_falls_silent_ends_the_command() {
    let mut rig = Rig::connected();
    rig.poll();
    assert_eq!(watch(&mut rig), Health::Alive);
    rig.issue(&Command::Reset);
    rig.now_ms += time::EP_SILENT_MS - 1;
    assert_eq!(watch(&mut rig), Health::Alive);
    assert_eq!(rig.step(), Step::Pending);
    rig.now_ms += 1;
    assert_eq!(watch(&mut rig), Health::Silent);
    assert_eq!(rig.step(), Step::Silent);
}

#[test]
fn a_silent_endpoint_is_sent_nothing_until_it_beats() {
    let mut rig = Rig::connected();
    rig.poll();
    watch(&mut rig);
    rig.now_ms += time::EP_SILENT_MS;
    assert_eq!(watch(&mut rig), Health::Silent);
    assert_eq!(rig.try_issue(&Command::Reset), Err(IssueError::Silent));
    rig.poll();
    assert_eq!(rig.try_issue(&Command::Reset), Err(IssueError::Silent));
    assert_eq!(watch(&mut rig), Health::Alive);
    let status = Command::SetStatus(1);
    assert_eq!(rig.try_issue(&status), Err(IssueError::OutOfStep));
    rig.okay(&Command::Reset);
    rig.okay(&status);
}

#[test]
fn the_heart_beats_in_a_command_until_its_bound() {
    for (command, bound_ms) in [
        (Command::SetStatus(1), time::COMMAND_MS),
        (Command::Reset, time::QUIESCE_MS),
    ] {
        let mut rig = Rig::connected();
        rig.okay(&command);
        let mut pulse = rig.backend.begun.expect("a pulse");
        let begun_ms = rig.now_ms;
        while rig.now_ms < begun_ms + bound_ms {
            assert!(!pulse.is_over(rig.now_ms));
            let before = rig.link.peek(offset::HEARTBEAT);
            rig.now_ms += time::BEAT_MS / 2;
            pulse.beat(&rig.link.ep(), rig.now_ms);
            let is_last = rig.now_ms >= begun_ms + bound_ms;
            assert_eq!(rig.link.peek(offset::HEARTBEAT) == before, is_last);
        }
        assert!(pulse.is_over(rig.now_ms));
    }
}

#[test]
fn the_loop_goes_on_where_the_pulse_ended() {
    let mut rig = Rig::connected();
    rig.okay(&Command::SetStatus(1));
    let mut pulse = rig.backend.begun.expect("a pulse");
    rig.now_ms += time::BEAT_MS / 2;
    pulse.beat(&rig.link.ep(), rig.now_ms);
    let beat = rig.link.peek(offset::HEARTBEAT);
    rig.backend.ended = Some(pulse);
    rig.okay(&Command::Reset);
    // It beat just now.
    assert_eq!(rig.link.peek(offset::HEARTBEAT), beat);
    rig.now_ms += time::BEAT_MS / 2;
    rig.poll();
    assert_eq!(rig.link.peek(offset::HEARTBEAT), beat + 1);
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
