// SPDX-License-Identifier: GPL-2.0
//! Several functions on one controller: each is on its own, and they share the link.

mod common;

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use common::client::Client;
use common::dma::{entry, COPY};
use common::{memfd, serve, Event, Rig, EP_RAM, RAM_SIZE, RC_FILE_OFFSET, RC_RAM};
use epc_emulator::vfio_user::message::irq;
use epc_regs::{event, reg, Header, LinkState, Opcode, Status};

const BUS_MASTER: [u8; 2] = [6, 0];
const COMMAND: u64 = 0x04;
const MSI_CONTROL: u64 = 0x82;
const MSIX_CONTROL: u64 = 0x92;
const DEVICE_CONTROL: u64 = 0x48;
const TABLE: u64 = 0x2000;
const MEMORY: u64 = 1;

/// A board that has two functions, in use both; each reaches a memory of its own.
struct Pair {
    rig: Rig,
    rcs: [Client; 2],
}

impl Pair {
    fn new() -> Self {
        let rig = Rig::trapped();
        for function in [0, 1] {
            let place = EP_RAM + 0x10_0000 * (u64::from(function) + 1);
            rig.header_of(function);
            rig.ok_of(function, Opcode::SetBar, 0, &[0x1_0000, 0, MEMORY, place]);
            rig.ok_of(function, Opcode::SetMsi, 4, &[]);
            rig.ok_of(function, Opcode::SetMsix, 8, &[0, TABLE]);
        }
        rig.ok(Opcode::Start, 0b10, &[]);
        let rcs = [0u8, 1].map(|function| {
            let memory = memfd(RAM_SIZE + RC_FILE_OFFSET);
            let content = [0xa0 + function; 0x1000];
            memory
                .write_all_at(&content, RC_FILE_OFFSET)
                .expect("memory");
            let function = &rig.endpoint.functions()[usize::from(function)];
            let rc = serve(Arc::clone(function) as Arc<_>);
            rc.version().expect("version");
            rc.dma_map(RC_RAM, RAM_SIZE, RC_FILE_OFFSET, Some(&memory))
                .expect("RC memory");
            rc
        });
        assert!(rig.endpoint.attached());
        Self { rig, rcs }
    }

    /// A register of a function.
    fn read(&self, function: u64, register: u64) -> u32 {
        let at = reg::FUNCTION0 + function * reg::FUNCTION_STRIDE + register;
        self.rig.read_reg(at)
    }

    fn window(&self, offset: u64) -> u8 {
        let window = epc_regs::bar::WINDOW as u32;
        self.rig.ep.read(window, offset, 1).expect("window")[0]
    }
}

#[test]
fn boards_have_the_functions_of_their_device_tree() {
    for (board, count) in [
        ("unlimited", 8),
        ("rcar-gen4", 2),
        ("j721e", 6),
        ("rk3588", 1),
    ] {
        let rig = Rig::board(board);
        assert_eq!(rig.read_reg(reg::FUNCTION_COUNT), count, "{board}");
        assert_eq!(rig.endpoint.functions().len(), count as usize, "{board}");
    }
}

#[test]
fn functions_that_do_not_exist_are_refused() {
    let rig = Rig::board("rcar-gen4");
    let header = Header::default().to_args();
    for function in [0, 1] {
        rig.ok_of(function, Opcode::WriteHeader, 0, &header);
    }
    let opcodes = [
        Opcode::WriteHeader,
        Opcode::SetBar,
        Opcode::SetBarRange,
        Opcode::ClearBar,
        Opcode::SetMsi,
        Opcode::SetMsix,
        Opcode::SetIntx,
        Opcode::RaiseMsi,
        Opcode::RaiseMsix,
        Opcode::Map,
        Opcode::Unmap,
    ];
    for function in [2, 8, u8::MAX] {
        for opcode in opcodes {
            let status = rig.command_of(function, opcode, 0, &[0x1000, 0, 0x1000]);
            assert_eq!(status, Status::BadArgument, "{opcode:?} of {function}");
        }
    }
    for function in 2..8 {
        let at = reg::FUNCTION0 + function * reg::FUNCTION_STRIDE;
        rig.write_reg(at + reg::FUNCTION_EVENTS, u32::MAX);
        let words = (0..reg::FUNCTION_STRIDE).step_by(4);
        assert!(words
            .map(|word| rig.read_reg(at + word))
            .all(|word| word == 0));
    }
}

#[test]
fn what_is_the_controllers_takes_no_function() {
    let rig = Rig::board("rcar-gen4");
    for opcode in [Opcode::Start, Opcode::Stop, Opcode::Reset] {
        for function in [1, u8::MAX] {
            let status = rig.command_of(function, opcode, 0, &[]);
            assert_eq!(status, Status::BadArgument, "{opcode:?} of {function}");
        }
    }
    for functions in [0b100, 0b111, 0x8000, u16::MAX] {
        let status = rig.command(Opcode::Start, functions, &[]);
        assert_eq!(status, Status::BadArgument, "{functions:#b}");
    }
    assert_eq!(rig.link(), LinkState::Down);
    rig.ok(Opcode::Start, 0b11, &[]);
    assert_eq!(rig.link(), LinkState::Waiting);
}

#[test]
fn each_function_has_its_own_shape() {
    let rig = Rig::trapped();
    rig.define();
    let other = Header {
        vendor: 0x1af4,
        device: 0x1234,
        ..Header::default()
    };
    rig.ok_of(1, Opcode::WriteHeader, 0, &other.to_args());
    rig.ok_of(1, Opcode::SetBar, 2, &[0x1000, 0, MEMORY, EP_RAM]);
    rig.ok(Opcode::Start, 0b10, &[]);
    let (first, second) = (rig.connect(0), rig.connect(1));
    assert_eq!(first.config_u32(0), 0xb500_104c);
    assert_eq!(second.config_u32(0), 0x1234_1af4);
    for (rc, bar, size) in [
        (&first, 0, 0x1_0000),
        (&first, 2, 0),
        (&second, 0, 0),
        (&second, 2, 0x1000),
    ] {
        let at = 0x10 + 4 * bar;
        rc.config_write(at, &[0xff; 4]);
        assert_eq!(rc.config_u32(at).wrapping_neg(), size, "BAR {bar}");
    }
    assert_eq!(second.config(0x34, 1), [0x40], "PCI Express");
    assert_eq!(second.config(0x41, 1), [0], "and no other capability");
}

#[test]
fn bars_show_each_functions_own_memory() {
    let pair = Pair::new();
    for (number, rc) in (1u8..).zip(&pair.rcs) {
        rc.write(0, 0x100, &[number]).expect("BAR");
        let place = EP_RAM + 0x10_0000 * u64::from(number) + 0x100;
        assert_eq!(pair.rig.ep_memory(place, 1), [number]);
    }
    assert_eq!(pair.rcs[0].read(0, 0x100, 1).expect("BAR"), [1]);
    pair.rig.ok_of(1, Opcode::ClearBar, 0, &[]);
    assert_eq!(pair.rcs[0].read(0, 0x100, 1).expect("BAR"), [1]);
    assert_eq!(pair.rcs[1].read(0, 0x100, 1).expect("BAR"), [0]);
}

#[test]
fn windows_lead_through_the_function_that_mapped_them() {
    let pair = Pair::new();
    let rig = &pair.rig;
    rig.ok_of(0, Opcode::Map, 0, &[0x1000, RC_RAM, 0x1000]);
    rig.ok_of(1, Opcode::Map, 0, &[0x2000, RC_RAM, 0x1000]);
    assert_eq!((pair.window(0x1000), pair.window(0x2000)), (0xff, 0xff));
    pair.rcs[1].config_write(COMMAND, &BUS_MASTER);
    assert_eq!((pair.window(0x1000), pair.window(0x2000)), (0xff, 0xa1));
    pair.rcs[0].config_write(COMMAND, &BUS_MASTER);
    assert_eq!((pair.window(0x1000), pair.window(0x2000)), (0xa0, 0xa1));
    pair.rcs[1].dma_unmap(RC_RAM, RAM_SIZE).expect("unmap");
    assert_eq!((pair.window(0x1000), pair.window(0x2000)), (0xa0, 0xff));
    for (function, window) in [(0, 0x2000), (1, 0x1000), (2, 0x1000)] {
        let status = rig.command_of(function, Opcode::Unmap, 0, &[window]);
        assert_eq!(status, Status::WindowConflict, "{function}");
    }
    let overlapping = rig.command_of(1, Opcode::Map, 0, &[0x1000, RC_RAM, 0x1000]);
    assert_eq!(overlapping, Status::WindowConflict);
    rig.ok_of(1, Opcode::Unmap, 0, &[0x2000]);
    assert_eq!(pair.window(0x1000), 0xa0);
}

#[test]
fn copies_reach_what_the_mapping_function_reaches() {
    let pair = Pair::new();
    let rig = &pair.rig;
    rig.ok_of(1, Opcode::Map, 0, &[0x2000, RC_RAM, 0x1000]);
    let copy = [epc_regs::DmaEntry {
        flags: epc_regs::dma_flags::SOURCE_IN_WINDOW,
        ..entry(0x2000, EP_RAM, 1)
    }];
    pair.rcs[0].config_write(COMMAND, &BUS_MASTER);
    assert_eq!(rig.dma(COPY, &copy), Status::NotEnabled, "of function 1");
    pair.rcs[1].config_write(COMMAND, &BUS_MASTER);
    assert_eq!(rig.dma(COPY, &copy), Status::Ok);
    assert_eq!(rig.ep_memory(EP_RAM, 1), [0xa1]);
    pair.rcs[0].config_write(COMMAND, &[0, 0]);
    assert_eq!(rig.dma(COPY, &copy), Status::Ok, "function 0 is no matter");
}

#[test]
fn interrupts_go_to_the_driver_of_their_function() {
    let pair = Pair::new();
    let rig = &pair.rig;
    let events = [Event::new(), Event::new()];
    for (rc, event) in pair.rcs.iter().zip(&events) {
        rc.set_eventfds(irq::MSI, 0, &[event]).expect("vector");
    }
    pair.rcs[1].config_write(MSI_CONTROL, &[1, 0]);
    pair.rcs[1].config_write(COMMAND, &BUS_MASTER);
    assert_eq!(
        rig.command_of(0, Opcode::RaiseMsi, 0, &[]),
        Status::NotEnabled
    );
    rig.ok_of(1, Opcode::RaiseMsi, 0, &[]);
    assert_eq!((events[0].take(), events[1].take()), (0, 1));
    assert_eq!(
        (
            pair.read(0, reg::FUNCTION_MSI),
            pair.read(1, reg::FUNCTION_MSI)
        ),
        (0, 1)
    );
    pair.rcs[1].config_write(MSI_CONTROL, &[0, 0]);
    pair.rcs[1].config_write(MSIX_CONTROL, &[7, 0x80]);
    let vector = [0xfee0_1000u64.to_le_bytes(), 0x21u64.to_le_bytes()].concat();
    pair.rcs[1].write(0, TABLE, &vector).expect("table");
    rig.ok_of(1, Opcode::RaiseMsix, 0, &[]);
    assert_eq!(pair.rcs[1].dma_write(), (0xfee0_1000, vec![0x21, 0, 0, 0]));
    pair.rcs[0].config(0, 1);
    assert!(!pair.rcs[0].has_dma_write());
    assert_eq!(
        (
            pair.read(0, reg::FUNCTION_MSIX),
            pair.read(1, reg::FUNCTION_MSIX)
        ),
        (0, 8)
    );
    assert_eq!(rig.read_reg(reg::MSIX_ENABLED), 0, "that of function 0");
}

#[test]
fn events_say_whose_they_are() {
    let pair = Pair::new();
    let rig = &pair.rig;
    rig.write_reg(reg::EVENT_STATUS, event::ALL);
    pair.rcs[1].config_write(COMMAND, &BUS_MASTER);
    let of = |function| pair.read(function, reg::FUNCTION_EVENTS);
    assert_eq!((of(0), of(1)), (0, event::BUS_MASTER));
    assert_eq!(rig.read_reg(reg::EVENT_STATUS), event::BUS_MASTER);
    assert_eq!(pair.read(1, reg::FUNCTION_COMMAND), 6);
    assert_eq!(pair.read(0, reg::FUNCTION_COMMAND), 0);
    pair.rcs[0].config_write(COMMAND, &BUS_MASTER);
    let second = reg::FUNCTION0 + reg::FUNCTION_STRIDE + reg::FUNCTION_EVENTS;
    rig.write_reg(second, event::ALL);
    assert_eq!((of(0), of(1)), (event::BUS_MASTER, 0));
    rig.ok(Opcode::Reset, 0, &[]);
    assert_eq!((of(0), of(1)), (0, 0));
}

#[test]
fn a_function_is_reset_alone() {
    let pair = Pair::new();
    let rig = &pair.rig;
    rig.ok_of(0, Opcode::Map, 0, &[0x1000, RC_RAM, 0x1000]);
    rig.ok_of(1, Opcode::Map, 0, &[0x2000, RC_RAM, 0x1000]);
    for rc in &pair.rcs {
        rc.config_write(COMMAND, &BUS_MASTER);
    }
    pair.rcs[1].config_write(DEVICE_CONTROL, &[0, 0x80]);
    assert_eq!((pair.window(0x1000), pair.window(0x2000)), (0xa0, 0xff));
    let of = |function| pair.read(function, reg::FUNCTION_EVENTS) & event::FUNCTION_RESET;
    assert_eq!((of(0), of(1)), (0, event::FUNCTION_RESET));
    assert_eq!(pair.rcs[0].config(COMMAND, 2), BUS_MASTER);
    assert_eq!(rig.link(), LinkState::Up);
}

#[test]
fn a_stop_takes_all_functions_away() {
    let pair = Pair::new();
    let rig = &pair.rig;
    for rc in &pair.rcs {
        rc.config_write(COMMAND, &BUS_MASTER);
    }
    rig.ok_of(1, Opcode::Map, 0, &[0x2000, RC_RAM, 0x1000]);
    rig.ok(Opcode::Stop, 0, &[]);
    for rc in &pair.rcs {
        assert_eq!(rc.config_u32(0), u32::MAX);
    }
    assert_eq!(pair.window(0x2000), 0xff);
    let header = Header::default().to_args();
    for function in [0, 1] {
        let status = rig.command_of(function, Opcode::WriteHeader, 0, &header);
        assert_eq!(status, Status::LinkActive, "{function}");
    }
}

#[test]
fn one_monitor_going_leaves_the_other() {
    let Pair { rig, rcs, .. } = Pair::new();
    let [first, second] = rcs;
    first.config_write(COMMAND, &BUS_MASTER);
    second.config_write(COMMAND, &BUS_MASTER);
    rig.ok_of(0, Opcode::Map, 0, &[0x1000, RC_RAM, 0x1000]);
    drop(second);
    let gone = reg::FUNCTION0 + reg::FUNCTION_STRIDE + reg::FUNCTION_COMMAND;
    while rig.read_reg(gone) != 0 {
        std::thread::yield_now();
    }
    let window = epc_regs::bar::WINDOW as u32;
    assert_eq!(rig.ep.read(window, 0x1000, 1).expect("window"), [0xa0]);
    assert_eq!(first.config(COMMAND, 2), BUS_MASTER);
}

#[test]
fn inbound_windows_are_shared_or_each_functions_own() {
    // R-Car Gen4: 16 for both, of which each part of a BAR takes one.
    let rig = Rig::board("rcar-gen4");
    let size = 1 << 20;
    let part = |function, index: u64| {
        let args = [index * 0x1000, 0x1000, MEMORY, EP_RAM + 2 * index * 0x1000];
        rig.command_of(function, Opcode::SetBarRange, 0, &args)
    };
    for function in [0, 1] {
        rig.ok_of(function, Opcode::SetBar, 0, &[size, 0, 0, 0]);
    }
    assert!((0..10).all(|index| part(0, index) == Status::Ok));
    assert!((0..6).all(|index| part(1, index) == Status::Ok));
    assert_eq!(part(1, 6), Status::NoWindow);
    rig.ok_of(0, Opcode::ClearBar, 0, &[]);
    assert_eq!(part(1, 6), Status::Ok);
    // J721E: one for each BAR of each function.
    let rig = Rig::board("j721e");
    for function in 0..6 {
        for bar in 0..6 {
            rig.ok_of(function, Opcode::SetBar, bar, &[0x1000, 0, MEMORY, EP_RAM]);
        }
    }
}
