// SPDX-License-Identifier: GPL-2.0
//! Interrupts in both directions.

mod common;

use common::client::irq_set;
use common::{Event, Rig};
use epc_emulator::vfio_user::message::{command, irq};
use epc_regs::{event, reg, Opcode, Status};

const BUS_MASTER: u16 = 0x0006;
const MSIX_CONTROL: u64 = 0x92;
const TABLE: u64 = 0x2000;
const PENDING: u64 = TABLE + 8 * 16;

/// A rig whose RC has enabled bus mastering and MSI-X, and unmasked vector 1.
fn with_msix() -> Rig {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.set_command(BUS_MASTER);
    rig.rc().config_write(MSIX_CONTROL, &[7, 0x80]);
    set_vector(&rig, 1, 0xfee0_1000, 0x4021, 0);
    rig
}

fn set_vector(rig: &Rig, vector: u64, address: u64, data: u32, control: u32) {
    let at = TABLE + 16 * vector;
    rig.rc()
        .write(0, at, &address.to_le_bytes())
        .expect("address");
    rig.rc()
        .write(0, at + 8, &data.to_le_bytes())
        .expect("data");
    rig.rc()
        .write(0, at + 12, &control.to_le_bytes())
        .expect("control");
}

#[test]
fn msi_needs_bus_mastering_and_an_enabled_vector() {
    let mut rig = Rig::trapped();
    rig.define();
    assert_eq!(rig.command(Opcode::RaiseMsi, 0, &[]), Status::LinkDown);
    rig.attach();
    let events = [Event::new(), Event::new()];
    rig.rc()
        .set_eventfds(irq::MSI, 0, &[&events[0], &events[1]])
        .expect("vectors");
    rig.rc().config_write(0x82, &[0x11, 0]);
    assert_eq!(
        rig.command(Opcode::RaiseMsi, 0, &[]),
        Status::NotEnabled,
        "no bus master"
    );
    rig.set_command(BUS_MASTER);
    rig.ok(Opcode::RaiseMsi, 1, &[]);
    assert_eq!((events[0].take(), events[1].take()), (0, 1));
    assert_eq!(
        rig.command(Opcode::RaiseMsi, 2, &[]),
        Status::NotEnabled,
        "two are enabled"
    );
    rig.rc().config_write(0x82, &[0x10, 0]);
    assert_eq!(
        rig.command(Opcode::RaiseMsi, 0, &[]),
        Status::NotEnabled,
        "disabled"
    );
}

#[test]
fn msi_vectors_can_be_taken_away() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.set_command(BUS_MASTER);
    rig.rc().config_write(0x82, &[0x01, 0]);
    let event = Event::new();
    rig.rc()
        .set_eventfds(irq::MSI, 0, &[&event])
        .expect("vector");
    let disable = irq_set(1 | 32, irq::MSI, 0, 0);
    rig.rc()
        .request(command::DEVICE_SET_IRQS, &disable)
        .expect("disable");
    assert_eq!(rig.command(Opcode::RaiseMsi, 0, &[]), Status::NotEnabled);
    assert_eq!(event.take(), 0);
}

#[test]
fn msix_writes_the_message_of_the_table() {
    let rig = with_msix();
    rig.ok(Opcode::RaiseMsix, 1, &[]);
    assert_eq!(
        rig.rc().dma_write(),
        (0xfee0_1000, 0x4021u32.to_le_bytes().to_vec())
    );
}

#[test]
fn msix_needs_bus_mastering_and_the_capability_enabled() {
    let rig = with_msix();
    assert_eq!(
        rig.command(Opcode::RaiseMsix, 8, &[]),
        Status::BadArgument,
        "vector 8 of 8"
    );
    rig.rc().config_write(MSIX_CONTROL, &[7, 0]);
    assert_eq!(rig.command(Opcode::RaiseMsix, 1, &[]), Status::NotEnabled);
    rig.rc().config_write(MSIX_CONTROL, &[7, 0x80]);
    rig.set_command(2);
    assert_eq!(rig.command(Opcode::RaiseMsix, 1, &[]), Status::NotEnabled);
    rig.ok(Opcode::Stop, 0, &[]);
    assert_eq!(rig.command(Opcode::RaiseMsix, 1, &[]), Status::LinkDown);
}

#[test]
fn masked_vectors_stay_pending_until_unmasked() {
    let rig = with_msix();
    set_vector(&rig, 1, 0xfee0_1000, 0x4021, 1);
    rig.ok(Opcode::RaiseMsix, 1, &[]);
    rig.ok(Opcode::RaiseMsix, 1, &[]);
    assert_eq!(
        rig.rc().read(0, PENDING, 8),
        Ok(vec![2, 0, 0, 0, 0, 0, 0, 0])
    );
    assert!(!rig.rc().has_dma_write());
    rig.rc().write(0, TABLE + 16 + 12, &[0; 4]).expect("unmask");
    assert_eq!(rig.rc().dma_write().0, 0xfee0_1000);
    assert_eq!(rig.rc().read(0, PENDING, 8), Ok(vec![0; 8]));
    assert!(!rig.rc().has_dma_write(), "pending is one bit");
}

#[test]
fn the_function_mask_holds_all_vectors_back() {
    let rig = with_msix();
    rig.rc().config_write(MSIX_CONTROL, &[7, 0xc0]);
    rig.ok(Opcode::RaiseMsix, 1, &[]);
    assert!(!rig.rc().has_dma_write());
    rig.rc().config_write(MSIX_CONTROL, &[7, 0x80]);
    assert_eq!(rig.rc().dma_write().0, 0xfee0_1000);
}

#[test]
fn vectors_are_masked_after_a_reset() {
    let rig = with_msix();
    rig.rc().request(command::DEVICE_RESET, &[]).expect("reset");
    assert_eq!(rig.rc().read(0, TABLE + 16 + 12, 4), Ok(vec![1, 0, 0, 0]));
    assert_eq!(rig.rc().read(0, TABLE + 16, 4), Ok(vec![0; 4]));
}

#[test]
fn intx_fires_again_while_the_line_is_high() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    let event = Event::new();
    rig.rc()
        .set_eventfds(irq::INTX, 0, &[&event])
        .expect("vector");
    rig.ok(Opcode::SetIntx, 1, &[]);
    assert_eq!(rig.rc().config(6, 1)[0] & 8, 8, "interrupt status");
    assert_eq!(event.take(), 1);
    let unmask = irq_set(1 | 16, irq::INTX, 0, 1);
    rig.rc()
        .request(command::DEVICE_SET_IRQS, &unmask)
        .expect("unmask");
    assert_eq!(event.take(), 1, "still high");
    rig.ok(Opcode::SetIntx, 0, &[]);
    rig.rc()
        .request(command::DEVICE_SET_IRQS, &unmask)
        .expect("unmask");
    assert_eq!(event.take(), 0);
    assert_eq!(rig.rc().config(6, 1)[0] & 8, 0);
    rig.set_command(0x0400);
    assert_eq!(
        rig.command(Opcode::SetIntx, 1, &[]),
        Status::NotEnabled,
        "disabled by the RC"
    );
    assert_eq!(rig.command(Opcode::SetIntx, 2, &[]), Status::BadArgument);
}

#[test]
fn events_interrupt_when_enabled_and_once_until_acknowledged() {
    let mut rig = Rig::trapped();
    rig.define();
    let vector = Event::new();
    rig.ep
        .set_eventfds(irq::MSIX, 0, &[&vector])
        .expect("vector");
    rig.write_reg(reg::EVENT_ENABLE, event::LINK_UP | event::FUNCTION_RESET);
    rig.attach();
    assert_eq!(vector.take(), 1);
    rig.set_command(BUS_MASTER);
    assert_eq!(vector.take(), 0, "not enabled");
    rig.rc().request(command::DEVICE_RESET, &[]).expect("reset");
    rig.rc().request(command::DEVICE_RESET, &[]).expect("reset");
    assert_eq!(vector.take(), 1, "one interrupt until acknowledged");
    let status = rig.read_reg(reg::EVENT_STATUS);
    assert_eq!(
        status,
        event::LINK_UP | event::BUS_MASTER | event::FUNCTION_RESET
    );
    rig.write_reg(reg::EVENT_STATUS, event::FUNCTION_RESET);
    rig.rc().request(command::DEVICE_RESET, &[]).expect("reset");
    assert_eq!(vector.take(), 1);
    rig.write_reg(reg::EVENT_ENABLE, event::BUS_MASTER);
    assert_eq!(vector.take(), 1, "waiting when it is enabled");
}
