// SPDX-License-Identifier: GPL-2.0
//! What people and programs get of a running emulator: the control socket, and a trace for Perfetto.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use common::bench::{trapped, Bench};
use epc_emulator::control::{self, Request};
use epc_emulator::link::LinkHandle;
use epc_emulator::profile::DEFAULT;
use epc_emulator::socket::Listener;
use epc_emulator::trace::{perfetto, Trace};
use epc_emulator::traffic::Report;
use serde_json::Value;

#[test]
fn the_socket_answers_and_says_what_it_expects() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("control");
    let missing = control::ask::<Report>(&path, Request::Counters).expect_err("nobody listens");
    assert!(missing.to_string().contains("--control"), "{missing}");
    let bench = Bench::new(trapped(DEFAULT), Trace::off());
    let listener = Listener::bind(&path).expect("socket");
    let (stop, fabric) = (listener.stop_handle(), bench.rig.fabric.clone());
    let (link, _inputs) = LinkHandle::new();
    let server = thread::spawn(move || control::run(&fabric, &link, &listener));
    bench.rig.rc().read(0, 0, 4).expect("BAR");
    let ask = |request| control::ask::<Report>(&path, request).expect("answer");
    let report = ask(Request::Counters);
    assert_eq!(report, bench.rig.fabric.traffic());
    assert_eq!(ask(Request::TakeCounters), report);
    assert_eq!(ask(Request::Counters).counts, []);
    let stream = UnixStream::connect(&path).expect("connection");
    let mut answers = BufReader::new(&stream).lines();
    for (question, answer) in [
        (
            "{\"execute\": \"nonsense\"}\n",
            "unknown variant `nonsense`",
        ),
        ("counters\n", "expected"),
        ("\n", "expected"),
        ("{\"execute\": \"counters\"}\n", "\"return\""),
    ] {
        (&stream).write_all(question.as_bytes()).expect("question");
        let line = answers.next().expect("answer").expect("text");
        assert!(line.contains(answer), "{line}");
    }
    stop.stop();
    server.join().expect("server");
}

#[test]
fn perfetto_gets_one_event_per_line() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("trace");
    let bench = Bench::new(trapped(DEFAULT), Trace::to_file(&path).expect("trace"));
    bench.rig.rc().write(2, 0, &[7, 0, 0, 0]).expect("doorbell");
    let text = fs::read_to_string(&path).expect("trace");
    let mut json = Vec::new();
    let count = perfetto::convert(text.as_bytes(), &mut json).expect("converted");
    assert_eq!(count, text.lines().count());
    let file: Value = serde_json::from_slice(&json).expect("JSON");
    let events = file["traceEvents"].as_array().expect("events");
    let instants: Vec<_> = events.iter().filter(|event| event["ph"] == "i").collect();
    assert_eq!(instants.len(), count);
    let rings = instants
        .iter()
        .find(|event| event["args"]["bar"] == "2")
        .expect("doorbell");
    assert_eq!(
        (&rings["name"], &rings["pid"]),
        (&"bar write".into(), &1.into())
    );
    assert_eq!(rings["args"]["value"], "0x7");
    let map = instants
        .iter()
        .find(|event| event["name"] == "command Map")
        .expect("command");
    assert_eq!(map["args"]["args"], "[3000,100000,2000,0]");
    assert_eq!(
        (&map["args"]["status"], &map["pid"]),
        (&"Busy".into(), &2.into())
    );
    let wrong = perfetto::convert("0.5 link up\nnonsense\n".as_bytes(), &mut Vec::new());
    assert!(wrong
        .expect_err("no trace")
        .to_string()
        .starts_with("line 2 "));
}
