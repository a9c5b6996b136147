// SPDX-License-Identifier: GPL-2.0
//! The DMA engine: what it moves, what it refuses, how transfers end, and what is counted.

mod common;

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::bench::{trapped, Bench, BUS_MASTER, DATA, RING};
use common::dma::{entry, COPY, LIST, READ, WRITE};
use common::{Rig, EP_RAM, RAM_SIZE, RC_FILE_OFFSET, RC_RAM};
use epc_emulator::faults::{Effect, Rule, Target};
use epc_emulator::profile::{Profile, BUILTIN, DEFAULT};
use epc_emulator::trace::Trace;
use epc_emulator::traffic::Kind;
use epc_regs::{
    dma_flags, reg, DmaControl, DmaEntry, DmaKind, Opcode, Status, DMA_BYTES_MAX, DMA_ENTRIES_MAX,
};

/// So long that a test is through before it is over.
const LONG: Duration = Duration::from_secs(4);

/// A link that is up with bus mastering on, and nothing counted yet.
fn bench() -> Bench {
    Bench::new(trapped(DEFAULT), Trace::off())
}

/// Puts bytes into RC memory that are all different from zero, and returns them.
fn fill_rc(rig: &Rig, at: u64, size: usize) -> Vec<u8> {
    let bytes: Vec<_> = (0..size).map(|byte| (byte % 251) as u8 + 1).collect();
    let offset = at - RC_RAM + RC_FILE_OFFSET;
    rig.rc_ram.write_all_at(&bytes, offset).expect("RC memory");
    bytes
}

fn fill_ep(rig: &Rig, at: u64, size: usize) -> Vec<u8> {
    let bytes: Vec<_> = (0..size).map(|byte| (byte % 241) as u8 + 1).collect();
    rig.ep_ram
        .write_all_at(&bytes, at - EP_RAM)
        .expect("EP memory");
    bytes
}

/// Operations and bytes of DMA reads, then of DMA writes, since the last call.
fn take_counts(rig: &Rig) -> [(u64, u64); 2] {
    let counts = rig.fabric.take_traffic().counts;
    [Kind::DmaRead, Kind::DmaWrite].map(|kind| {
        let line = counts.iter().find(|line| line.kind == kind);
        line.map_or((0, 0), |line| (line.count.operations, line.count.bytes))
    })
}

fn fault(rig: &Rig, effect: Effect) {
    let rule = Rule {
        on: Target::Dma,
        effect,
        skip: 0,
        count: Some(1),
    };
    rig.fabric.faults.add(rule).expect("rule");
}

#[test]
fn registers_tell_the_channels_of_the_board() {
    for builtin in BUILTIN {
        let rig = Rig::board(builtin.name);
        let kinds: Vec<_> = builtin.profile().expect("profile").dma.channels().collect();
        assert_eq!(rig.read_reg(reg::DMA_COUNT) as usize, kinds.len());
        for (channel, kind) in (0..).zip(&kinds) {
            assert_eq!(rig.read_dma(channel, reg::DMA_KIND), *kind as u32);
        }
        assert_eq!(rig.read_dma(kinds.len() as u64, reg::DMA_KIND), 0);
    }
    let rig = Rig::board(DEFAULT);
    let kinds = [READ, WRITE, COPY].map(|at| DmaKind::from_raw(rig.read_dma(at, reg::DMA_KIND)));
    assert_eq!(
        kinds,
        [DmaKind::Read, DmaKind::Write, DmaKind::Copy].map(Some)
    );
}

#[test]
fn channels_are_one_to_sixteen() {
    let text = epc_emulator::profile::find("rk3588").expect("profile").text;
    let with = |from: &str, to: &str| Profile::parse("my.toml", &text.replace(from, to));
    let channels = with("copy = 0", "copy = 12").expect("sixteen").dma;
    assert_eq!(channels.channels().count(), 16);
    let error = with("copy = 0", "copy = 13").expect_err("seventeen");
    assert!(error
        .to_string()
        .contains("17 DMA channels: expected 1 to 16"));
    let none = "[dma]\nread = 0\nwrite = 0";
    let error = with("[dma]\nread = 2\nwrite = 2", none).expect_err("none");
    assert!(error.to_string().contains("0 DMA channels"), "{error}");
    let error = with("copy = 0", "").expect_err("incomplete");
    assert!(
        error.to_string().contains("missing field `copy`"),
        "{error}"
    );
    assert_eq!(Rig::board("rcar-gen3").fabric.dma.channels(), 0);
}

#[test]
fn data_goes_both_ways() {
    let bench = bench();
    let rig = &bench.rig;
    for size in [1, 7, 4096, 0x1_0000, 0x1_0001, 0x12_3457] {
        let there = fill_rc(rig, RC_RAM + 3, size);
        let read = entry(RC_RAM + 3, EP_RAM + 0x1001, size as u32);
        assert_eq!(rig.dma(READ, &[read]), Status::Ok);
        assert_eq!(rig.ep_memory(EP_RAM + 0x1001, size), there);
        assert_eq!(rig.dma_moved(READ), size as u64);
        let here = fill_ep(rig, EP_RAM + 5, size);
        let write = entry(EP_RAM + 5, RC_RAM + 0x20_0001, size as u32);
        assert_eq!(rig.dma(WRITE, &[write]), Status::Ok);
        assert_eq!(rig.rc_memory(RC_RAM + 0x20_0001, size), here);
        let (operations, bytes) = (1, size as u64);
        assert_eq!(take_counts(rig), [(operations, bytes); 2]);
    }
}

#[test]
fn copies_reach_the_window_and_local_memory() {
    let bench = bench();
    let rig = &bench.rig;
    let (ring, data) = (RING, DATA);
    let bytes = fill_rc(rig, data.1 + 0x100, 0x800);
    let copy = |source, destination, flags| {
        let one = DmaEntry {
            flags,
            ..entry(source, destination, 0x800)
        };
        rig.dma(COPY, &[one])
    };
    let (from, to) = (
        dma_flags::SOURCE_IN_WINDOW,
        dma_flags::DESTINATION_IN_WINDOW,
    );
    assert_eq!(copy(data.0 + 0x100, EP_RAM, from), Status::Ok);
    assert_eq!(rig.ep_memory(EP_RAM, 0x800), bytes);
    assert_eq!(take_counts(rig), [(1, 0x800), (0, 0)]);
    assert_eq!(copy(EP_RAM, EP_RAM + 0x9000, 0), Status::Ok);
    assert_eq!(rig.ep_memory(EP_RAM + 0x9000, 0x800), bytes);
    assert_eq!(take_counts(rig), [(0, 0), (0, 0)], "stays on this side");
    assert_eq!(copy(EP_RAM + 0x9000, ring.0, to), Status::Ok);
    assert_eq!(rig.rc_memory(ring.1, 0x800), bytes);
    assert_eq!(copy(ring.0, data.0 + 0x1000, from | to), Status::Ok);
    assert_eq!(rig.rc_memory(data.1 + 0x1000, 0x800), bytes);
    assert_eq!(take_counts(rig), [(1, 0x800), (2, 0x1000)]);
    let unmapped = copy(0x6000, EP_RAM, from);
    assert_eq!(unmapped, Status::BadAddress);
    let over_the_end = copy(data.0 + 0x1900, EP_RAM, from);
    assert_eq!(over_the_end, Status::BadAddress);
    assert_eq!(
        rig.dma(COPY, &[entry(EP_RAM, RC_RAM, 4)]),
        Status::BadAddress
    );
}

#[test]
fn lists_are_bounded() {
    let bench = bench();
    let rig = &bench.rig;
    let one = |size| entry(RC_RAM, EP_RAM, size);
    assert_eq!(rig.dma(READ, &[]), Status::BadArgument);
    assert_eq!(rig.dma(READ, &[one(0)]), Status::BadArgument);
    assert_eq!(rig.dma(READ, &[one(1), one(0)]), Status::BadArgument);
    assert_eq!(rig.dma_moved(READ), 0, "the list is checked as a whole");
    assert_eq!(rig.dma(READ, &vec![one(1); DMA_ENTRIES_MAX]), Status::Ok);
    assert_eq!(rig.dma_moved(READ), DMA_ENTRIES_MAX as u64);
    let too_many = vec![one(1); DMA_ENTRIES_MAX + 1];
    assert_eq!(rig.dma(READ, &too_many), Status::BadArgument);
    let quarter = one((DMA_BYTES_MAX / 8) as u32);
    let mut full = vec![quarter; 8];
    assert_eq!(rig.dma(READ, &full), Status::Ok);
    assert_eq!(rig.dma_moved(READ), DMA_BYTES_MAX);
    full.push(one(1));
    assert_eq!(rig.dma(READ, &full), Status::BadArgument);
    let total = 2 + DMA_ENTRIES_MAX as u64 - 2 + DMA_BYTES_MAX;
    assert_eq!(take_counts(rig), [(2, total), (0, 0)]);
}

#[test]
fn entries_are_checked() {
    let bench = bench();
    let rig = &bench.rig;
    for (kind, flags) in [(READ, 1), (READ, 2), (WRITE, 1), (WRITE, 2), (COPY, 4)] {
        let flagged = DmaEntry {
            flags,
            ..entry(EP_RAM, EP_RAM, 4)
        };
        assert_eq!(rig.dma(kind, &[flagged]), Status::BadArgument);
    }
    let wraps = [entry(u64::MAX - 2, EP_RAM, 4), entry(RC_RAM, u64::MAX, 4)];
    for entry in wraps {
        assert_eq!(rig.dma(READ, &[entry]), Status::BadArgument);
    }
    rig.start_dma_at(READ, EP_RAM + RAM_SIZE - 8, 1);
    rig.fabric.dma.run_waiting();
    assert_eq!(rig.dma_status(READ), Status::BadAddress, "list");
    for (channel, entry, status) in [
        (READ, entry(RC_RAM, 0, 4), Status::BadAddress),
        (
            READ,
            entry(RC_RAM, EP_RAM + RAM_SIZE - 2, 4),
            Status::BadAddress,
        ),
        (
            READ,
            entry(RC_RAM + RAM_SIZE - 2, EP_RAM, 4),
            Status::NotRcMemory,
        ),
        (WRITE, entry(0, RC_RAM, 4), Status::BadAddress),
        (WRITE, entry(EP_RAM, RC_RAM - 2, 4), Status::NotRcMemory),
    ] {
        assert_eq!(rig.dma(channel, &[entry]), status, "{entry:x?}");
    }
    assert_eq!(take_counts(rig), [(0, 0), (0, 0)]);
}

#[test]
fn an_error_in_the_middle_ends_the_transfer_there() {
    let bench = bench();
    let rig = &bench.rig;
    let bytes = fill_rc(rig, RC_RAM, 0x3000);
    let list = [
        entry(RC_RAM, EP_RAM, 0x1000),
        entry(RC_RAM + 0x1000, EP_RAM + 0x1000, 0x123),
        entry(RC_RAM + RAM_SIZE, EP_RAM + 0x2000, 0x1000),
        entry(RC_RAM + 0x2000, EP_RAM + 0x2000, 0x1000),
    ];
    assert_eq!(rig.dma(READ, &list), Status::NotRcMemory);
    assert_eq!(rig.dma_moved(READ), 0x1123);
    assert_eq!(rig.ep_memory(EP_RAM, 0x1123), bytes[..0x1123]);
    assert_eq!(rig.ep_memory(EP_RAM + 0x1123, 0x2000), [0; 0x2000]);
    assert_eq!(take_counts(rig), [(1, 0x1123), (0, 0)]);
    assert_eq!(rig.dma(READ, &list[..1]), Status::Ok, "the next one");
}

#[test]
fn memory_that_is_only_for_reading_is_not_written() {
    let bench = bench();
    let rig = &bench.rig;
    rig.rc().dma_unmap(RC_RAM, RAM_SIZE).expect("unmap");
    let fd = rig.rc_ram.try_clone().expect("clone").into();
    let memory = &rig.fabric.rc_memory[0];
    memory
        .map(RC_RAM, 0x1000, Some(fd), RC_FILE_OFFSET, false)
        .expect("map");
    assert_eq!(rig.dma(READ, &[entry(RC_RAM, EP_RAM, 8)]), Status::Ok);
    let write = [entry(EP_RAM, RC_RAM, 8)];
    assert_eq!(rig.dma(WRITE, &write), Status::NotRcMemory);
}

#[test]
fn nothing_crosses_a_link_that_is_not_open() {
    let mut rig = Rig::trapped();
    rig.define();
    let read = [entry(RC_RAM, EP_RAM, 4)];
    assert_eq!(rig.dma(READ, &read), Status::NotEnabled, "link down");
    rig.attach();
    assert_eq!(rig.dma(READ, &read), Status::NotEnabled, "no bus master");
    assert_eq!(rig.dma(COPY, &[entry(EP_RAM, EP_RAM + 8, 4)]), Status::Ok);
    rig.set_command(BUS_MASTER);
    assert_eq!(rig.dma(READ, &read), Status::Ok);
    rig.ok(Opcode::Stop, 0, &[]);
    assert_eq!(rig.dma(READ, &read), Status::NotEnabled, "stopped");
}

/// What may happen to a transfer between its start and its first chunk.
fn interrupted(change: impl FnOnce(&Rig), expected: Status) {
    let bench = bench();
    let rig = &bench.rig;
    fill_rc(rig, RC_RAM, 0x1000);
    let vector = rig.dma_vector(READ);
    rig.start_dma(READ, &[entry(RC_RAM, EP_RAM, 0x1000)]);
    change(rig);
    rig.fabric.dma.run_waiting();
    assert_eq!(rig.dma_status(READ), expected);
    assert_eq!(rig.dma_moved(READ), 0);
    assert_eq!(vector.take(), u64::from(expected != Status::Aborted));
    assert_eq!(rig.ep_memory(EP_RAM, 0x1000), [0; 0x1000]);
    assert_eq!(take_counts(rig), [(0, 0), (0, 0)]);
}

#[test]
fn the_link_goes_in_flight() {
    interrupted(|rig| rig.ok(Opcode::Stop, 0, &[]), Status::NotEnabled);
    interrupted(|rig| rig.set_command(0), Status::NotEnabled);
    let there_and_back = |rig: &Rig| {
        rig.set_command(0);
        rig.set_command(BUS_MASTER);
    };
    interrupted(there_and_back, Status::NotEnabled);
}

#[test]
fn memory_goes_in_flight() {
    let rc = |rig: &Rig| drop(rig.rc().dma_unmap(RC_RAM, RAM_SIZE).expect("unmap"));
    interrupted(rc, Status::NotRcMemory);
    let ep = |rig: &Rig| drop(rig.ep.dma_unmap(EP_RAM, RAM_SIZE).expect("unmap"));
    interrupted(ep, Status::BadAddress);
}

#[test]
fn the_ep_aborts_in_flight() {
    let abort = |rig: &Rig| {
        rig.control_dma(READ, DmaControl::Abort as u32);
        assert_eq!(rig.dma_status(READ), Status::Aborted, "at once");
    };
    interrupted(abort, Status::Aborted);
}

#[test]
fn reset_in_flight_leaves_nothing() {
    let bench = bench();
    let rig = &bench.rig;
    let vector = rig.dma_vector(READ);
    rig.start_dma(READ, &[entry(RC_RAM, EP_RAM, 0x1000)]);
    rig.ok(Opcode::Reset, 0, &[]);
    assert_eq!(rig.dma_status(READ), Status::Ok);
    for register in [reg::DMA_LIST, reg::DMA_ENTRIES] {
        assert_eq!(rig.read_dma(READ, register), 0);
    }
    rig.fabric.dma.run_waiting();
    assert_eq!((rig.dma_status(READ), vector.take()), (Status::Ok, 0));
}

#[test]
fn the_thread_of_a_channel_ends_what_it_was_given() {
    let bench = bench();
    let rig = &bench.rig;
    rig.run_dma();
    let vector = rig.dma_vector(READ);
    let other = rig.dma_vector(WRITE);
    let bytes = fill_rc(rig, RC_RAM, 0x10_0000);
    for _ in 0..20 {
        rig.start_dma(READ, &[entry(RC_RAM, EP_RAM, 0x10_0000)]);
        assert_eq!(rig.wait_for_dma(READ), Status::Ok);
        assert_eq!(rig.ep_memory(EP_RAM, 0x10_0000), bytes);
        assert_eq!((vector.take(), other.take()), (1, 0));
    }
}

#[test]
fn aborts_and_resets_race_with_the_thread() {
    let bench = bench();
    let rig = &bench.rig;
    rig.run_dma();
    let list = [entry(RC_RAM, EP_RAM, 0x20_0000); 8];
    let mut moved = 0;
    for round in 0..100 {
        take_counts(rig);
        rig.start_dma(READ, &list);
        if round % 2 == 0 {
            while rig.dma_moved(READ) == 0 {}
        }
        rig.control_dma(READ, DmaControl::Abort as u32);
        let status = rig.dma_status(READ);
        assert!(
            [Status::Aborted, Status::Ok].contains(&status),
            "{status:?}"
        );
        let after = rig.dma_moved(READ);
        // What the abort let through is what was counted, and nothing comes after it.
        let operations = u64::from(after > 0);
        assert_eq!(take_counts(rig), [(operations, after), (0, 0)]);
        assert_eq!(rig.dma_moved(READ), after);
        moved += after;
    }
    assert!(moved > 0);
    rig.start_dma(READ, &[entry(RC_RAM, EP_RAM, 8)]);
    assert_eq!(rig.wait_for_dma(READ), Status::Ok, "the next one");
}

#[test]
fn the_link_comes_and_goes_while_registers_are_written() {
    let bench = bench();
    let rig = &bench.rig;
    rig.run_dma();
    let list = [entry(RC_RAM, EP_RAM, 0x1_0000); 4];
    let (dma, over) = (Arc::clone(&rig.fabric.dma), Arc::<AtomicBool>::default());
    let link_is_over = Arc::clone(&over);
    let link = thread::spawn(move || {
        while !link_is_over.load(Ordering::Relaxed) {
            dma.set_open(0, false);
            dma.set_open(0, true);
        }
    });
    // An access that is never answered fails, as the client waits for a bounded time.
    for _ in 0..5000 {
        rig.start_dma(READ, &list);
        rig.start_dma(READ, &list);
        rig.control_dma(READ, DmaControl::Abort as u32);
    }
    over.store(true, Ordering::Relaxed);
    link.join().expect("the link");
}

#[test]
fn channels_work_at_the_same_time() {
    let bench = bench();
    let rig = &bench.rig;
    rig.run_dma();
    fault(rig, Effect::Delay(LONG));
    rig.start_dma(READ, &[entry(RC_RAM, EP_RAM, 8)]);
    while rig.fabric.faults.list()[0].struck == 0 {}
    rig.start_dma(READ + 1, &[entry(RC_RAM, EP_RAM, 8)]);
    assert_eq!(rig.wait_for_dma(READ + 1), Status::Ok);
    assert_eq!(rig.dma_status(READ), Status::Busy);
    rig.start_dma(READ, &[entry(RC_RAM, EP_RAM, 16)]);
    assert_eq!(rig.dma_status(READ), Status::Busy, "Start is ignored");
    rig.control_dma(READ, DmaControl::Abort as u32);
    assert_eq!(rig.dma_status(READ), Status::Aborted, "in its delay");
}

#[test]
fn faults_strike_transfers() {
    let bench = bench();
    let rig = &bench.rig;
    let vector = rig.dma_vector(READ);
    let read = [entry(RC_RAM, EP_RAM, 8)];
    fault(rig, Effect::Refuse);
    assert_eq!(rig.dma(READ, &read), Status::Failed);
    assert_eq!((rig.dma_moved(READ), vector.take()), (0, 1));
    fault(rig, Effect::Lose);
    assert_eq!(rig.dma(READ, &read), Status::Ok);
    assert_eq!((rig.dma_moved(READ), vector.take()), (8, 0));
    fault(rig, Effect::Delay(Duration::from_millis(1)));
    assert_eq!(rig.dma(READ, &read), Status::Ok);
    assert_eq!(vector.take(), 1);
    let impossible = Rule {
        on: Target::Dma,
        effect: Effect::Ones,
        skip: 0,
        count: None,
    };
    assert!(rig.fabric.faults.add(impossible).is_err());
}

#[test]
fn controls_that_do_not_exist_do_nothing() {
    let bench = bench();
    let rig = &bench.rig;
    rig.start_dma_at(READ, LIST, 1);
    for value in [0, 3, u32::MAX] {
        rig.control_dma(READ, value);
        assert_eq!(rig.dma_status(READ), Status::Busy);
    }
    rig.control_dma(READ, DmaControl::Abort as u32);
    rig.control_dma(READ, DmaControl::Abort as u32);
    assert_eq!(rig.dma_status(READ), Status::Aborted);
    rig.control_dma(15, DmaControl::Start as u32);
    assert_eq!(rig.read_dma(15, reg::DMA_STATUS), 0, "no such channel");
}
