// SPDX-License-Identifier: GPL-2.0
//! The register page as the EPC driver sees it.

mod common;

use common::{Rig, EP_RAM, WINDOW_SIZE};
use epc_regs::{bar, event, reg, Header, LinkState, Opcode, Status};

#[test]
fn identity_registers_are_constant() {
    let rig = Rig::trapped();
    for _ in 0..2 {
        assert_eq!(rig.read_reg(reg::MAGIC), u32::from_le_bytes(*b"EPCE"));
        assert_eq!(rig.read_reg(reg::VERSION), 0x0001_0003);
        assert_eq!(rig.read_reg(reg::DOORBELL_COUNT), 4);
        assert_eq!(rig.read_reg(reg::WINDOW_SIZE), WINDOW_SIZE as u32);
        assert_eq!(rig.read_reg(reg::PAGE_SIZE), 4096);
        for offset in [
            reg::MAGIC,
            reg::VERSION,
            reg::CAPS,
            reg::WINDOW_SIZE,
            reg::STATUS,
        ] {
            rig.write_reg(offset, u32::MAX);
        }
    }
}

#[test]
fn arguments_take_halves_and_wholes() {
    let rig = Rig::trapped();
    rig.write_reg(reg::ARG0 + 8, 0x5566_7788);
    rig.write_reg(reg::ARG0 + 12, 0x1122_3344);
    let whole = rig.ep.read(bar::REGISTERS as u32, reg::ARG0 + 8, 8);
    assert_eq!(whole, Ok(0x1122_3344_5566_7788u64.to_le_bytes().to_vec()));
    rig.ep
        .write(bar::REGISTERS as u32, reg::ARG0 + 24, &[0xab; 8])
        .expect("64 bits");
    assert_eq!(rig.read_reg(reg::ARG0 + 28), 0xabab_abab);
    assert_eq!(rig.read_reg(reg::ARG0 + 32), 0, "there are four arguments");
}

#[test]
fn odd_accesses_have_no_effect() {
    let rig = Rig::trapped();
    for (offset, size) in [(1, 4), (2, 2), (0, 1), (4, 8), (0, 3), (0x1ffe, 2), (0, 16)] {
        assert_eq!(rig.ep.read(0, offset, size), Ok(vec![0; size as usize]));
    }
    rig.ep
        .write(0, reg::EVENT_ENABLE, &[0xff])
        .expect("ignored");
    rig.ep.write(0, reg::COMMAND, &[0xff; 2]).expect("ignored");
    assert_eq!(rig.read_reg(reg::EVENT_ENABLE), 0);
    assert_eq!(rig.status(), Status::Ok);
}

#[test]
fn unknown_commands_say_so() {
    let rig = Rig::trapped();
    for opcode in [0, 15, 0xff, 0xffff] {
        rig.write_reg(reg::COMMAND, opcode);
        assert_eq!(rig.status(), Status::UnknownCommand, "opcode {opcode}");
    }
    rig.ok(Opcode::SetMsi, 1, &[]);
}

#[test]
fn capability_commands_check_their_range() {
    let rig = Rig::trapped();
    for count in [3, 5, 33, 64, 0xffff] {
        assert_eq!(
            rig.command(Opcode::SetMsi, count, &[]),
            Status::BadArgument,
            "{count} vectors"
        );
    }
    for count in [0, 1, 2, 4, 8, 16, 32] {
        rig.ok(Opcode::SetMsi, count, &[]);
    }
    assert_eq!(
        rig.command(Opcode::SetMsix, 2049, &[0, 0]),
        Status::BadArgument
    );
    assert_eq!(
        rig.command(Opcode::SetMsix, 1, &[6, 0]),
        Status::BadArgument,
        "no such BAR"
    );
    assert_eq!(
        rig.command(Opcode::SetMsix, 1, &[0, 4]),
        Status::BadArgument,
        "not aligned"
    );
    assert_eq!(
        rig.command(Opcode::SetMsix, 1, &[0, 1 << 32]),
        Status::BadArgument
    );
    rig.ok(Opcode::SetMsix, 2048, &[0, 0]);
    let five_pins = Header {
        interrupt_pin: 5,
        ..Default::default()
    };
    assert_eq!(
        rig.command(Opcode::WriteHeader, 0, &five_pins.to_args()),
        Status::BadArgument
    );
}

#[test]
fn start_and_stop_move_the_link() {
    let mut rig = Rig::trapped();
    rig.define();
    assert_eq!(rig.link(), LinkState::Down);
    rig.ok(Opcode::Start, 0, &[]);
    assert_eq!(rig.link(), LinkState::Waiting);
    rig.ok(Opcode::Stop, 0, &[]);
    assert_eq!(rig.link(), LinkState::Leaving);
    rig.endpoint.detached(false);
    assert_eq!(rig.link(), LinkState::Down);
    assert_eq!(rig.read_reg(reg::EVENT_STATUS), event::LINK_DOWN);
    rig.attach();
    assert_eq!(rig.link(), LinkState::Up);
    rig.rc = None;
    rig.endpoint.detached(true);
    assert_eq!(
        rig.link(),
        LinkState::Waiting,
        "the RC is gone, but wanted again"
    );
}

#[test]
fn attaching_after_a_stop_brings_no_link() {
    let rig = Rig::trapped();
    rig.ok(Opcode::Start, 0, &[]);
    rig.ok(Opcode::Stop, 0, &[]);
    rig.endpoint.attached();
    assert_eq!(rig.link(), LinkState::Leaving);
}

#[test]
fn reset_takes_everything_away() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.ok(Opcode::Map, 0, &[0, common::RC_RAM, 0x1000]);
    rig.write_reg(reg::EVENT_ENABLE, event::ALL);
    rig.attach();
    rig.ok(Opcode::Reset, 0, &[]);
    assert_eq!(rig.read_reg(reg::EVENT_ENABLE), 0);
    assert_eq!(rig.read_reg(reg::EVENT_STATUS), 0);
    assert_eq!(rig.command(Opcode::Unmap, 0, &[0]), Status::WindowConflict);
    rig.rc = None;
    rig.endpoint.detached(false);
    rig.attach();
    assert_eq!(rig.rc().config_u32(0), 0, "no header");
    assert_eq!(rig.rc().config_u32(0x10), 0, "no BAR");
}

#[test]
fn the_ep_going_takes_the_link_down() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.ep = common::serve(rig.endpoint.functions()[0].clone());
    while rig.endpoint.link() == LinkState::Up {
        std::thread::yield_now();
    }
    assert_eq!(rig.endpoint.link(), LinkState::Leaving);
    while rig.fabric.ep_memory.contains(EP_RAM, 1) {
        std::thread::yield_now();
    }
}
