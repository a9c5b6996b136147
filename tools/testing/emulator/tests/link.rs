// SPDX-License-Identifier: GPL-2.0
//! The whole emulator on its sockets, with a scripted QMP monitor of the RC.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::client::Client;
use epc_emulator::control::{self, Request};
use epc_emulator::emulator::{Emulator, Endpoints, StartError};
use epc_emulator::fabric::{Settings, WindowMode};
use epc_emulator::link::BusError;
use epc_emulator::profile::{Profile, DEFAULT};
use epc_emulator::socket::ListenError;
use epc_emulator::trace::Trace;
use epc_regs::{reg, LinkState, Opcode};
use serde_json::{json, Value};
use tempfile::TempDir;

/// Time for something that another thread does at once.
const SOON: Duration = Duration::from_secs(10);

fn settings() -> Settings {
    Settings {
        profile: Profile::load(DEFAULT).expect("profile"),
        window_mode: WindowMode::Mapped,
        trap_bars: false,
    }
}

struct Lab {
    emulator: Option<Emulator>,
    dir: TempDir,
}

fn endpoints(dir: &Path) -> Endpoints {
    Endpoints {
        rc: dir.join("rc"),
        ep: dir.join("ep"),
        window: dir.join("window"),
        rc_qmp: dir.join("qmp"),
        rc_bus: "rp1".to_owned(),
        control: Some(dir.join("control")),
    }
}

impl Lab {
    fn new() -> Self {
        let dir = TempDir::new().expect("directory");
        let trace = Trace::to_file(&dir.path().join("trace")).expect("trace");
        let emulator = Emulator::start(&endpoints(dir.path()), settings(), trace).expect("start");
        Self {
            emulator: Some(emulator),
            dir,
        }
    }

    fn connect(&self, name: &str) -> UnixStream {
        UnixStream::connect(self.dir.path().join(name)).expect("connect")
    }

    fn ep(&self) -> Client {
        Client::new(self.connect("ep"))
    }

    fn monitor(&self) -> Monitor {
        let stream = self.connect("qmp");
        stream.set_read_timeout(Some(SOON)).expect("timeout");
        let mut monitor = Monitor {
            lines: BufReader::new(stream),
        };
        monitor.say(&json!({ "QMP": { "version": {}, "capabilities": [] } }));
        let command = monitor.next();
        assert_eq!(command["execute"], "qmp_capabilities");
        monitor.done(&command);
        monitor
    }
}

struct Monitor {
    lines: BufReader<UnixStream>,
}

impl Monitor {
    fn say(&mut self, value: &Value) {
        writeln!(self.lines.get_mut(), "{value}").expect("send");
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("command");
        serde_json::from_str(&line).expect("JSON")
    }

    fn done(&mut self, command: &Value) {
        self.say(&json!({ "return": {}, "id": command["id"] }));
    }

    fn refuse(&mut self, command: &Value) {
        let error = json!({ "class": "GenericError", "desc": "no such bus" });
        self.say(&json!({ "error": error, "id": command["id"] }));
    }

    /// What was added is gone.
    fn deleted(&mut self, add: &Value) {
        let data = json!({ "device": add["arguments"]["id"], "path": "/x" });
        self.say(&json!({ "event": "DEVICE_DELETED", "data": data }));
    }
}

fn command(ep: &Client, opcode: Opcode) {
    command_with(ep, opcode, 0);
}

fn command_with(ep: &Client, opcode: Opcode, immediate: u16) {
    let word = opcode.command(0, immediate);
    ep.write(0, reg::COMMAND, &word.to_le_bytes())
        .expect("command");
}

fn wait_for(ep: &Client, wanted: LinkState) {
    let start = Instant::now();
    while ep.read(0, reg::LINK_STATE, 4).expect("register")[0] != wanted as u8 {
        assert!(start.elapsed() < SOON, "the link is not {wanted:?}");
        std::thread::yield_now();
    }
}

#[test]
fn start_attaches_and_stop_detaches() {
    let lab = Lab::new();
    let ep = lab.ep();
    let mut monitor = lab.monitor();
    command(&ep, Opcode::Start);
    let add = monitor.next();
    assert_eq!(add["execute"], "device_add");
    assert_eq!(add["arguments"]["driver"], "vfio-user-pci");
    assert_eq!(add["arguments"]["bus"], "rp1");
    assert_eq!(add["arguments"]["rombar"], 0);
    let path = add["arguments"]["socket"]["path"]
        .as_str()
        .expect("path")
        .to_owned();
    assert!(Path::new(&path).is_absolute());
    wait_for(&ep, LinkState::Waiting);
    monitor.done(&add);
    wait_for(&ep, LinkState::Up);
    command(&ep, Opcode::Stop);
    let del = monitor.next();
    assert_eq!(del["execute"], "device_del");
    assert_eq!(del["arguments"]["id"], add["arguments"]["id"]);
    monitor.done(&del);
    wait_for(&ep, LinkState::Leaving);
    monitor.deleted(&add);
    wait_for(&ep, LinkState::Down);
    command(&ep, Opcode::Start);
    assert_eq!(monitor.next()["execute"], "device_add", "and again");
}

#[test]
fn the_rc_may_come_after_the_start_and_come_again() {
    let lab = Lab::new();
    let ep = lab.ep();
    command(&ep, Opcode::Start);
    wait_for(&ep, LinkState::Waiting);
    for _ in 0..2 {
        let mut monitor = lab.monitor();
        let add = monitor.next();
        assert_eq!(add["execute"], "device_add");
        monitor.done(&add);
        wait_for(&ep, LinkState::Up);
        drop(monitor);
        wait_for(&ep, LinkState::Waiting);
    }
    command(&ep, Opcode::Stop);
    wait_for(&ep, LinkState::Down);
}

#[test]
fn a_stop_during_the_attachment_is_not_lost() {
    let lab = Lab::new();
    let ep = lab.ep();
    let mut monitor = lab.monitor();
    command(&ep, Opcode::Start);
    let add = monitor.next();
    command(&ep, Opcode::Stop);
    wait_for(&ep, LinkState::Leaving);
    monitor.done(&add);
    assert_eq!(monitor.next()["execute"], "device_del");
    monitor.deleted(&add);
    wait_for(&ep, LinkState::Down);
}

#[test]
fn a_start_behind_that_stop_attaches_anew() {
    let lab = Lab::new();
    let ep = lab.ep();
    let mut monitor = lab.monitor();
    command(&ep, Opcode::Start);
    let add = monitor.next();
    command(&ep, Opcode::Stop);
    command(&ep, Opcode::Start);
    monitor.done(&add);
    assert_eq!(monitor.next()["execute"], "device_del");
    wait_for(&ep, LinkState::Leaving);
    monitor.deleted(&add);
    let add = monitor.next();
    assert_eq!(add["execute"], "device_add");
    monitor.done(&add);
    wait_for(&ep, LinkState::Up);
}

#[test]
fn function_0_is_attached_last_and_takes_the_others_with_it() {
    let lab = Lab::new();
    let ep = lab.ep();
    let mut monitor = lab.monitor();
    command_with(&ep, Opcode::Start, 0b1000_0010);
    let adds = [7, 1, 0].map(|function| {
        let add = monitor.next();
        assert_eq!(add["arguments"]["addr"], format!("0.{function}"));
        assert_eq!(add["arguments"]["multifunction"], true);
        wait_for(&ep, LinkState::Waiting);
        monitor.done(&add);
        add
    });
    let paths: BTreeSet<_> = adds
        .iter()
        .map(|add| add["arguments"]["socket"]["path"].as_str())
        .collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    wait_for(&ep, LinkState::Up);
    command(&ep, Opcode::Stop);
    let del = monitor.next();
    assert_eq!(del["arguments"]["id"], adds[2]["arguments"]["id"]);
    monitor.done(&del);
    monitor.deleted(&adds[2]);
    monitor.deleted(&adds[0]);
    wait_for(&ep, LinkState::Leaving);
    monitor.deleted(&adds[1]);
    wait_for(&ep, LinkState::Down);
}

#[test]
fn a_refused_function_takes_back_those_before_it() {
    let lab = Lab::new();
    let ep = lab.ep();
    let mut monitor = lab.monitor();
    command_with(&ep, Opcode::Start, 0b10);
    let first = monitor.next();
    monitor.done(&first);
    let second = monitor.next();
    monitor.refuse(&second);
    let del = monitor.next();
    assert_eq!(del["execute"], "device_del");
    assert_eq!(del["arguments"]["id"], first["arguments"]["id"]);
    command_with(&ep, Opcode::Start, 0);
    monitor.deleted(&first);
    let alone = monitor.next();
    assert_eq!(alone["execute"], "device_add");
    assert!(alone["arguments"]["addr"].is_null());
    monitor.done(&alone);
    wait_for(&ep, LinkState::Up);
}

#[test]
fn a_refused_attachment_waits_for_a_new_start() {
    let lab = Lab::new();
    let ep = lab.ep();
    let mut monitor = lab.monitor();
    command(&ep, Opcode::Start);
    let add = monitor.next();
    monitor.refuse(&add);
    command(&ep, Opcode::Stop);
    wait_for(&ep, LinkState::Down);
    command(&ep, Opcode::Start);
    assert_eq!(monitor.next()["execute"], "device_add");
}

#[test]
fn the_ep_going_detaches_the_function() {
    let lab = Lab::new();
    let ep = lab.ep();
    let mut monitor = lab.monitor();
    command(&ep, Opcode::Start);
    let add = monitor.next();
    monitor.done(&add);
    wait_for(&ep, LinkState::Up);
    drop(ep);
    assert_eq!(monitor.next()["execute"], "device_del");
}

#[test]
fn errors_are_reported_by_the_monitor() {
    let lab = Lab::new();
    let path = lab.dir.path().join("control");
    let report = |error| control::ask::<()>(&path, Request::BusError(error));
    let is_alone = |outcome: &control::AskError| outcome.to_string().contains("start that machine");
    let refused = report(BusError::Fatal).expect_err("there is no monitor");
    assert!(is_alone(&refused), "{refused}");
    let mut monitor = lab.monitor();
    // The link hears of a monitor a moment after its greeting.
    let report = |error| {
        let start = Instant::now();
        loop {
            match report(error) {
                Err(refused) if is_alone(&refused) && start.elapsed() < SOON => thread::yield_now(),
                outcome => return outcome,
            }
        }
    };
    for (error, name, answer, is_done) in [
        (BusError::Corrected, "RCVR", "OK id: rp1\r\n", true),
        (BusError::NonFatal, "COMP_TIME", "OK id: rp1\r\n", true),
        (BusError::Fatal, "DLP", "Device 'rp1' not found\r\n", false),
    ] {
        thread::scope(|scope| {
            let asked = scope.spawn(|| report(error));
            let command = monitor.next();
            assert_eq!(command["execute"], "human-monitor-command");
            let line = format!("pcie_aer_inject_error rp1 {name}");
            assert_eq!(command["arguments"]["command-line"], line);
            monitor.say(&json!({ "return": answer, "id": command["id"] }));
            let outcome = asked.join().expect("asked");
            assert_eq!(outcome.is_ok(), is_done, "{outcome:?}");
        });
    }
}

#[test]
fn a_monitor_that_talks_nonsense_is_sent_away() {
    let lab = Lab::new();
    for nonsense in ["hello\n", "{}\n", "\n"] {
        let mut stream = lab.connect("qmp");
        stream.set_read_timeout(Some(SOON)).expect("timeout");
        stream.write_all(nonsense.as_bytes()).expect("send");
        let mut answer = String::new();
        let count = BufReader::new(stream).read_line(&mut answer).unwrap_or(0);
        assert_eq!((count, answer.as_str()), (0, ""));
    }
    lab.monitor();
}

#[test]
fn sockets_are_removed_at_the_end() {
    let mut lab = Lab::new();
    let ep = lab.ep();
    let _monitor = lab.monitor();
    ep.version().expect("version");
    lab.emulator = None;
    for name in ["rc", "ep", "window", "qmp"] {
        assert!(!lab.dir.path().join(name).exists(), "{name} is left");
    }
    assert!(ep.is_closed());
}

#[test]
fn stale_sockets_are_replaced_and_others_are_not() {
    let dir = TempDir::new().expect("directory");
    let endpoints = endpoints(dir.path());
    drop(std::os::unix::net::UnixListener::bind(&endpoints.rc).expect("stale"));
    let first = Emulator::start(&endpoints, settings(), Trace::off()).expect("start");
    let second = Emulator::start(&endpoints, settings(), Trace::off());
    assert!(matches!(
        second,
        Err(StartError::Listen(ListenError::InUse(_)))
    ));
    assert!(endpoints.rc.exists(), "the first one's socket");
    drop(first);
    std::fs::write(&endpoints.rc, "precious").expect("file");
    let third = Emulator::start(&endpoints, settings(), Trace::off());
    assert!(matches!(
        third,
        Err(StartError::Listen(ListenError::NotSocket(_)))
    ));
    assert!(endpoints.rc.exists());
}

#[test]
fn the_trace_has_one_line_per_transaction() {
    let mut lab = Lab::new();
    let ep = lab.ep();
    command(&ep, Opcode::Start);
    wait_for(&ep, LinkState::Waiting);
    lab.emulator = None;
    let trace = std::fs::read_to_string(lab.dir.path().join("trace")).expect("trace");
    let lines: Vec<_> = trace
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|line| line.1)
        .collect();
    assert!(lines.contains(&"link waiting"), "{lines:?}");
    assert!(
        lines.contains(&"command Start immediate=0x0 args=[0, 0, 0, 0] status=Ok"),
        "{lines:?}"
    );
}
