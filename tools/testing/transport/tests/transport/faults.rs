// SPDX-License-Identifier: GPL-2.0

//! Time-outs, late answers, restarts, dead links, garbage.

use crate::model::{setup_request, Call, Rig, EPOCH, FEATURES};
use transport::{
    offset, time, AnswerError, Command, CommandError, CommandWord, DeviceStatus, Health,
    IssueError, Offset, Opcode, Reply, RootComplexPort, Step,
};

/// Place of a word of the command block in the model's layout.
fn place(offset: Offset) -> Offset {
    Offset::new(0x100 + offset.bytes())
}

/// Writes a command word by hand, with arguments that enable queue 1.
fn post(rig: &Rig, epoch: u32, word: u32) {
    rig.link.store(place(offset::command::CMD_EPOCH), epoch);
    rig.link.store(place(offset::command::ARGUMENT), 1);
    rig.link.store(place(offset::command::CMD), word);
}

fn status_of_answer(rig: &Rig) -> u32 {
    rig.link.peek(place(offset::command::CMD_STATUS))
}

#[test]
fn one_command_at_a_time() {
    let mut rig = Rig::connected();
    rig.issue(&Command::SetStatus(1));
    let second = rig.try_issue(&Command::Reset);
    assert_eq!(second, Err(IssueError::Busy));
}

#[test]
fn the_first_command_is_reset() {
    let rig = Rig::started();
    let identity = rig.identify().expect("a legal identity");
    let mut rc = RootComplexPort::new(identity, &rig.link.rc(), 0);
    let refused = rc.issue(&rig.link.rc(), &Command::SetStatus(1), 0);
    assert_eq!(refused, Err(IssueError::OutOfStep));
    assert_eq!(rc.step(&rig.link.rc(), 0), Step::Idle);
    assert_eq!(rc.issue(&rig.link.rc(), &Command::Reset, 0), Ok(()));
}

#[test]
fn each_command_times_out_at_its_bound() {
    for (command, bound_ms) in [
        (Command::SetStatus(1), time::COMMAND_MS),
        (Command::Reset, time::QUIESCE_MS),
        (Command::DisableQueue(0), time::QUIESCE_MS),
        (Command::Suspend, time::QUIESCE_MS),
    ] {
        let mut rig = Rig::connected();
        rig.issue(&command);
        rig.now_ms += bound_ms - 1;
        assert_eq!(rig.step(), Step::Pending);
        rig.now_ms += 1;
        assert_eq!(rig.step(), Step::TimedOut);
        assert_eq!(rig.step(), Step::Idle);
    }
}

#[test]
fn an_answer_at_the_bound_still_counts() {
    let mut rig = Rig::connected();
    rig.issue(&Command::SetStatus(1));
    assert_eq!(rig.step(), Step::Pending);
    rig.poll();
    rig.now_ms += time::COMMAND_MS;
    assert!(matches!(rig.step(), Step::Done(Ok(Reply::Status(_)))));
}

#[test]
fn a_late_answer_satisfies_no_later_command() {
    let mut rig = Rig::connected();
    rig.issue(&Command::SetStatus(1));
    assert_eq!(rig.step(), Step::Pending);
    rig.now_ms += time::COMMAND_MS;
    assert_eq!(rig.step(), Step::TimedOut);
    let next = rig.try_issue(&Command::SetStatus(1));
    assert_eq!(next, Err(IssueError::OutOfStep));

    // The EP answers the old command while the writes of the reset are on their way.
    rig.link.set_slow(true);
    rig.issue(&Command::Reset);
    assert!(rig.poll().answered.is_some());
    assert_eq!(rig.step(), Step::Pending);
    rig.link.set_slow(false);
    assert_eq!(rig.step(), Step::Pending);
    assert!(rig.poll().answered.is_some());
    assert_eq!(rig.step(), Step::Done(Ok(Reply::Done)));
    rig.okay(&Command::SetStatus(1));
}

#[test]
fn a_superseded_command_is_never_executed() {
    let mut rig = Rig::with_queue(FEATURES);
    rig.issue(&Command::EnableQueue(1));
    rig.now_ms += time::QUIESCE_MS;
    assert_eq!(rig.step(), Step::TimedOut);
    rig.backend.take_calls();
    rig.okay(&Command::Reset);
    assert_eq!(rig.backend.take_calls(), [Call::Reset]);
}

#[test]
fn a_reset_that_is_not_answered_leaves_the_port_out_of_step() {
    let mut rig = Rig::connected();
    for _ in 0..3 {
        rig.issue(&Command::Reset);
        rig.now_ms += time::QUIESCE_MS;
        assert_eq!(rig.step(), Step::TimedOut);
    }
    rig.okay(&Command::Reset);
    rig.okay(&Command::SetStatus(1));
}

#[test]
fn a_command_is_executed_once() {
    let mut rig = Rig::connected();
    rig.okay(&Command::SetStatus(1));
    rig.backend.take_calls();
    for _ in 0..10 {
        assert_eq!(rig.poll().answered, None);
    }
    assert_eq!(rig.backend.take_calls(), []);
}

#[test]
fn a_sequence_that_is_not_newer_is_refused() {
    let mut rig = Rig::with_queue(FEATURES);
    let last = rig.link.peek(place(offset::command::CMD)) >> 8;
    let old = CommandWord::new(last - 1, Opcode::EnableQueue);
    let same = CommandWord::new(last, Opcode::EnableQueue);
    let half = CommandWord::new(last + (1 << 23), Opcode::EnableQueue);
    for word in [old, same, half, old] {
        post(&rig, EPOCH, word.word());
        let refused = Some((word, Err(CommandError::BadSequence)));
        assert_eq!(rig.poll().answered, refused);
        assert_eq!(rig.backend.take_calls(), []);
    }
    let next = CommandWord::new(last + (1 << 23) - 1, Opcode::EnableQueue);
    post(&rig, EPOCH, next.word());
    assert_eq!(rig.poll().answered, Some((next, Ok(()))));
}

#[test]
fn sequence_numbers_wrap() {
    let mut rig = Rig::with_queue(FEATURES);
    for sequence in [0x7f_ffff, 0xff_fffd, 0xff_fffe, 0xff_ffff, 0, 1] {
        let word = CommandWord::new(sequence, Opcode::DisableQueue);
        post(&rig, EPOCH, word.word());
        assert_eq!(rig.poll().answered, Some((word, Ok(()))));
    }
    for sequence in [0x7f_0000, 0xee_0000, 0xff_fffe] {
        post(
            &rig,
            EPOCH,
            CommandWord::new(sequence, Opcode::DisableQueue).word(),
        );
        rig.poll();
    }
    // A port that takes over in front of the wrap goes through it.
    rig.connect();
    for _ in 0..4 {
        rig.okay(&Command::SetStatus(1));
    }
}

#[test]
fn a_port_learns_the_sequence_from_the_refusal() {
    let mut rig = Rig::with_queue(FEATURES);
    // What a broken driver left is half a circle off.
    let last = rig.link.peek(place(offset::command::CMD)) >> 8;
    rig.link
        .store(place(offset::command::CMD), (last + (1 << 23)) << 8);
    let identity = rig.identify().expect("a legal identity");
    rig.rc = Some(RootComplexPort::new(identity, &rig.link.rc(), rig.now_ms));
    let refused = Err(AnswerError::Refused(CommandError::BadSequence));
    assert_eq!(rig.send(&Command::Reset), refused);
    rig.okay(&Command::Reset);
    rig.okay(&Command::SetStatus(1));
}

/// The RC dies while it issues a command; whatever of it arrived, the next driver's `RESET` has a
/// number that no command had, so that an old answer is not taken for its own.
#[test]
fn a_driver_that_died_while_issuing_leaves_its_number() {
    for arrived in 0..=3 {
        let mut rig = Rig::connected();
        rig.link.set_slow(true);
        rig.issue(&Command::SetStatus(1));
        rig.link.deliver(arrived);
        rig.link.lose_posted();
        rig.link.set_slow(false);
        let identity = rig.identify().expect("a legal identity");
        rig.rc = Some(RootComplexPort::new(identity, &rig.link.rc(), rig.now_ms));
        rig.okay(&Command::Reset);
        assert!(rig.backend.take_calls().contains(&Call::Reset), "{arrived}");
        rig.okay(&Command::SetStatus(1));
    }
}

/// The link is down when the port learns the number used last, and up again afterwards.
#[test]
fn a_number_that_a_dead_link_gave_is_not_used() {
    let rig = Rig::connected();
    let identity = rig.identify().expect("a legal identity");
    rig.link.set_dead(true);
    let mut rc = RootComplexPort::new(identity, &rig.link.rc(), rig.now_ms);
    rig.link.set_dead(false);
    let issued = rc.issue(&rig.link.rc(), &Command::Reset, rig.now_ms);
    assert_eq!(issued, Err(IssueError::Lost));
    assert_eq!(rc.step(&rig.link.rc(), rig.now_ms), Step::LinkDead);
}

#[test]
fn unknown_opcodes_change_nothing() {
    let known = |opcode: &u32| Opcode::ALL.iter().any(|known| *known as u32 == *opcode);
    for opcode in (1..=0xff).filter(|opcode| !known(opcode)) {
        let mut rig = Rig::with_queue(FEATURES);
        let word = (0x10_0000 << 8) | opcode;
        post(&rig, EPOCH, word);
        let unknown = Err(CommandError::UnknownCommand);
        let answered = Some((CommandWord::from_word(word), unknown));
        assert_eq!(rig.poll().answered, answered);
        assert_eq!(status_of_answer(&rig), 3);
        assert_eq!(rig.backend.take_calls(), []);
    }
}

#[test]
fn argument_bits_that_do_not_exist_are_bad() {
    for (opcode, argument, value) in [
        (Opcode::SetStatus, 0, 0x101),
        (Opcode::WriteConfig, 1, 129),
        (Opcode::WriteConfig, 1, u32::MAX),
        (Opcode::SetQueueState, 1, 0x1_0000),
        (Opcode::SetQueueState, 2, 0x1_0000),
        (Opcode::Map, 0, 0x1_0000),
        (Opcode::Map, 7, 4),
    ] {
        let mut rig = Rig::with_queue(FEATURES);
        let place_of = |n| place(offset::command::ARGUMENT).word(n);
        // A mapping of one byte that is legal but for the bit.
        for (n, legal) in [(0, 1), (1, 0), (3, 1), (7, 1)] {
            rig.link.store(place_of(n), legal);
        }
        rig.link.store(place_of(argument), value);
        let word = CommandWord::new(0x1000, opcode);
        rig.link.store(place(offset::command::CMD), word.word());
        let answered = Some((word, Err(CommandError::BadArgument)));
        assert_eq!(rig.poll().answered, answered, "{opcode:?}");
        assert_eq!(rig.backend.take_calls(), []);
    }
}

#[test]
fn a_command_of_another_session_is_stale() {
    for epoch in [0, EPOCH - 1, EPOCH + 1, u32::MAX] {
        let mut rig = Rig::with_queue(FEATURES);
        let word = CommandWord::new(0x1000, Opcode::EnableQueue);
        post(&rig, epoch, word.word());
        let stale = Some((word, Err(CommandError::StaleEpoch)));
        assert_eq!(rig.poll().answered, stale);
        assert_eq!(rig.backend.take_calls(), []);
    }
}

#[test]
fn the_ep_restarts_before_it_sees_a_command() {
    let mut rig = Rig::with_queue(FEATURES);
    rig.link.set_slow(true);
    rig.issue(&Command::EnableQueue(1));
    rig.stop();
    rig.start(EPOCH + 1);
    rig.backend.take_calls();
    // The writes arrive in the new session.
    rig.link.set_slow(false);
    assert_eq!(rig.step(), Step::Restarted);
    assert!(matches!(
        rig.poll().answered,
        Some((_, Err(CommandError::StaleEpoch)))
    ));
    assert_eq!(rig.backend.take_calls(), []);
    assert_eq!(rig.step(), Step::Restarted);
    let lost = rig.try_issue(&Command::Reset);
    assert_eq!(lost, Err(IssueError::Lost));
    rig.connect();
    rig.okay(&Command::SetStatus(1));
}

#[test]
fn the_ep_restarts_after_it_answered() {
    let mut rig = Rig::connected();
    rig.issue(&Command::SetStatus(1));
    rig.step();
    rig.poll();
    rig.stop();
    assert_eq!(rig.step(), Step::Restarted);
}

#[test]
fn an_answer_of_another_epoch_is_no_answer() {
    let mut rig = Rig::connected();
    rig.issue(&Command::SetStatus(1));
    rig.step();
    rig.poll();
    rig.link
        .store(place(offset::command::ANSWER_EPOCH), EPOCH - 1);
    assert_eq!(rig.step(), Step::Restarted);
}

#[test]
fn a_stopped_ep_takes_no_command_and_touches_nothing() {
    let mut rig = Rig::with_queue(FEATURES);
    rig.stop();
    assert_eq!(rig.backend.take_calls(), [Call::Reset]);
    assert!(!rig.ep.is_running());
    assert_eq!(rig.link.peek(offset::READY), 0);
    assert_eq!(rig.link.peek(offset::EPOCH), 0);
    post(
        &rig,
        EPOCH,
        CommandWord::new(0x1000, Opcode::EnableQueue).word(),
    );
    assert_eq!(rig.poll(), transport::Progress::default());
    rig.stop();
    assert_eq!(rig.backend.take_calls(), []);
}

#[test]
fn a_dead_link_ends_every_wait() {
    let mut rig = Rig::connected();
    rig.issue(&Command::SetStatus(1));
    rig.link.set_dead(true);
    assert_eq!(rig.step(), Step::LinkDead);
    rig.link.set_dead(false);
    assert_eq!(rig.step(), Step::LinkDead);

    let mut rig = Rig::connected();
    rig.link.set_dead(true);
    let (link, now_ms) = (&rig.link, rig.now_ms);
    let rc = rig.rc.as_mut().expect("connected");
    assert_eq!(rc.device_status(&link.rc()), None);
    assert_eq!(
        rc.watch(&link.rc(), time::EP_SILENT_MS, now_ms),
        Health::LinkDead
    );
    assert_eq!(
        rc.issue(&link.rc(), &Command::Reset, now_ms),
        Err(IssueError::Lost)
    );
}

#[test]
fn garbled_answers_are_told_apart() {
    for (status, result, expected) in [
        (0, 0, AnswerError::Garbled),
        (2, 0, AnswerError::Refused(CommandError::Failed)),
        (10, 0, AnswerError::Garbled),
        (u32::MAX, 0, AnswerError::Garbled),
        (1, 0x100, AnswerError::Garbled),
    ] {
        let mut rig = Rig::connected();
        rig.issue(&Command::SetStatus(1));
        rig.step();
        rig.poll();
        rig.link.store(place(offset::command::CMD_STATUS), status);
        rig.link.store(place(offset::command::RESULT), result);
        assert_eq!(rig.step(), Step::Done(Err(expected)));
    }
}

#[test]
fn a_garbled_answer_to_reset_leaves_the_port_out_of_step() {
    let mut rig = Rig::connected();
    rig.issue(&Command::Reset);
    rig.step();
    rig.poll();
    rig.link.store(place(offset::command::CMD_STATUS), 99);
    assert_eq!(rig.step(), Step::Done(Err(AnswerError::Garbled)));
    let next = rig.try_issue(&Command::SetStatus(1));
    assert_eq!(next, Err(IssueError::OutOfStep));
    rig.okay(&Command::Reset);
}

#[test]
fn a_new_driver_resets_what_the_old_one_left() {
    let mut rig = Rig::with_queue(FEATURES);
    rig.okay(&Command::EnableQueue(1));
    // The old driver dies with a command in the block that the EP has not seen.
    rig.issue(&Command::SetStatus(0xf));
    rig.connect();
    assert_eq!(rig.ep.status(), DeviceStatus::RESET);
    rig.okay(&Command::SetStatus(3));
    rig.refused(
        &Command::SetupQueue(setup_request(0, 64)),
        CommandError::BadState,
    );
}
