// SPDX-License-Identifier: GPL-2.0
//! Boards: what the emulator refuses, each limit at its border.

mod common;

use common::{Event, Rig, EP_RAM, RC_RAM};
use epc_emulator::fabric::{Settings, WindowMode};
use epc_emulator::profile::{Profile, BUILTIN};
use epc_emulator::vfio_user::message::irq;
use epc_regs::{bar_flags, event, features, reg, Backing, LinkState, Opcode, Status};

const BUS_MASTER: u16 = 0x0006;
const MSI_CONTROL: u64 = 0x82;
const MEMORY: u64 = Backing::Memory as u64;
const MIB: u64 = 1 << 20;
const WIDE: u64 = bar_flags::MEM_64;

/// A rig of a board, whose RC has enabled bus mastering, and MSI if the board has it.
fn attached(board: &str) -> (Rig, Event) {
    let mut rig = Rig::board(board);
    rig.header();
    rig.ok(Opcode::SetMsi, 1, &[]);
    rig.attach();
    let msi = Event::new();
    rig.rc().set_eventfds(irq::MSI, 0, &[&msi]).expect("vector");
    rig.rc().config_write(MSI_CONTROL, &[1, 0]);
    rig.set_command(BUS_MASTER);
    (rig, msi)
}

fn map(rig: &Rig, window: u64) -> Status {
    rig.command(Opcode::Map, 0, &[window, RC_RAM, 0x1000])
}

fn set_bar(rig: &Rig, bar: u16, size: u64, flags: u64, address: u64) -> Status {
    rig.command(Opcode::SetBar, bar, &[size, flags, MEMORY, address])
}

/// Takes all windows of a board, `step` bytes apart; then one more is refused until one is given back.
fn windows_run_out(rig: &Rig, count: u64, step: u64) {
    for index in 0..count {
        assert_eq!(map(rig, index * step), Status::Ok, "window {index}");
    }
    assert_eq!(map(rig, count * step), Status::NoWindow);
    rig.ok(Opcode::Unmap, 0, &[step]);
    assert_eq!(map(rig, count * step), Status::Ok);
    assert_eq!(map(rig, step), Status::NoWindow);
}

#[test]
fn windows_run_out_where_the_board_has_no_more() {
    for (board, count, step) in [
        ("unlimited", 1024, 0x1000),
        ("rcar-gen4", 16, 0x1000),
        ("imx8mp", 4, 0x1_0000),
        ("imx95", 8, 0x1000),
        ("tegra234", 8, 0x1_0000),
        ("rk3588", 16, 0x1_0000),
        ("j721e", 30, 0x1000),
    ] {
        let (rig, _msi) = attached(board);
        // Both are on a 64 KiB boundary there, which RC_RAM is.
        windows_run_out(&rig, count, step);
    }
}

#[test]
fn a_space_that_is_one_page_takes_one_mapping_from_its_start() {
    let (rig, _msi) = attached("rcar-gen3");
    let spaces: Vec<_> = (0..4)
        .map(|index| {
            let at = reg::SPACE0 + index * reg::SPACE_STRIDE;
            let word = |field| u64::from(rig.read_reg(at + field));
            assert_eq!(word(reg::SPACE_SIZE), word(reg::SPACE_PAGE));
            (word(reg::SPACE_OFFSET), word(reg::SPACE_SIZE))
        })
        .collect();
    let sizes: Vec<_> = spaces.iter().map(|space| space.1).collect();
    assert_eq!(sizes, [MIB, 2 * MIB, 128 * MIB, 128 * MIB]);
    for &(offset, size) in &spaces {
        assert_eq!(offset % size, 0);
        assert_eq!(map(&rig, offset + 0x1000), Status::BadArgument);
        let whole = rig.command(Opcode::Map, 0, &[offset, RC_RAM, size]);
        assert_eq!(whole, Status::Ok);
        assert_eq!(map(&rig, offset), Status::WindowConflict);
    }
    let (first, size) = spaces.first().copied().expect("a space");
    rig.ok(Opcode::Unmap, 0, &[first]);
    let larger = rig.command(Opcode::Map, 0, &[first, RC_RAM, size + 0x1000]);
    assert_eq!(larger, Status::BadArgument);
    assert_eq!(map(&rig, first), Status::Ok);
}

#[test]
fn a_mapping_is_in_one_space() {
    let (rig, _msi) = attached("rcar-gen4");
    assert_eq!(map(&rig, 4 * MIB - 0x1000), Status::Ok);
    assert_eq!(map(&rig, 4 * MIB), Status::BadArgument);
}

#[test]
fn both_addresses_of_a_mapping_are_aligned() {
    let (rig, _msi) = attached("rk3588");
    let map = |window, pci| rig.command(Opcode::Map, 0, &[window, pci, 0x1000]);
    assert_eq!(map(0x8000, RC_RAM), Status::Unsupported);
    assert_eq!(map(0, RC_RAM + 0x8000), Status::Unsupported);
    assert_eq!(map(0x1_0000, RC_RAM + 0x1_0000), Status::Ok);
}

#[test]
fn some_boards_map_nothing_without_a_link() {
    let rig = Rig::board("rcar-gen3");
    assert_eq!(map(&rig, 0), Status::NoLink);
    let rig = Rig::board("imx95");
    assert_eq!(map(&rig, 0), Status::Ok);
}

#[test]
fn msi_holds_a_window_until_the_link_is_stopped() {
    let (rig, msi) = attached("imx8mp");
    for index in 0..4 {
        assert_eq!(map(&rig, index * 0x1_0000), Status::Ok);
    }
    assert_eq!(rig.command(Opcode::RaiseMsi, 0, &[]), Status::NoWindow);
    assert_eq!(msi.take(), 0);
    rig.ok(Opcode::Unmap, 0, &[0]);
    rig.ok(Opcode::RaiseMsi, 0, &[]);
    rig.ok(Opcode::RaiseMsi, 0, &[]);
    assert_eq!(msi.take(), 2);
    assert_eq!(map(&rig, 0), Status::NoWindow);
    rig.ok(Opcode::Stop, 0, &[]);
    assert_eq!(map(&rig, 0), Status::Ok);
}

#[test]
fn a_board_with_registers_for_interrupts_needs_no_window() {
    let (rig, msi) = attached("tegra234");
    for index in 0..8 {
        assert_eq!(map(&rig, index * 0x1_0000), Status::Ok);
    }
    rig.ok(Opcode::RaiseMsi, 0, &[]);
    assert_eq!(msi.take(), 1);
}

#[test]
fn an_msix_message_needs_a_window_and_keeps_none() {
    let rig = with_msix("rk3588");
    for index in 0..15 {
        assert_eq!(map(&rig, index * 0x1_0000), Status::Ok);
    }
    unmask(&rig);
    rig.ok(Opcode::RaiseMsix, 0, &[]);
    rig.rc().dma_write();
    assert_eq!(map(&rig, 15 * 0x1_0000), Status::Ok);
    assert_eq!(rig.command(Opcode::RaiseMsix, 0, &[]), Status::NoWindow);
}

/// A rig whose RC has enabled MSI-X with one vector, which is masked.
fn with_msix(board: &str) -> Rig {
    let mut rig = Rig::board(board);
    rig.header();
    assert_eq!(set_bar(&rig, 0, MIB, 0, EP_RAM), Status::Ok);
    rig.ok(Opcode::SetMsix, 1, &[0, 0]);
    rig.attach();
    rig.set_command(BUS_MASTER);
    rig.rc().config_write(0x92, &[0, 0x80]);
    rig.rc()
        .write(0, 0, &0xfee0_1000u64.to_le_bytes())
        .expect("address");
    rig
}

fn unmask(rig: &Rig) {
    rig.rc().write(0, 12, &[0; 4]).expect("control");
}

#[test]
fn a_masked_vector_is_pending_refused_or_sent() {
    let rig = with_msix("unlimited");
    rig.ok(Opcode::RaiseMsix, 0, &[]);
    unmask(&rig);
    assert_eq!(rig.rc().dma_write().0, 0xfee0_1000);

    let rig = with_msix("rk3588");
    assert_eq!(rig.command(Opcode::RaiseMsix, 0, &[]), Status::NotEnabled);
    assert_eq!(rig.rc().read(0, 16, 4), Ok(vec![0; 4]), "not pending");

    let rig = with_msix("j721e");
    rig.ok(Opcode::RaiseMsix, 0, &[]);
    assert_eq!(rig.rc().dma_write().0, 0xfee0_1000);
}

#[test]
fn a_fixed_bar_has_one_size_and_width() {
    let rig = Rig::board("rcar-gen3");
    for (bar, size) in [(0, 128), (2, 256), (4, 256)] {
        for wrong in [size / 2, size * 2] {
            assert_eq!(set_bar(&rig, bar, wrong, WIDE, EP_RAM), Status::Unsupported);
        }
        assert_eq!(set_bar(&rig, bar, size, 0, EP_RAM), Status::Unsupported);
        assert_eq!(set_bar(&rig, bar, size, WIDE, EP_RAM), Status::Ok);
    }
}

#[test]
fn a_resizable_bar_has_a_mebibyte_at_least() {
    let rig = Rig::board("rk3588");
    assert_eq!(set_bar(&rig, 0, MIB / 2, 0, EP_RAM), Status::Unsupported);
    assert_eq!(set_bar(&rig, 0, MIB, 0, EP_RAM), Status::Ok);
}

#[test]
fn reserved_and_disabled_bars_are_refused() {
    let rig = Rig::board("rk3588");
    assert_eq!(set_bar(&rig, 4, MIB, 0, EP_RAM), Status::Unsupported);
    let rig = Rig::board("imx8mp");
    for bar in [1, 3, 5] {
        let status = set_bar(&rig, bar, 0x1_0000, 0, EP_RAM);
        assert_eq!(status, Status::Unsupported, "BAR {bar}");
    }
}

#[test]
fn memory_behind_a_bar_is_aligned_where_the_board_checks_it() {
    let rig = Rig::board("imx8mp");
    let set = |size, address| set_bar(&rig, 0, size, 0, EP_RAM + address);
    assert_eq!(set(0x1000, 0x8000), Status::Unsupported, "align");
    assert_eq!(set(0x2_0000, 0x1_0000), Status::Unsupported, "size");
    assert_eq!(set(0x2_0000, 0x2_0000), Status::Ok);
    let part = |offset, size, address| {
        let args = [offset, size, MEMORY, EP_RAM + address];
        rig.command(Opcode::SetBarRange, 0, &args)
    };
    assert_eq!(part(0x1000, 0x1_0000, 0), Status::Unsupported);
    assert_eq!(part(0x1_0000, 0x1000, 0), Status::Unsupported);
    assert_eq!(part(0x1_0000, 0x1_0000, 0x1000), Status::Unsupported);
    assert_eq!(part(0x1_0000, 0x1_0000, 0), Status::Ok);
    let rig = Rig::board("j721e");
    assert_eq!(set_bar(&rig, 0, 0x1000, 0, EP_RAM + 0x80), Status::Ok);
}

#[test]
fn each_part_of_a_bar_takes_an_inbound_window() {
    let rig = Rig::board("tegra234");
    let part = |index: u64| {
        // Addresses go down, so that no part continues the one before.
        let address = EP_RAM + 0x8_0000 - index * 0x1_0000;
        let args = [index * 0x1_0000, 0x1_0000, MEMORY, address];
        rig.command(Opcode::SetBarRange, 0, &args)
    };
    let nothing = [0x4_0000, WIDE, Backing::None as u64, 0];
    rig.ok(Opcode::SetBar, 0, &nothing);
    assert_eq!((part(0), part(1)), (Status::Ok, Status::Ok));
    assert_eq!(part(2), Status::NoWindow);
    let clear = [0, 0x1_0000, Backing::None as u64, 0];
    rig.ok(Opcode::SetBarRange, 0, &clear);
    assert_eq!(part(2), Status::Ok);
}

#[test]
fn interrupts_that_a_board_lacks_are_refused() {
    let (rig, _msi) = attached("imx95");
    assert_eq!(rig.command(Opcode::SetIntx, 1, &[]), Status::Unsupported);
    assert_eq!(rig.command(Opcode::RaiseMsix, 0, &[]), Status::Unsupported);
    let rig = Rig::board("imx95");
    assert_eq!(rig.command(Opcode::SetMsi, 32, &[]), Status::Ok);
    assert_eq!(
        rig.command(Opcode::SetMsix, 1, &[0, 0]),
        Status::Unsupported
    );
    assert_eq!(rig.command(Opcode::SetMsix, 0, &[0, 0]), Status::Ok);
}

#[test]
fn counts_of_vectors_end_where_the_profile_says() {
    let text = BUILTIN[0].text;
    let text = text.replace("msi = 32", "msi = 4");
    let text = text.replace("vectors = 2048", "vectors = 3");
    let profile = Profile::parse("few.toml", &text).expect("profile");
    let rig = Rig::with(Settings {
        profile,
        window_mode: WindowMode::Trapped,
        trap_bars: false,
    });
    assert_eq!(rig.command(Opcode::SetMsi, 8, &[]), Status::Unsupported);
    assert_eq!(rig.command(Opcode::SetMsi, 4, &[]), Status::Ok);
    assert_eq!(
        rig.command(Opcode::SetMsix, 4, &[0, 0]),
        Status::Unsupported
    );
    assert_eq!(rig.command(Opcode::SetMsix, 3, &[0, 0]), Status::Ok);
    let told = (rig.read_reg(reg::MSI_MAX), rig.read_reg(reg::MSIX_MAX));
    assert_eq!(told, (4, 3));
}

#[test]
fn events_that_a_board_lacks_do_not_happen() {
    let (rig, _msi) = attached("rcar-gen3");
    assert_eq!(rig.link(), LinkState::Up);
    assert_eq!(rig.read_reg(reg::EVENT_STATUS), 0);
    assert_eq!(rig.read_reg(reg::FEATURES) & features::LINK_UP, 0);
    let (rig, _msi) = attached("tegra234");
    rig.endpoint.detached(false);
    assert_eq!(rig.read_reg(reg::EVENT_STATUS), event::LINK_UP);
    assert_eq!(
        rig.read_reg(reg::FEATURES) & features::LINK_UP,
        features::LINK_UP
    );
}

#[test]
fn only_a_dynamic_board_says_that_bars_move() {
    for (board, dynamic) in [("rk3588", true), ("j721e", false)] {
        let rig = Rig::with(Settings {
            profile: Profile::load(board).expect("profile"),
            window_mode: WindowMode::Trapped,
            trap_bars: true,
        });
        let told = rig.read_reg(reg::CAPS) & epc_regs::caps::DYNAMIC_INBOUND != 0;
        assert_eq!(told, dynamic, "{board}");
    }
}
