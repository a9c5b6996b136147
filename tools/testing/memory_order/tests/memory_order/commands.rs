// SPDX-License-Identifier: GPL-2.0
//! A command and an answer are seen whole, or not at all (R2 to R6, E1 to E8).

use loom::thread;
use memory_order::{holds, words::Side, Missing};
use transport::{offset, Command, EndpointPort, Offset, Registers, Reply, Step};

use crate::ends::{Device, Ends, EPOCH, STATE};

/// Two arguments that no third one can be mixed from.
const FIRST: u64 = 0x1111_1111_1111_1111;
const SECOND: u64 = 0x2222_2222_2222_2222;

/// Where the EP put the command block.
fn place(word: Offset) -> Offset {
    Offset::new(0x100 + word.bytes())
}

/// Looks twice, and returns whether every command was executed with one of the arguments.
fn serves_whole(ep: &mut EndpointPort, bar: &Side) -> bool {
    (0..2).all(|_| {
        let answered = ep.poll(bar, &mut Device, 0).answered;
        let is_good = answered.is_none_or(|(_, result)| result.is_ok());
        is_good && [0, FIRST, SECOND].contains(&ep.driver_features())
    })
}

/// The EP looks while a command is issued.
fn serve_while_issued(rc_missing: Missing, ep_missing: Missing) -> bool {
    let Ends {
        bar,
        mut ep,
        mut rc,
        ..
    } = Ends::connected();
    let bar = bar.share();
    let rc_side = bar.without(rc_missing);
    let other = thread::spawn(move || {
        let issued = rc.issue(&rc_side, &Command::SetFeatures(FIRST), 0);
        issued.expect("in step");
    });
    let is_whole = serves_whole(&mut ep, &bar.without(ep_missing));
    other.join().expect("the RC");
    is_whole
}

#[test]
fn a_command_is_whole() {
    assert!(holds(|| serve_while_issued(
        Missing::Nothing,
        Missing::Nothing
    )));
}

#[test]
fn a_command_needs_the_barriers_of_both() {
    assert!(!holds(|| serve_while_issued(
        Missing::Write,
        Missing::Nothing
    )));
    assert!(!holds(|| serve_while_issued(
        Missing::Nothing,
        Missing::Read
    )));
}

/// The EP looks while a command that it has not seen gives way to another one. A port does this with
/// `RESET` alone, which has no arguments; hence by hand.
fn serve_while_superseded(rc_missing: Missing, ep_missing: Missing) -> bool {
    let mut ends = Ends::connected();
    ends.issue(&Command::SetFeatures(FIRST));
    let old = ends.bar.read32(place(offset::command::CMD));
    let bar = ends.bar.share();
    let rc = bar.without(rc_missing);
    let other = thread::spawn(move || supersede(&rc, old + 0x100));
    let is_whole = serves_whole(&mut ends.ep, &bar.without(ep_missing));
    other.join().expect("the RC");
    is_whole
}

/// Does R2 to R4 for `SetFeatures(SECOND)`.
fn supersede(rc: &Side, word: u32) {
    rc.write32(place(offset::command::CMD), word & !0xff);
    rc.write_barrier();
    rc.write32(place(offset::command::CMD_EPOCH), EPOCH);
    for n in 0..2 {
        let argument = place(offset::command::ARGUMENT).word(n);
        rc.write32(argument, SECOND as u32);
    }
    rc.write_barrier();
    rc.write32(place(offset::command::CMD), word);
}

#[test]
fn arguments_are_never_mixed() {
    assert!(holds(|| serve_while_superseded(
        Missing::Nothing,
        Missing::Nothing
    )));
}

#[test]
fn arguments_are_mixed_without_a_barrier() {
    assert!(!holds(|| serve_while_superseded(
        Missing::Write,
        Missing::Nothing
    )));
    assert!(!holds(|| serve_while_superseded(
        Missing::Nothing,
        Missing::Read
    )));
}

/// The RC looks while the EP answers.
fn look_while_answered(rc_missing: Missing, ep_missing: Missing) -> bool {
    let mut ends = Ends::with_queue();
    ends.issue(&Command::GetQueueState(0));
    let bar = ends.bar.share();
    let ep_side = bar.without(ep_missing);
    let mut ep = ends.ep;
    let other = thread::spawn(move || {
        ep.poll(&ep_side, &mut Device, 0);
    });
    let step = ends.rc.step(&bar.without(rc_missing), 0);
    other.join().expect("the EP");
    let done = Step::Done(Ok(Reply::QueueState(STATE)));
    [Step::Pending, done].contains(&step)
}

#[test]
fn an_answer_is_whole() {
    assert!(holds(|| look_while_answered(
        Missing::Nothing,
        Missing::Nothing
    )));
}

#[test]
fn an_answer_needs_the_barriers_of_both() {
    assert!(!holds(|| look_while_answered(
        Missing::Read,
        Missing::Nothing
    )));
    assert!(!holds(|| look_while_answered(
        Missing::Nothing,
        Missing::Write
    )));
}
