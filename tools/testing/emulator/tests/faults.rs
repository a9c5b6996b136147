// SPDX-License-Identifier: GPL-2.0
//! Faults on request: each effect on each kind of transaction, and what the control socket says of them.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::bench::{trapped, Bench, DATA};
use common::{Event, Rig, RC_RAM};
use epc_emulator::control::{self, AskError, Request};
use epc_emulator::fabric::{Settings, WindowMode};
use epc_emulator::faults::{Effect, Faults, Progress, Rule, RuleError, Target};
use epc_emulator::link::{BusError, Input, LinkHandle, ReportError};
use epc_emulator::profile::{Profile, DEFAULT};
use epc_emulator::socket::Listener;
use epc_emulator::trace::Trace;
use epc_emulator::vfio_user::message::irq;
use epc_regs::{bar, Opcode, Status};

const EFFECTS: [Effect; 6] = [
    Effect::Lose,
    Effect::Repeat,
    Effect::Delay(Duration::from_millis(1)),
    Effect::Ones,
    Effect::Flip,
    Effect::Refuse,
];

const TARGETS: [Target; 7] = [
    Target::BarRead,
    Target::BarWrite,
    Target::Doorbell,
    Target::WindowRead,
    Target::WindowWrite,
    Target::Map,
    Target::Interrupt,
];

fn bench() -> Bench {
    Bench::new(trapped(DEFAULT), Trace::off())
}

fn rule(on: Target, effect: Effect, skip: u64, count: Option<u64>) -> Rule {
    Rule {
        on,
        effect,
        skip,
        count,
    }
}

fn once(rig: &Rig, on: Target, effect: Effect) {
    let rule = rule(on, effect, 0, Some(1));
    rig.fabric.faults.add(rule).expect("possible");
}

fn read_bar(rig: &Rig) -> Vec<u8> {
    rig.rc().read(0, 0x10, 4).expect("BAR")
}

fn read_window(rig: &Rig) -> Vec<u8> {
    rig.ep.read(bar::WINDOW as u32, DATA.0, 4).expect("window")
}

#[test]
fn loads_are_answered_by_something_else() {
    let Bench { rig, .. } = &bench();
    rig.rc().write(0, 0x10, &[1, 2, 3, 4]).expect("BAR");
    for (on, read) in [
        (Target::BarRead, read_bar as fn(&Rig) -> Vec<u8>),
        (Target::WindowRead, read_window),
    ] {
        let right = read(rig);
        once(rig, on, Effect::Ones);
        assert_eq!(read(rig), [0xff; 4], "{on}");
        once(rig, on, Effect::Flip);
        let flipped: Vec<u8> = right.iter().map(|byte| byte ^ 1).collect();
        assert_eq!(read(rig), flipped, "{on}");
        assert_eq!(read(rig), right, "{on}");
    }
}

#[test]
fn stores_are_lost() {
    let Bench { rig, .. } = &bench();
    once(rig, Target::BarWrite, Effect::Lose);
    rig.rc().write(0, 0x10, &[1, 2, 3, 4]).expect("BAR");
    assert_eq!(read_bar(rig), [0; 4]);
    rig.rc().write(0, 0x10, &[1, 2, 3, 4]).expect("BAR");
    assert_eq!(read_bar(rig), [1, 2, 3, 4]);
    once(rig, Target::WindowWrite, Effect::Lose);
    for expected in [0, 7] {
        rig.ep
            .write(bar::WINDOW as u32, DATA.0, &[7])
            .expect("window");
        assert_eq!(rig.rc_memory(DATA.1, 1), [expected]);
    }
}

#[test]
fn doorbells_are_lost_and_repeated() {
    let Bench { rig, .. } = &bench();
    let doorbell = Event::new();
    rig.ep
        .set_eventfds(irq::MSIX, 1, &[&doorbell])
        .expect("vector");
    let ring = || {
        rig.rc().write(2, 0, &[0; 4]).expect("doorbell");
        doorbell.take()
    };
    assert_eq!(ring(), 1);
    once(rig, Target::Doorbell, Effect::Lose);
    assert_eq!(ring(), 0);
    once(rig, Target::Doorbell, Effect::Repeat);
    assert_eq!((ring(), ring()), (2, 1));
    // A store to memory is none.
    once(rig, Target::BarWrite, Effect::Lose);
    assert_eq!(ring(), 1);
}

#[test]
fn interrupts_are_lost_and_repeated() {
    let Bench { rig, .. } = &bench();
    let vector = Event::new();
    rig.rc()
        .set_eventfds(irq::MSI, 0, &[&vector])
        .expect("vector");
    let raise = || {
        rig.ok(Opcode::RaiseMsi, 0, &[]);
        vector.take()
    };
    let lose = rule(Target::Interrupt, Effect::Lose, 2, Some(2));
    rig.fabric.faults.add(lose).expect("possible");
    once(rig, Target::Interrupt, Effect::Repeat);
    let arrived: Vec<u64> = (0..6).map(|_| raise()).collect();
    assert_eq!(arrived, [1, 1, 0, 0, 2, 1]);
    let list = rig.fabric.faults.list();
    let counts: Vec<_> = list.iter().map(|rule| (rule.seen, rule.struck)).collect();
    assert_eq!(counts, [(4, 2), (1, 1)]);
    rig.fabric.faults.clear();
    assert_eq!((raise(), rig.fabric.faults.any()), (1, false));
}

#[test]
fn windows_are_refused() {
    let Bench { rig, .. } = &bench();
    once(rig, Target::Map, Effect::Refuse);
    let map = || rig.command(Opcode::Map, 0, &[0x1_0000, RC_RAM, 0x1000]);
    assert_eq!(map(), Status::NoWindow);
    assert_eq!(map(), Status::Ok);
}

#[test]
fn a_delay_holds_the_transaction_back() {
    const LATE: Duration = Duration::from_millis(50);
    let Bench { rig, .. } = &bench();
    once(rig, Target::BarRead, Effect::Delay(LATE));
    let start = Instant::now();
    read_bar(rig);
    assert!(start.elapsed() >= LATE);
    assert_eq!(rig.fabric.faults.list()[0].struck, 1);
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let faults = Faults::new(&trapped(DEFAULT));
    let possible = |on| {
        let refusals = EFFECTS.map(|effect| faults.add(rule(on, effect, 0, None)));
        faults.clear();
        refusals.iter().filter(|refusal| refusal.is_ok()).count()
    };
    assert_eq!(TARGETS.map(possible), [3, 2, 3, 3, 2, 2, 3]);
    let delay = |ms| Effect::Delay(Duration::from_millis(ms));
    assert!(faults.add(rule(Target::Map, delay(4000), 0, None)).is_ok());
    let too_long = faults.add(rule(Target::Map, delay(4001), 0, None));
    assert!(matches!(too_long, Err(RuleError::TooLong(_))));
    for _ in 1..64 {
        faults
            .add(rule(Target::Map, Effect::Refuse, 0, None))
            .expect("room");
    }
    let one_more = faults.add(rule(Target::Map, Effect::Refuse, 0, None));
    assert_eq!(one_more, Err(RuleError::TooMany(64)));
}

#[test]
fn what_is_mapped_cannot_go_wrong() {
    let faults = Faults::new(&Settings {
        profile: Profile::load(DEFAULT).expect("profile"),
        window_mode: WindowMode::Mapped,
        trap_bars: false,
    });
    let add = |on, effect| faults.add(rule(on, effect, 0, None));
    assert_eq!(
        add(Target::BarRead, Effect::Ones),
        Err(RuleError::BarsAreMapped)
    );
    assert_eq!(
        add(Target::WindowWrite, Effect::Lose),
        Err(RuleError::WindowIsMapped)
    );
    assert_eq!(add(Target::Doorbell, Effect::Lose), Ok(()));
    assert_eq!(add(Target::Interrupt, Effect::Lose), Ok(()));
}

#[test]
fn effects_are_written_as_they_are_read() {
    for effect in EFFECTS {
        assert_eq!(effect.to_string().parse(), Ok(effect));
    }
    for wrong in [
        "", "delay", "delay=", "delay=-1", "delay=x", "Lose", "lose ",
    ] {
        assert!(wrong.parse::<Effect>().is_err(), "'{wrong}'");
    }
}

#[test]
fn the_control_socket_takes_rules_and_errors() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("control");
    let Bench { rig, .. } = &bench();
    let listener = Listener::bind(&path).expect("socket");
    let (stop, fabric) = (listener.stop_handle(), rig.fabric.clone());
    let (link, inputs) = LinkHandle::new();
    let server = thread::spawn(move || control::run(&fabric, &link, &listener));
    let monitor = thread::spawn(move || {
        for outcome in [Ok(()), Err(ReportError::NoMonitor)] {
            let Ok(Input::Report(error, answer)) = inputs.recv() else {
                panic!("no report");
            };
            assert_eq!(error, BusError::Fatal);
            answer.send(outcome).expect("someone waits");
        }
    });
    let lose = rule(Target::Doorbell, Effect::Lose, 1, Some(3));
    let ask = |request| control::ask::<Vec<Progress>>(&path, request);
    let rules = ask(Request::Fault(lose)).expect("a rule");
    assert_eq!((rules[0].rule, rules[0].struck), (lose, 0));
    assert_eq!(ask(Request::Faults).expect("rules"), rules);
    let wrong = ask(Request::Fault(rule(
        Target::Doorbell,
        Effect::Ones,
        0,
        None,
    )));
    assert!(
        matches!(&wrong, Err(AskError::Refused(why)) if why.contains("lose, repeat, delay")),
        "{wrong:?}"
    );
    assert_eq!(ask(Request::ClearFaults).expect("rules"), []);
    let report = || control::ask::<()>(&path, Request::BusError(BusError::Fatal));
    report().expect("reported");
    assert!(matches!(report(), Err(AskError::Refused(_))));
    monitor.join().expect("monitor");
    stop.stop();
    server.join().expect("server");
}
