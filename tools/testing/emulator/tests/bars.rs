// SPDX-License-Identifier: GPL-2.0
//! BARs of the function: what is mapped, what is trapped, and what stands behind a trapped byte.

mod common;

use std::os::unix::fs::FileExt;

use common::client::region_info;
use common::{Event, Rig, EP_RAM, RAM_SIZE};
use epc_emulator::fabric::WindowMode;
use epc_emulator::function::bars::{Bar, Target};
use epc_emulator::vfio_user::message::irq;
use epc_regs::{Opcode, Status};
use proptest::prelude::*;

const MEMORY: u64 = 1;
const DOORBELL: u64 = 2;

/// Offset in the file and areas of a region that a client may map.
fn mappable(rig: &Rig, bar: u32) -> Option<(u64, Vec<(u64, u64)>)> {
    let (short, file) = region_info(rig.rc(), bar, 32);
    let word =
        |reply: &[u8], at: usize| u64::from_le_bytes(reply[at..at + 8].try_into().expect("word"));
    let needed = u32::from_le_bytes(short[..4].try_into().expect("size"));
    assert!(file.is_none(), "no file without the list of areas");
    if needed == 32 {
        return None;
    }
    let (reply, file) = region_info(rig.rc(), bar, needed);
    assert_eq!(reply.len(), needed as usize);
    assert!(file.is_some());
    let areas = reply[48..]
        .chunks_exact(16)
        .map(|area| (word(area, 0), word(area, 8)));
    Some((word(&reply, 24), areas.collect()))
}

#[test]
fn pages_of_memory_are_mappable_except_those_with_msix() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    let expected = vec![(0, 0x2000), (0x3000, 0xd000)];
    assert_eq!(mappable(&rig, 0), Some((0x10_0000, expected)));
    assert_eq!(mappable(&rig, 1), None);
}

#[test]
fn small_and_unaligned_bars_are_trapped() {
    let mut rig = Rig::trapped();
    rig.header();
    rig.ok(Opcode::SetBar, 0, &[512, 0, MEMORY, EP_RAM + 0x200]);
    rig.ok(Opcode::SetBar, 1, &[0x2000, 0, MEMORY, EP_RAM + 0x200]);
    rig.attach();
    assert_eq!(mappable(&rig, 0), None);
    assert_eq!(mappable(&rig, 1), None);
    rig.rc().write(0, 0x10, &[1, 2, 3, 4]).expect("write");
    assert_eq!(rig.ep_memory(EP_RAM + 0x210, 4), [1, 2, 3, 4]);
    rig.ep_ram.write_all_at(&[9; 8], 0x300).expect("EP memory");
    assert_eq!(rig.rc().read(1, 0x100, 8), Ok(vec![9; 8]));
}

#[test]
fn every_bar_is_trapped_on_request() {
    let mut rig = Rig::new(WindowMode::Trapped, true);
    rig.define();
    rig.attach();
    assert_eq!(mappable(&rig, 0), None);
}

#[test]
fn memory_beside_the_msix_table_reaches_the_ep() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.rc().write(0, 0x2ff8, &[5; 8]).expect("write");
    assert_eq!(rig.ep_memory(EP_RAM + 0x10_2ff8, 8), [5; 8]);
    rig.rc().write(0, 0x2000, &[6; 8]).expect("table");
    assert_eq!(
        rig.ep_memory(EP_RAM + 0x10_2000, 8),
        [0; 8],
        "the table is the emulator's"
    );
    assert_eq!(rig.rc().read(0, 0x2000, 8), Ok(vec![6; 8]));
}

#[test]
fn one_access_may_cross_table_and_memory() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    // The pending bits end at 0x2088; they are read-only.
    rig.rc().write(0, 0x2078, &[0xee; 0x18]).expect("write");
    let read = rig.rc().read(0, 0x2078, 0x18).expect("read");
    assert_eq!(read[..8], [0xee; 8], "table");
    assert_eq!(read[8..16], [0; 8], "pending bits");
    assert_eq!(read[16..], [0xee; 8], "memory");
}

#[test]
fn sub_ranges_have_backings_of_their_own() {
    let mut rig = Rig::trapped();
    rig.header();
    rig.ok(Opcode::SetBar, 0, &[0x8000, 0, 0, 0]);
    rig.ok(
        Opcode::SetBarRange,
        0,
        &[0x0000, 0x2000, MEMORY, EP_RAM + 0x10_0000],
    );
    rig.ok(
        Opcode::SetBarRange,
        0,
        &[0x4000, 0x1000, MEMORY, EP_RAM + 0x10_4000],
    );
    rig.ok(Opcode::SetBarRange, 0, &[0x6000, 0x1000, MEMORY, EP_RAM]);
    rig.ok(Opcode::SetBarRange, 0, &[0x7000, 0x1000, DOORBELL, 0]);
    rig.attach();
    // The second memory range has the same distance to the file as the first, the third has not.
    assert_eq!(
        mappable(&rig, 0),
        Some((0x10_0000, vec![(0, 0x2000), (0x4000, 0x1000)]))
    );
    rig.rc().write(0, 0x6004, &[3; 4]).expect("write");
    assert_eq!(rig.ep_memory(EP_RAM + 4, 4), [3; 4]);
    rig.rc()
        .write(0, 0x2000, &[3; 4])
        .expect("write to nothing");
    assert_eq!(rig.rc().read(0, 0x2000, 4), Ok(vec![0; 4]));
}

#[test]
fn doorbells_interrupt_the_ep_once_per_write() {
    let mut rig = Rig::trapped();
    let events = [Event::new(), Event::new()];
    rig.ep
        .set_eventfds(irq::MSIX, 1, &[&events[0], &events[1]])
        .expect("vectors");
    rig.header();
    rig.ok(Opcode::SetBar, 2, &[0x1000, 0, DOORBELL, 0]);
    rig.ok(Opcode::SetBar, 3, &[16, 0, DOORBELL, 4]);
    rig.attach();
    rig.rc().write(2, 0, &[0; 4]).expect("doorbell 0");
    assert_eq!((events[0].take(), events[1].take()), (1, 0));
    rig.rc().write(2, 4, &[1; 4]).expect("doorbell 1");
    rig.rc().write(3, 0, &[1; 4]).expect("doorbell 1");
    assert_eq!((events[0].take(), events[1].take()), (0, 2));
    rig.rc().write(2, 4 * 4, &[1; 4]).expect("beyond the last");
    rig.rc().write(2, 0xffc, &[1; 4]).expect("beyond the last");
    assert_eq!((events[0].take(), events[1].take()), (0, 0));
    assert_eq!(rig.rc().read(2, 0, 4), Ok(vec![0; 4]));
    rig.ep.write(0, 0x1000, &[1; 4]).expect("the EP's own view");
    assert_eq!(events[0].take(), 1);
}

#[test]
fn trapped_pages_move_while_attached_and_mapped_ones_do_not() {
    let mut rig = Rig::trapped();
    rig.header();
    rig.ok(Opcode::SetBar, 0, &[0x1_0000, 0, MEMORY, EP_RAM]);
    rig.ok(Opcode::SetBar, 1, &[512, 0, MEMORY, EP_RAM + 0x1_0000]);
    rig.attach();
    let event = Event::new();
    rig.ep
        .set_eventfds(irq::MSIX, 1, &[&event])
        .expect("vector");
    rig.ok(Opcode::SetBar, 1, &[512, 0, DOORBELL, 0]);
    rig.rc().write(1, 0, &[1; 4]).expect("doorbell");
    assert_eq!(event.take(), 1);
    rig.ok(Opcode::SetBar, 1, &[512, 0, MEMORY, EP_RAM + 0x1_0000]);
    rig.rc().write(1, 0, &[1; 4]).expect("memory");
    assert_eq!(event.take(), 0);

    rig.ok(Opcode::SetBar, 0, &[0x1_0000, 0, MEMORY, EP_RAM]);
    let moved = rig.command(Opcode::SetBar, 0, &[0x1_0000, 0, MEMORY, EP_RAM + 0x1000]);
    assert_eq!(moved, Status::LinkActive);
    let grown = rig.command(Opcode::SetBar, 1, &[1024, 0, MEMORY, EP_RAM]);
    assert_eq!(grown, Status::LinkActive);
}

#[test]
fn trapped_bars_move_wholly() {
    let mut rig = Rig::new(WindowMode::Trapped, true);
    rig.define();
    rig.attach();
    rig.ok(
        Opcode::SetBar,
        0,
        &[0x1_0000, 0, MEMORY, EP_RAM + 0x20_0000],
    );
    rig.rc().write(0, 0x8000, &[1; 4]).expect("write");
    assert_eq!(rig.ep_memory(EP_RAM + 0x20_8000, 4), [1; 4]);
}

#[test]
fn bars_show_all_ones_where_the_ep_has_no_memory() {
    let mut rig = Rig::trapped();
    rig.header();
    // Mainline's pci-epf-vntb defines its memory windows so, and moves them once both sides are up.
    rig.ok(Opcode::SetBar, 0, &[0x1_0000, 0, MEMORY, 0]);
    let last = EP_RAM + RAM_SIZE - 0x1000;
    rig.ok(Opcode::SetBar, 1, &[0x2000, 0, MEMORY, last]);
    rig.ok(Opcode::SetBar, 2, &[0x2000, 0, 0, 0]);
    rig.ok(Opcode::SetBarRange, 2, &[0x1000, 0x1000, MEMORY, 0]);
    rig.attach();
    assert_eq!(mappable(&rig, 0), None);
    assert_eq!(
        mappable(&rig, 1),
        Some((RAM_SIZE - 0x1000, vec![(0, 0x1000)]))
    );
    for (bar, offset) in [(0, 0), (0, 0xfff8), (1, 0x1000), (2, 0x1000)] {
        rig.rc().write(bar, offset, &[5; 8]).expect("write");
        assert_eq!(rig.rc().read(bar, offset, 8), Ok(vec![0xff; 8]));
    }
    rig.rc().write(1, 0xff8, &[5; 8]).expect("write");
    assert_eq!(rig.ep_memory(last + 0xff8, 8), [5; 8]);

    rig.ok(
        Opcode::SetBar,
        0,
        &[0x1_0000, 0, MEMORY, EP_RAM + 0x10_0000],
    );
    rig.rc().write(0, 0x8000, &[7; 8]).expect("write");
    assert_eq!(rig.ep_memory(EP_RAM + 0x10_8000, 8), [7; 8]);
}

#[test]
fn a_cleared_bar_reads_zero_and_keeps_its_place() {
    let mut rig = Rig::trapped();
    rig.define();
    rig.attach();
    rig.rc().write(0, 0x2ff8, &[5; 8]).expect("write");
    rig.ok(Opcode::ClearBar, 0, &[]);
    assert_eq!(rig.rc().read(0, 0x2ff8, 8), Ok(vec![0; 8]));
}

#[test]
fn impossible_bars_are_refused() {
    let rig = Rig::trapped();
    let set = |bar, args: &[u64; 4]| rig.command(Opcode::SetBar, bar, args);
    assert_eq!(
        set(0, &[0x3000, 0, 0, 0]),
        Status::BadArgument,
        "no power of two"
    );
    assert_eq!(set(0, &[0, 0, 0, 0]), Status::BadArgument, "empty");
    assert_eq!(set(0, &[8, 0, 0, 0]), Status::BadArgument, "too small");
    assert_eq!(
        set(0, &[1 << 32, 0, 0, 0]),
        Status::BadArgument,
        "too large for 32 bits"
    );
    assert_eq!(
        set(0, &[1 << 41, 4, 0, 0]),
        Status::BadArgument,
        "too large"
    );
    assert_eq!(set(0, &[0x1000, 1, 0, 0]), Status::BadArgument, "I/O");
    assert_eq!(
        set(0, &[0x1000, 0, 3, 0]),
        Status::BadArgument,
        "no such backing"
    );
    assert_eq!(
        set(5, &[0x1000, 4, 0, 0]),
        Status::BadArgument,
        "BAR 5 has no upper half"
    );
    assert_eq!(
        set(6, &[0x1000, 0, 0, 0]),
        Status::BadArgument,
        "no such BAR"
    );
    assert_eq!(
        set(0, &[0x1000, 0, MEMORY, u64::MAX]),
        Status::BadAddress,
        "wraps around"
    );
    assert_eq!(
        set(0, &[0x2000, 0, DOORBELL, 0]),
        Status::BadAddress,
        "larger than the doorbell page"
    );
    rig.ok(Opcode::SetBar, 2, &[0x1000, 4, 0, 0]);
    assert_eq!(
        set(3, &[0x1000, 0, 0, 0]),
        Status::BadArgument,
        "upper half of BAR 2"
    );
    assert_eq!(
        set(1, &[0x1000, 4, 0, 0]),
        Status::BadArgument,
        "BAR 2 is in the way"
    );
    let range = |args: &[u64; 4]| rig.command(Opcode::SetBarRange, 2, args);
    assert_eq!(
        range(&[0x800, 0x1000, 0, 0]),
        Status::BadArgument,
        "leaves the BAR"
    );
    assert_eq!(
        range(&[u64::MAX, 0x1000, 0, 0]),
        Status::BadArgument,
        "wraps around"
    );
    assert_eq!(
        rig.command(Opcode::SetBarRange, 4, &[0, 16, 0, 0]),
        Status::BadArgument
    );
    assert_eq!(rig.command(Opcode::ClearBar, 4, &[]), Status::BadArgument);
    assert_eq!(
        rig.command(Opcode::ClearBar, 0xffff, &[]),
        Status::BadArgument
    );
}

proptest! {
    /// However a BAR is split, an access is covered by its runs exactly once and in order.
    #[test]
    fn resolving_covers_an_access(
        splits in proptest::collection::vec((0u64..0x1000, 1u64..0x1000, any::<bool>()), 0..12),
        offset in 0u64..0x1000,
        size in 1u64..0x1000,
    ) {
        let mut bar = Bar::new(0, 0x1000, 0, Target::Nothing).expect("BAR");
        for (at, length, memory) in splits {
            let target = if memory { Target::Memory(EP_RAM + at) } else { Target::Doorbell(at) };
            bar = bar.with_range(at, length.min(0x1000 - at), target).expect("range");
        }
        let mut next = offset;
        for run in bar.resolve(offset, size, None) {
            prop_assert_eq!(run.offset, next);
            prop_assert!(run.size > 0);
            next += run.size;
        }
        prop_assert_eq!(next, (offset + size).min(0x1000));
    }
}
