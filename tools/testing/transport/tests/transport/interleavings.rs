// SPDX-License-Identifier: GPL-2.0

//! Every place at which posted writes can arrive between the accesses of the EP.

use crate::model::{setup_request, Call, Rig, EPOCH, FEATURES};
use transport::{time, Command, ConfigData, QueueRequest, Reply, RootComplexPort, Step};

/// More accesses than the EP makes in one look at a command of any kind.
const ACCESSES: usize = 90;

/// Two commands with arguments that no third one can be mixed from.
fn two_setups() -> (QueueRequest, QueueRequest) {
    let first = setup_request(0, 64);
    let second = QueueRequest {
        queue: 1,
        size: 128,
        vector: 2,
        desc_area: 0xaaaa_bbbb_cccc_0000,
        driver_area: 0xaaaa_bbbb_dddd_0000,
        device_area: 0xaaaa_bbbb_eeee_0000,
    };
    (first, second)
}

/// The EP looks while a command arrives: nothing is executed before all of it is there.
#[test]
fn a_command_that_arrives_slowly_is_whole() {
    let (request, _) = two_setups();
    for access in 1..=ACCESSES {
        for count in 0..=12 {
            let mut rig = Rig::negotiated(FEATURES);
            rig.link.set_slow(true);
            rig.issue(&Command::SetupQueue(request));
            rig.link.deliver_before(access, count);
            rig.poll();
            rig.link.deliver(usize::MAX);
            rig.poll();
            rig.poll();
            assert_eq!(setups(&mut rig), [request], "{access} {count}");
            assert_eq!(rig.step(), Step::Done(Ok(Reply::Done)));
        }
    }
}

/// A command that the RC no longer waits for is followed by another one. Whatever arrives when, the
/// EP executes the first one whole or not at all, and the second one once.
#[test]
fn arguments_of_two_commands_are_never_mixed() {
    let (first, second) = two_setups();
    let mut outcomes = [0, 0];
    for access in 1..=ACCESSES {
        for count in 0..=12 {
            let mut rig = Rig::negotiated(FEATURES);
            rig.issue(&Command::SetupQueue(first));
            assert_eq!(rig.step(), Step::Pending);
            rig.link.set_slow(true);
            supersede(&mut rig, &Command::SetupQueue(second));
            rig.link.deliver_before(access, count);
            rig.poll();
            rig.link.deliver(usize::MAX);
            rig.poll();
            rig.poll();
            let setups = setups(&mut rig);
            match setups.len() {
                1 => assert_eq!(setups, [second], "{access} {count}"),
                _ => assert_eq!(setups, [first, second], "{access} {count}"),
            }
            outcomes[setups.len() - 1] += 1;
        }
    }
    // Both outcomes are reached, so the test can fail either way.
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

/// Issues `command` although another one is outstanding (R2 to R4), which a port does for `RESET`
/// only.
fn supersede(rig: &mut Rig, command: &Command) {
    use transport::{offset, Offset, Registers};
    let rc = rig.link.rc();
    let word = |offset: Offset| Offset::new(0x100 + offset.bytes());
    let sequence = (rc.read32(word(offset::command::CMD)) >> 8) + 1;
    let frame = command.encode();
    rc.write32(word(offset::command::CMD), 0);
    for (n, argument) in (0..9).zip(frame.arguments) {
        rc.write32(word(offset::command::ARGUMENT).word(n), argument);
    }
    rc.write32(
        word(offset::command::CMD),
        (sequence << 8) | frame.opcode as u32,
    );
}

/// After a time-out only `RESET` follows, and it is answered as itself wherever its writes arrive.
#[test]
fn a_reset_after_a_time_out_is_answered_as_itself() {
    let (request, _) = two_setups();
    for access in 1..=ACCESSES {
        for count in 0..=3 {
            let mut rig = Rig::negotiated(FEATURES);
            rig.issue(&Command::SetupQueue(request));
            assert_eq!(rig.step(), Step::Pending);
            rig.now_ms += time::COMMAND_MS;
            assert_eq!(rig.step(), Step::TimedOut);
            rig.link.set_slow(true);
            rig.issue(&Command::Reset);
            rig.link.deliver_before(access, count);
            rig.poll();
            let is_reset = rig.backend.calls.contains(&Call::Reset);
            let is_answered = rig.step() == Step::Done(Ok(Reply::Done));
            assert_eq!(is_reset, is_answered, "{access} {count}");
            rig.link.deliver(usize::MAX);
            rig.poll();
            rig.poll();
            let resets = rig
                .backend
                .calls
                .iter()
                .filter(|call| **call == Call::Reset);
            assert_eq!(resets.count(), 1, "{access} {count}");
            rig.link.set_slow(false);
            if !is_answered {
                assert_eq!(rig.step(), Step::Done(Ok(Reply::Done)));
            }
            rig.okay(&Command::SetStatus(1));
        }
    }
}

/// A command of the old session lies in the block of the new one when the RC begins to reset it.
#[test]
fn a_stale_command_does_not_get_the_new_epoch() {
    for count in 0..=3 {
        let mut rig = Rig::connected();
        rig.link.set_slow(true);
        rig.issue(&Command::SetStatus(1));
        rig.stop();
        rig.start(EPOCH + 1);
        rig.link.deliver(usize::MAX);
        let identity = rig.identify().expect("a legal identity");
        let port = RootComplexPort::new(identity, &rig.link.rc(), rig.now_ms);
        rig.rc = Some(port);
        rig.issue(&Command::Reset);
        rig.link.deliver(count);
        rig.poll();
        rig.link.deliver(usize::MAX);
        rig.poll();
        assert_eq!(rig.step(), Step::Done(Ok(Reply::Done)));
        let is_executed = |call: &Call| matches!(call, Call::StatusChanged(_));
        assert!(!rig.backend.calls.iter().any(is_executed), "{count}");
    }
}

/// The RC looks for the answer between any two accesses of the EP: it sees all of it, or none.
#[test]
fn an_answer_is_whole() {
    let data = ConfigData::new(&[1; 32]).expect("a legal length");
    for command in [
        Command::GetQueueState(1),
        Command::WriteConfig { offset: 0, data },
    ] {
        let mut rig = Rig::with_queue(FEATURES);
        rig.backend.state.available = 0x8011;
        rig.backend.state.used = 0x8010;
        rig.issue(&command);
        assert_eq!(rig.step(), Step::Pending);
        rig.link.record_ep_writes();
        rig.poll();
        let answer = rig.step();
        assert!(matches!(answer, Step::Done(Ok(_))));
        // The same command again, the EP's writes one by one.
        let writes = rig.link.take_ep_writes();
        let mut rig = Rig::with_queue(FEATURES);
        rig.issue(&command);
        let mut steps = vec![rig.step()];
        for (offset, value) in writes {
            rig.link.store(offset, value);
            steps.push(rig.step());
            if matches!(steps.last(), Some(Step::Done(_))) {
                break;
            }
        }
        assert_eq!(steps.pop(), Some(answer));
        assert!(steps.iter().all(|step| *step == Step::Pending));
    }
}

fn setups(rig: &mut Rig) -> Vec<QueueRequest> {
    let calls = rig.backend.take_calls();
    let setups = calls.into_iter().filter_map(|call| match call {
        Call::SetupQueue(setup) => Some(QueueRequest {
            queue: setup.queue().get().into(),
            size: setup.size().get().into(),
            vector: setup.vector().map_or(transport::NO_VECTOR, u32::from),
            desc_area: setup.desc_area(),
            driver_area: setup.driver_area(),
            device_area: setup.device_area(),
        }),
        _ => None,
    });
    setups.collect()
}
