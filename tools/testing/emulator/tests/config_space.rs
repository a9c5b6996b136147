// SPDX-License-Identifier: GPL-2.0
//! Configuration space of the function, as the RC sees it.

mod common;

use common::{Rig, EP_RAM};
use epc_regs::{event, reg, LinkState, Opcode, Status};

/// Walks the capability list; returns ids and offsets.
fn capabilities(config: &[u8]) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    let mut at = config[0x34];
    while at != 0 && found.len() < 16 {
        found.push((config[usize::from(at)], at));
        at = config[usize::from(at) + 1];
    }
    found
}

#[test]
fn header_is_what_the_ep_wrote() {
    let mut rig = Rig::trapped();
    rig.define();
    let rc = rig.attach();
    assert_eq!(rc.config_u32(0x00), 0xb500_104c);
    assert_eq!(rc.config_u32(0x08), 0xff00_0000);
    assert_eq!(rc.config_u32(0x2c), 0x0001_1af4);
    assert_eq!(rc.config(0x3d, 1), [1], "interrupt pin");
}

#[test]
fn identity_cannot_be_written() {
    let mut rig = Rig::trapped();
    rig.define();
    let rc = rig.attach();
    for offset in [0x00, 0x08, 0x2c, 0x34] {
        let before = rc.config_u32(offset);
        rc.config_write(offset, &[0xff; 4]);
        assert_eq!(rc.config_u32(offset), before, "offset {offset:#x}");
    }
}

#[test]
fn capabilities_are_chained() {
    let mut rig = Rig::trapped();
    rig.define();
    let rc = rig.attach();
    let config: Vec<u8> = (0..1024).flat_map(|word| rc.config(4 * word, 4)).collect();
    assert_eq!(
        capabilities(&config),
        [(0x10, 0x40), (0x05, 0x80), (0x11, 0x90)]
    );
    assert_eq!(config[0x92], 7, "eight MSI-X vectors");
    assert_eq!(config[0x94..0x98], 0x2000u32.to_le_bytes(), "table");
    assert_eq!(config[0x98..0x9c], 0x2080u32.to_le_bytes(), "pending bits");
    assert_eq!(config[0x82], 0x84, "four MSI vectors, 64-bit address");
}

#[test]
fn one_read_of_the_whole_space_hides_msix() {
    let mut rig = Rig::trapped();
    rig.define();
    let rc = rig.attach();
    let config = rc.config(0, 4096);
    assert_eq!(
        capabilities(&config),
        [(0x10, 0x40), (0x05, 0x80), (0x09, 0x90)]
    );
    assert_eq!(config[0x92], 12, "length of a vendor-specific capability");
}

#[test]
fn absent_capabilities_are_not_there() {
    let mut rig = Rig::trapped();
    rig.header();
    let rc = rig.attach();
    assert_eq!(capabilities(&rc.config(0, 256)), [(0x10, 0x40)]);
    rc.config_write(0x82, &[0xff, 0xff]);
    rc.config_write(0x92, &[0xff, 0xff]);
    assert_eq!(rig.read_reg(reg::MSI_ENABLED), 0);
    assert_eq!(rig.read_reg(reg::MSIX_ENABLED), 0);
}

#[test]
fn msix_without_its_bar_is_left_out() {
    let mut rig = Rig::trapped();
    rig.header();
    rig.ok(Opcode::SetMsix, 8, &[3, 0]);
    let rc = rig.attach();
    assert_eq!(capabilities(&rc.config(0, 256)), [(0x10, 0x40)]);
}

#[test]
fn bars_are_sized_as_the_specification_says() {
    let mut rig = Rig::trapped();
    rig.header();
    rig.ok(Opcode::SetBar, 0, &[0x1_0000, 0, 1, EP_RAM]);
    rig.ok(Opcode::SetBar, 2, &[1 << 33, 0xc, 0, 0]);
    let rc = rig.attach();
    for offset in [0x10, 0x14, 0x18, 0x1c] {
        rc.config_write(offset, &[0xff; 4]);
    }
    assert_eq!(rc.config_u32(0x10), 0xffff_0000);
    assert_eq!(rc.config_u32(0x14), 0);
    assert_eq!(rc.config_u32(0x18), 0x0000_000c);
    assert_eq!(rc.config_u32(0x1c), 0xffff_fffe);
}

#[test]
fn the_ep_sees_what_the_rc_enabled() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.set_command(0x0006);
    rig.rc().config_write(0x82, &[0x21, 0]);
    rig.rc().config_write(0x92, &[0x07, 0x80]);
    assert_eq!(rig.read_reg(reg::PCI_COMMAND), 6);
    assert_eq!(rig.read_reg(reg::MSI_ENABLED), 4);
    assert_eq!(rig.read_reg(reg::MSIX_ENABLED), 8);
    assert_eq!(
        rig.read_reg(reg::EVENT_STATUS),
        event::LINK_UP | event::BUS_MASTER
    );
}

#[test]
fn more_msi_vectors_than_offered_are_not_given() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.rc().config_write(0x82, &[0x71, 0]);
    assert_eq!(rig.read_reg(reg::MSI_ENABLED), 4);
}

#[test]
fn function_level_reset_clears_what_the_rc_wrote() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.set_command(0x0006);
    rig.rc().config_write(0x92, &[0x07, 0x80]);
    rig.write_reg(reg::EVENT_STATUS, event::ALL);
    rig.rc().config_write(0x48, &[0x00, 0x80]);
    assert_eq!(rig.read_reg(reg::PCI_COMMAND), 0);
    assert_eq!(rig.read_reg(reg::MSIX_ENABLED), 0);
    assert_eq!(
        rig.read_reg(reg::EVENT_STATUS),
        event::FUNCTION_RESET | event::BUS_MASTER
    );
    assert_eq!(rig.rc().config_u32(0x48) & 0x8000, 0, "the bit reads zero");
    assert_eq!(rig.rc().config_u32(0), 0xb500_104c, "the definition stays");
    assert_eq!(rig.link(), LinkState::Up);
}

#[test]
fn a_stopped_function_reads_all_ones() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.ok(Opcode::Stop, 0, &[]);
    assert_eq!(rig.link(), LinkState::Leaving);
    assert_eq!(rig.rc().config_u32(0), u32::MAX);
    assert_eq!(rig.rc().read(0, 0x2000, 4), Ok(vec![0xff; 4]));
    rig.rc().config_write(4, &[6, 0]);
    assert_eq!(rig.read_reg(reg::PCI_COMMAND), 0);
    rig.endpoint.detached(false);
    assert_eq!(rig.link(), LinkState::Down);
    assert!(rig.read_reg(reg::EVENT_STATUS) & event::LINK_DOWN != 0);
}

#[test]
fn the_definition_is_frozen_while_the_link_is_not_down() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    assert_eq!(
        rig.command(Opcode::WriteHeader, 0, &[0, 0]),
        Status::LinkActive
    );
    assert_eq!(rig.command(Opcode::SetMsi, 1, &[]), Status::LinkActive);
    assert_eq!(rig.command(Opcode::SetMsix, 1, &[0, 0]), Status::LinkActive);
    assert_eq!(
        rig.command(Opcode::SetBar, 1, &[0x1000, 0, 0, 0]),
        Status::LinkActive
    );
}
