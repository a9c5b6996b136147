// SPDX-License-Identifier: GPL-2.0
//! Outbound windows: translations, pages in the EP's monitor, trapped accesses.

mod common;

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::window::{Request, Window};
use common::{Rig, RAM_SIZE, RC_FILE_OFFSET, RC_RAM, WINDOW_SIZE};
use epc_emulator::controller::outbound::MAX_PIECES;
use epc_emulator::fabric::WindowMode;
use epc_emulator::vfio_user::message::command;
use epc_emulator::vhost_user::message::request;
use epc_regs::{bar, reg, Opcode, Status};

const BUS_MASTER: u16 = 0x0006;
const WINDOW: u32 = bar::WINDOW as u32;

/// A rig with a mapped window, whose RC is attached and a bus master.
fn open() -> (Rig, Window) {
    let (mut rig, window) = Rig::mapped();
    rig.define();
    rig.attach();
    rig.set_command(BUS_MASTER);
    (rig, window)
}

/// Gives a command while the monitor serves so many requests.
fn command_with(
    rig: &Rig,
    window: &Window,
    count: usize,
    opcode: Opcode,
    args: &[u64],
) -> (Status, Vec<Request>) {
    thread::scope(|scope| {
        let served = scope.spawn(|| (0..count).map(|_| window.serve(0)).collect());
        let status = rig.command(opcode, 0, args);
        (status, served.join().expect("monitor"))
    })
}

fn map_request(rc_offset: u64, window: u64, size: u64) -> Request {
    Request {
        is_map: true,
        file_offset: RC_FILE_OFFSET + rc_offset,
        window,
        size,
    }
}

fn unmap_request(window: u64, size: u64) -> Request {
    Request {
        is_map: false,
        file_offset: 0,
        window,
        size,
    }
}

#[test]
fn map_puts_pages_into_the_window_and_unmap_takes_them() {
    let (rig, window) = open();
    let (status, served) = command_with(
        &rig,
        &window,
        1,
        Opcode::Map,
        &[0x3000, RC_RAM + 0x5000, 0x2000],
    );
    assert_eq!(
        (status, served),
        (Status::Ok, vec![map_request(0x5000, 0x3000, 0x2000)])
    );
    let (status, served) = command_with(&rig, &window, 1, Opcode::Unmap, &[0x3000]);
    assert_eq!(
        (status, served),
        (Status::Ok, vec![unmap_request(0x3000, 0x2000)])
    );
}

#[test]
fn status_is_busy_until_the_monitor_has_answered() {
    let (rig, window) = open();
    rig.write_reg(reg::ARG0, 0);
    rig.write_reg(reg::ARG0 + 8, RC_RAM as u32);
    rig.write_reg(reg::ARG0 + 16, 0x1000);
    rig.write_reg(reg::COMMAND, Opcode::Map.command(0, 0));
    assert_eq!(rig.status(), Status::Busy);
    rig.write_reg(reg::COMMAND, Opcode::Stop.command(0, 0));
    rig.write_reg(reg::ARG0, 0x1000);
    window.serve(0);
    while rig.status() == Status::Busy {}
    assert_eq!(rig.status(), Status::Ok);
    assert_eq!(rig.read_reg(reg::ARG0), 0, "ignored while busy");
    assert_eq!(rig.link(), epc_regs::LinkState::Up, "ignored while busy");
}

#[test]
fn a_refused_map_changes_nothing() {
    let (rig, window) = open();
    thread::scope(|scope| {
        scope.spawn(|| window.serve(12));
        assert_eq!(
            rig.command(Opcode::Map, 0, &[0, RC_RAM, 0x1000]),
            Status::Failed
        );
    });
    assert_eq!(rig.command(Opcode::Unmap, 0, &[0]), Status::WindowConflict);
}

#[test]
fn pieces_beyond_what_qemu_takes_are_refused_until_one_leaves() {
    let (rig, window) = open();
    let map = |page: usize, count| {
        let args = [page as u64 * 0x1000, RC_RAM, 0x1000];
        command_with(&rig, &window, count, Opcode::Map, &args).0
    };
    (0..MAX_PIECES).for_each(|page| assert_eq!(map(page, 1), Status::Ok));
    assert_eq!(map(MAX_PIECES, 0), Status::Failed);
    window.assert_quiet();
    let (status, _) = command_with(&rig, &window, 1, Opcode::Unmap, &[0x1000]);
    assert_eq!(status, Status::Ok);
    assert_eq!(map(MAX_PIECES, 1), Status::Ok);
}

#[test]
fn map_checks_its_arguments() {
    let (rig, window) = open();
    let map = |args: &[u64]| rig.command(Opcode::Map, 0, args);
    assert_eq!(map(&[0x800, RC_RAM, 0x1000]), Status::BadArgument, "offset");
    assert_eq!(
        map(&[0, RC_RAM + 0x10, 0x1000]),
        Status::BadArgument,
        "PCI address"
    );
    assert_eq!(map(&[0, RC_RAM, 0x1800]), Status::BadArgument, "size");
    assert_eq!(map(&[0, RC_RAM, 0]), Status::BadArgument, "empty");
    assert_eq!(
        map(&[WINDOW_SIZE - 0x1000, RC_RAM, 0x2000]),
        Status::BadArgument,
        "leaves the window"
    );
    assert_eq!(
        map(&[u64::MAX & !0xfff, RC_RAM, 0x2000]),
        Status::BadArgument,
        "wraps around"
    );
    assert_eq!(
        map(&[0, u64::MAX & !0xfff, 0x2000]),
        Status::BadArgument,
        "wraps around"
    );
    assert_eq!(map(&[0, 0x8000_0000, 0x1000]), Status::NotRcMemory);
    let (status, _) = command_with(&rig, &window, 1, Opcode::Map, &[0x4000, RC_RAM, 0x4000]);
    assert_eq!(status, Status::Ok);
    for (at, size) in [
        (0x4000, 0x1000),
        (0x7000, 0x2000),
        (0x3000, 0x2000),
        (0, 0x10000),
    ] {
        assert_eq!(
            map(&[at, RC_RAM, size]),
            Status::WindowConflict,
            "{at:#x} {size:#x}"
        );
    }
    assert_eq!(
        rig.command(Opcode::Unmap, 0, &[0x5000]),
        Status::WindowConflict,
        "not its first page"
    );
    window.assert_quiet();
}

#[test]
fn a_range_partly_outside_memory_is_mapped_where_it_is_memory() {
    let (rig, window) = open();
    let args = [0, RC_RAM - 0x1000, 0x3000];
    let (status, served) = command_with(&rig, &window, 1, Opcode::Map, &args);
    assert_eq!(
        (status, served),
        (Status::Ok, vec![map_request(0, 0x1000, 0x2000)])
    );
}

#[test]
fn translations_may_be_programmed_before_bus_mastering() {
    let (mut rig, window) = Rig::mapped();
    rig.define();
    rig.ok(Opcode::Map, 0, &[0, RC_RAM, 0x1000]);
    rig.attach();
    window.assert_quiet();
    rig.set_command(BUS_MASTER);
    assert_eq!(window.serve(0), map_request(0, 0, 0x1000));
}

#[test]
fn pages_are_withdrawn_before_the_rc_sees_bus_mastering_off() {
    let (rig, window) = open();
    let (status, _) = command_with(&rig, &window, 1, Opcode::Map, &[0, RC_RAM, 0x1000]);
    assert_eq!(status, Status::Ok);
    let withdrawn = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| window.serve_after(0, || withdrawn.store(true, Ordering::SeqCst)));
        rig.set_command(0x0002);
        assert!(
            withdrawn.load(Ordering::SeqCst),
            "the RC's write returned before the withdrawal"
        );
    });
    thread::scope(|scope| {
        let served = scope.spawn(|| window.serve(0));
        rig.set_command(BUS_MASTER);
        assert_eq!(
            served.join().expect("monitor"),
            map_request(0, 0, 0x1000),
            "and come back"
        );
    });
}

#[test]
fn pages_are_there_before_the_rc_knows_that_its_memory_is_mapped() {
    let (rig, window) = open();
    let (status, _) = command_with(&rig, &window, 1, Opcode::Map, &[0, RC_RAM, 0x1000]);
    assert_eq!(status, Status::Ok);
    let is_there = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(window.serve(0), unmap_request(0, 0x1000));
            window.serve_after(0, || is_there.store(true, Ordering::SeqCst));
        });
        rig.rc().dma_unmap(RC_RAM, RAM_SIZE).expect("memory");
        rig.rc()
            .dma_map(RC_RAM, RAM_SIZE, RC_FILE_OFFSET, Some(&rig.rc_ram))
            .expect("memory");
        assert!(
            is_there.load(Ordering::SeqCst),
            "the RC's map returned before its pages were in the window"
        );
    });
}

#[test]
fn reset_stop_and_removal_of_memory_withdraw_pages() {
    let (rig, window) = open();
    let map = [0, RC_RAM, 0x1000];
    assert_eq!(
        command_with(&rig, &window, 1, Opcode::Map, &map).0,
        Status::Ok
    );
    let withdrawn = |act: &dyn Fn()| {
        thread::scope(|scope| {
            let served = scope.spawn(|| window.serve(0));
            act();
            served.join().expect("monitor")
        })
    };
    let restore = || {
        let remapped = thread::scope(|scope| {
            let served = scope.spawn(|| window.serve(0));
            rig.set_command(BUS_MASTER);
            served.join().expect("monitor")
        });
        assert_eq!(remapped, map_request(0, 0, 0x1000));
    };
    let reset = || drop(rig.rc().request(command::DEVICE_RESET, &[]));
    assert_eq!(withdrawn(&reset), unmap_request(0, 0x1000));
    restore();
    let remove = || drop(rig.rc().dma_unmap(RC_RAM, RAM_SIZE));
    assert_eq!(withdrawn(&remove), unmap_request(0, 0x1000));
    let add = || {
        let map = rig
            .rc()
            .dma_map(RC_RAM, RAM_SIZE, RC_FILE_OFFSET, Some(&rig.rc_ram));
        map.expect("memory");
    };
    assert_eq!(withdrawn(&add), map_request(0, 0, 0x1000));
    let stop = || rig.ok(Opcode::Stop, 0, &[]);
    assert_eq!(withdrawn(&stop), unmap_request(0, 0x1000));
}

#[test]
fn the_window_takes_nothing_before_driver_ok_and_after_reset() {
    let (rig, window) = open();
    assert_eq!(
        command_with(&rig, &window, 1, Opcode::Map, &[0, RC_RAM, 0x1000]).0,
        Status::Ok
    );
    window.enable(false);
    assert_eq!(
        rig.command(Opcode::Map, 0, &[0x1000, RC_RAM, 0x1000]),
        Status::WindowNotReady
    );
    rig.ok(Opcode::Unmap, 0, &[0]);
    rig.write_reg(reg::EVENT_STATUS, u32::MAX);
    window.enable(true);
    // QEMU keeps the pages of a machine that stands still.
    assert_eq!(window.serve(0), unmap_request(0, 0x1000));
    window.assert_quiet();
    let (status, served) = command_with(&rig, &window, 1, Opcode::Map, &[0, RC_RAM, 0x1000]);
    assert_eq!(
        (status, served),
        (Status::Ok, vec![map_request(0, 0, 0x1000)])
    );
}

#[test]
fn the_window_device_describes_itself() {
    let (_rig, window) = Rig::mapped();
    let features = window.ask(request::GET_PROTOCOL_FEATURES, &[]);
    let features = u64::from_le_bytes(features.try_into().expect("features"));
    assert_eq!(
        features,
        (1 << 3) | (1 << 5) | (1 << 10) | (1 << 15) | (1 << 22)
    );
    let shmem = window.ask(request::GET_SHMEM_CONFIG, &[]);
    assert_eq!(shmem.len(), 8 + 256 * 8);
    assert_eq!(shmem[..4], 1u32.to_le_bytes());
    assert_eq!(shmem[8..16], WINDOW_SIZE.to_le_bytes());
    assert!(shmem[16..].iter().all(|byte| *byte == 0));
}

#[test]
fn malformed_vhost_user_messages_end_the_connection() {
    let (_rig, window) = Rig::mapped();
    window.send(request::SET_VRING_ENABLE, &[0; 4], None);
    let mut byte = [0];
    let closed = epc_emulator::socket::receive(&window.main, &mut byte, &mut Vec::new());
    assert!(matches!(closed, Ok(false)));
}

#[test]
fn trapped_windows_reach_rc_memory_when_open() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.ok(Opcode::Map, 0, &[0x1000, RC_RAM + 0x2000, 0x1000]);
    assert_eq!(
        rig.ep.read(WINDOW, 0x1000, 4),
        Ok(vec![0xff; 4]),
        "no bus master"
    );
    rig.ep.write(WINDOW, 0x1000, &[1; 4]).expect("posted");
    assert_eq!(rig.rc_memory(RC_RAM + 0x2000, 4), [0; 4]);
    rig.set_command(BUS_MASTER);
    rig.ep.write(WINDOW, 0x1ffc, &[1, 2, 3, 4]).expect("posted");
    assert_eq!(rig.rc_memory(RC_RAM + 0x2ffc, 4), [1, 2, 3, 4]);
    rig.rc_ram
        .write_all_at(&[8; 8], RC_FILE_OFFSET + 0x2000)
        .expect("RC memory");
    assert_eq!(rig.ep.read(WINDOW, 0x1000, 8), Ok(vec![8; 8]));
    assert_eq!(
        rig.ep.read(WINDOW, 0x1ffc, 8),
        Ok(vec![0xff; 8]),
        "leaves the translation"
    );
    assert_eq!(
        rig.ep.read(WINDOW, 0x2000, 4),
        Ok(vec![0xff; 4]),
        "no translation"
    );
    rig.ok(Opcode::Unmap, 0, &[0x1000]);
    assert_eq!(rig.ep.read(WINDOW, 0x1000, 4), Ok(vec![0xff; 4]));
}

#[test]
fn the_window_bar_exists_only_when_trapped() {
    let rig = Rig::new(WindowMode::Mapped, false);
    assert!(rig.ep.read(WINDOW, 0, 4).is_err());
    assert_eq!(rig.read_reg(reg::CAPS) & 3, 1);
    let rig = Rig::trapped();
    assert_eq!(rig.read_reg(reg::CAPS) & 3, 2);
}
