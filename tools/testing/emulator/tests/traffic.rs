// SPDX-License-Identifier: GPL-2.0
//! Counters and the trace, against a script whose every access is known.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use common::bench::{trapped, Bench, BUS_MASTER, DATA, RING};
use common::dma::{entry, READ, WRITE};
use common::{Rig, EP_RAM, RC_RAM};
use epc_emulator::fabric::WindowMode;
use epc_emulator::profile::DEFAULT;
use epc_emulator::trace::Trace;
use epc_emulator::traffic::{Cost, Count, Initiator, Kind, Line, Rates, Report, Sight, MAX_PLACES};
use epc_regs::{bar, Backing, Opcode, Status};

/// Rounds of the script; each has every kind of access at least once.
const ROUNDS: u64 = 200;

const MSIX_CONTROL: u64 = 0x92;
const INTERRUPT_LINE: u64 = 0x3c;
const WINDOW: u32 = bar::WINDOW as u32;

/// Carries accesses out, and notes what each is.
struct Script {
    bench: Bench,
    lines: Vec<String>,
    sums: BTreeMap<(Initiator, Kind, String), (u64, u64)>,
}

impl Script {
    fn expect(&mut self, by: Initiator, kind: Kind, place: &str, bytes: u64, line: String) {
        let sum = self.sums.entry((by, kind, place.to_owned())).or_default();
        *sum = (sum.0 + 1, sum.1 + bytes);
        self.lines.push(line);
    }

    /// A round with accesses of one size, which carry a number that fits in it.
    fn round(&mut self, size: u64, value: u64) {
        let data = &value.to_le_bytes()[..size as usize];
        self.configuration(value as u8);
        self.bars(data, value);
        self.window(data, value);
        self.engine(size, value);
        self.interrupts();
    }

    fn configuration(&mut self, value: u8) {
        let rc = self.bench.rig.rc();
        rc.config_write(INTERRUPT_LINE, &[value]);
        assert_eq!(rc.config(INTERRUPT_LINE, 1), [value]);
        let line = |access| format!("config {access} offset=0x3c size=1 value={value:#x}");
        self.expect(Initiator::Rc, Kind::ConfigWrite, "config", 1, line("write"));
        self.expect(Initiator::Rc, Kind::ConfigRead, "config", 1, line("read"));
    }

    fn bars(&mut self, data: &[u8], value: u64) {
        let size = data.len() as u64;
        let rc = self.bench.rig.rc();
        rc.write(0, 0x1008, data).expect("BAR");
        assert_eq!(rc.read(0, 0x1008, size as u32).expect("BAR"), data);
        rc.read(0, 0xff8, size as u32).expect("BAR");
        rc.write(2, 0, data).expect("doorbell");
        let text = |access, offset: u64, value: u64| {
            format!("bar {access} bar=0 offset={offset:#x} size={size} value={value:#x}")
        };
        let rings = format!("bar write bar=2 offset=0x0 size={size} value={value:#x}");
        let (write, read) = (text("write", 0x1008, value), text("read", 0x1008, value));
        self.expect(Initiator::Rc, Kind::Write, "bar0+0x1000", size, write);
        self.expect(Initiator::Rc, Kind::Read, "bar0+0x1000", size, read);
        let other_page = text("read", 0xff8, 0);
        self.expect(Initiator::Rc, Kind::Read, "bar0+0x0", size, other_page);
        self.expect(Initiator::Rc, Kind::Doorbell, "bar2+0x0", size, rings);
    }

    fn window(&mut self, data: &[u8], value: u64) {
        let size = data.len() as u64;
        let ep = &self.bench.rig.ep;
        ep.write(WINDOW, DATA.0 + 0x1010, data).expect("window");
        let back = ep.read(WINDOW, DATA.0 + 0x1010, size as u32);
        assert_eq!(back.expect("window"), data);
        ep.read(WINDOW, RING.0, size as u32).expect("window");
        let nothing = ep.read(WINDOW, 0x6000, size as u32).expect("window");
        assert!(nothing.iter().all(|byte| *byte == 0xff));
        let pci = DATA.1 + 0x1010;
        let text = |access| {
            format!("window {access} offset=0x9010 pci={pci:#x} size={size} value={value:#x}")
        };
        let ring = format!("window read offset=0x3000 pci={RC_RAM:#x} size={size} value=0x0");
        let ones = u64::MAX >> (64 - 8 * size);
        let unmapped = format!("window read offset=0x6000 unmapped size={size} value={ones:#x}");
        self.expect(
            Initiator::Ep,
            Kind::Write,
            "window+0x8000",
            size,
            text("write"),
        );
        self.expect(
            Initiator::Ep,
            Kind::Read,
            "window+0x8000",
            size,
            text("read"),
        );
        self.expect(Initiator::Ep, Kind::Read, "window+0x3000", size, ring);
        self.expect(Initiator::Ep, Kind::Read, "unmapped", size, unmapped);
    }

    fn engine(&mut self, size: u64, value: u64) {
        let (pci, ep, bytes) = (DATA.1, EP_RAM + 0x10_000, 512 * size + value % 2);
        let rig = &self.bench.rig;
        let read = rig.dma(READ, &[entry(pci, ep, bytes as u32)]);
        let write = rig.dma(WRITE, &[entry(ep, pci, bytes as u32)]);
        assert_eq!((read, write), (Status::Ok, Status::Ok));
        let text = |access, channel| {
            format!("dma {access} channel={channel} entries=1 size={bytes:#x} status=Ok")
        };
        self.expect(
            Initiator::Ep,
            Kind::DmaRead,
            "memory",
            bytes,
            text("read", READ),
        );
        self.expect(
            Initiator::Ep,
            Kind::DmaWrite,
            "memory",
            bytes,
            text("write", WRITE),
        );
    }

    fn interrupts(&mut self) {
        let rig = &self.bench.rig;
        rig.ok(Opcode::RaiseMsi, 0, &[]);
        rig.ok(Opcode::SetIntx, 1, &[]);
        rig.ok(Opcode::SetIntx, 0, &[]);
        let line = |kind: &str, outcome: &str| format!("irq kind={kind} vector=0 {outcome}");
        self.expect(
            Initiator::Ep,
            Kind::Message,
            "vector 0",
            4,
            line("msi", "sent"),
        );
        self.expect(
            Initiator::Ep,
            Kind::Intx,
            "vector 0",
            0,
            line("intx", "asserted"),
        );
        self.expect(
            Initiator::Ep,
            Kind::Intx,
            "vector 0",
            0,
            line("intx", "deasserted"),
        );
    }
}

/// Lines of a trace that cross the link, without their times.
fn crossings(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("trace");
    let lines = text
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1));
    let crosses = |line: &&str| {
        let first = line.split(' ').next().unwrap_or_default();
        ["config", "bar", "window", "dma", "irq"].contains(&first)
    };
    lines.filter(crosses).map(str::to_owned).collect()
}

#[test]
fn counters_and_trace_are_what_the_script_did() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("trace");
    let bench = Bench::new(trapped(DEFAULT), Trace::to_file(&path).expect("trace"));
    let before = crossings(&path).len();
    let (lines, sums) = (Vec::new(), BTreeMap::new());
    let mut script = Script { bench, lines, sums };
    for round in 0..ROUNDS {
        script.round([1, 2, 4, 8][round as usize % 4], round);
    }
    assert_eq!(crossings(&path)[before..], script.lines);
    let counted: BTreeMap<_, _> = script
        .bench
        .rig
        .fabric
        .traffic()
        .counts
        .into_iter()
        .map(sum)
        .collect();
    assert_eq!(counted, script.sums);
    let sizes = |kind, place: &str| {
        let mut counts = script.bench.rig.fabric.traffic().counts.into_iter();
        let line = counts.find(|line| line.kind == kind && line.place == place);
        line.expect("counted").count
    };
    // 50 rounds of each size: 50 * (1 + 2 + 4 + 8) bytes.
    let quarters = [50, 50, 50, 50, 0];
    let each = Count {
        operations: 200,
        bytes: 750,
        words: 200,
        lines: 200,
        sizes: quarters,
    };
    assert_eq!(sizes(Kind::Read, "bar0+0x1000"), each);
    assert_eq!(sizes(Kind::Write, "window+0x8000"), each);
    assert_eq!(sizes(Kind::Doorbell, "bar2+0x0"), each);
    assert_eq!(sizes(Kind::DmaRead, "memory").sizes, [0, 0, 0, 0, 200]);
}

fn sum(line: Line) -> ((Initiator, Kind, String), (u64, u64)) {
    let Line {
        initiator,
        kind,
        place,
        count,
    } = line;
    ((initiator, kind, place), (count.operations, count.bytes))
}

/// Transactions that the stores so far are where the processor combines them.
fn lines(bench: &Bench) -> u64 {
    let lines = bench.rig.fabric.take_traffic().counts.into_iter();
    lines
        .filter(|line| line.kind == Kind::Write)
        .map(|line| line.count.lines)
        .sum()
}

#[test]
fn stores_to_a_line_are_combined() {
    let bench = Bench::new(trapped(DEFAULT), Trace::off());
    let store = |offset: u64| {
        let reply = bench.rig.rc().write(0, 0x1000 + offset, &[0; 8]);
        reply.expect("BAR");
    };
    (0..64).step_by(8).for_each(store);
    assert_eq!(lines(&bench), 1);
    store(64);
    // In any order, while no more lines are open than a processor holds.
    [0, 72, 8, 192, 128, 56].map(store);
    assert_eq!(lines(&bench), 1 + 2);
    // The oldest one left for the fifth.
    [256, 64, 0].map(store);
    assert_eq!(lines(&bench), 1 + 1);
}

#[test]
fn what_is_not_combined_sends_open_lines() {
    let bench = Bench::new(trapped(DEFAULT), Trace::off());
    let rc = bench.rig.rc();
    let store = || {
        rc.write(0, 0x1000, &[0; 8]).expect("BAR");
    };
    store();
    rc.read(0, 0x1000, 4).expect("BAR");
    store();
    rc.config_u32(0);
    store();
    store();
    assert_eq!(lines(&bench), 3);
}

#[test]
fn taken_counters_start_at_zero() {
    let bench = Bench::new(trapped(DEFAULT), Trace::off());
    bench.rig.rc().read(0, 0, 4).expect("BAR");
    assert_eq!(bench.rig.fabric.traffic().counts.len(), 1);
    assert_eq!(bench.rig.fabric.take_traffic().counts.len(), 1);
    assert_eq!(bench.rig.fabric.traffic().counts, []);
}

#[test]
fn what_stays_pending_does_not_cross() {
    let mut rig = Rig::traced(trapped(DEFAULT), Trace::off());
    rig.define();
    rig.attach();
    rig.set_command(BUS_MASTER);
    rig.rc().config_write(MSIX_CONTROL, &[7, 0x80]);
    rig.fabric.take_traffic();
    rig.ok(Opcode::RaiseMsix, 2, &[]);
    assert_eq!(rig.fabric.traffic().counts, []);
    let unmask = 0x2000 + 16 * 2 + 12;
    rig.rc().write(0, unmask, &[0; 4]).expect("table");
    let kinds: Vec<_> = rig
        .fabric
        .traffic()
        .counts
        .iter()
        .map(|line| line.kind)
        .collect();
    assert_eq!(kinds, [Kind::Write, Kind::Message]);
}

#[test]
fn places_are_told_apart_up_to_a_bound() {
    let mut rig = Rig::traced(trapped(DEFAULT), Trace::off());
    rig.header();
    let pages = MAX_PLACES as u64 + 3;
    let size = (pages * 0x1000).next_power_of_two();
    rig.ok(Opcode::SetBar, 0, &[size, 0, Backing::None as u64, 0]);
    rig.attach();
    rig.fabric.take_traffic();
    for page in 0..pages {
        rig.rc().read(0, page * 0x1000, 4).expect("BAR");
    }
    let counts = rig.fabric.traffic().counts;
    assert_eq!(counts.len(), MAX_PLACES + 1);
    let elsewhere = counts.last().expect("line");
    assert_eq!(
        (elsewhere.place.as_str(), elsewhere.count.operations),
        ("elsewhere", 3)
    );
}

#[test]
fn report_says_what_is_not_seen() {
    let rig = Rig::new(WindowMode::Mapped, false);
    let report = rig.fabric.traffic();
    assert_eq!((report.sees.bars, report.sees.window), (false, false));
    let text = report.to_string();
    assert!(
        text.contains("not counted: accesses to mapped memory of BARs"),
        "{text}"
    );
    assert!(
        text.contains("not counted: accesses to mapped memory of the window"),
        "{text}"
    );
    let seen = Rig::traced(trapped(DEFAULT), Trace::off());
    assert!(!seen.fabric.traffic().to_string().contains("not counted"));
}

#[test]
fn costs_are_charged_to_who_waits() {
    let mut settings = trapped(DEFAULT);
    settings.profile.cost = Some(Cost {
        read: 1000.0,
        write: 10.0,
        message: 100.0,
        dma: 5000.0,
        dma_read_byte: 2.0,
        dma_write_byte: 1.0,
    });
    let bench = Bench::new(settings, Trace::off());
    let (rc, ep) = (bench.rig.rc(), &bench.rig.ep);
    rc.read(0, 0, 8).expect("BAR");
    rc.read(0, 0, 64).expect("BAR");
    rc.write(2, 0, &[0; 4]).expect("doorbell");
    ep.write(WINDOW, RING.0, &[0; 1]).expect("window");
    bench.rig.ok(Opcode::RaiseMsi, 0, &[]);
    let write = bench.rig.dma(WRITE, &[entry(EP_RAM, RC_RAM, 100)]);
    assert_eq!(write, Status::Ok);
    let predicted = bench.rig.fabric.traffic().predicted.expect("costs");
    assert_eq!(
        (predicted.rc, predicted.ep),
        (9010.0, 10.0 + 100.0 + 5100.0)
    );
    assert!(Rig::board("rk3588").fabric.traffic().predicted.is_some());
    assert!(Rig::board("imx95").fabric.traffic().predicted.is_none());
}

#[test]
fn rates_are_what_came_in_between() {
    let look = |counts: &[(Initiator, Kind, u64, u64)]| {
        let line = |&(initiator, kind, operations, bytes): &_| Line {
            initiator,
            kind,
            place: format!("{operations}"),
            count: Count {
                operations,
                bytes,
                ..Count::default()
            },
        };
        Report {
            sees: Sight {
                bars: true,
                window: true,
            },
            counts: counts.iter().map(line).collect(),
            predicted: None,
        }
    };
    let before = look(&[
        (Initiator::Rc, Kind::Doorbell, 10, 40),
        (Initiator::Ep, Kind::Read, 900, 7200),
    ]);
    let after = look(&[
        (Initiator::Rc, Kind::Doorbell, 14, 56),
        (Initiator::Rc, Kind::Doorbell, 6, 24),
        (Initiator::Ep, Kind::Read, 100, 800),
        (Initiator::Ep, Kind::Message, 0, 0),
    ]);
    let rates = Rates::between(&before, &after, Duration::from_secs(2)).to_string();
    let lines: Vec<Vec<_>> = rates
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[1], ["RC", "doorbell", "5", "20", "20"], "{rates}");
    assert_eq!(
        lines[2],
        ["EP", "read", "50", "400", "100"],
        "taken in between"
    );
    assert_eq!(lines[3], ["EP", "message", "0", "0", "0"]);
}
