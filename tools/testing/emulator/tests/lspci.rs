// SPDX-License-Identifier: GPL-2.0
//! What the stock lspci makes of the function of each board: `lspci/BOARD.txt`.
//!
//! Its lspci is that of the RC's image, so that all see the same version; where there is no image, that of the
//! host. `UPDATE_LSPCI=1` writes the files anew; look at the difference before it is committed.

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Rig, EP_RAM};
use epc_emulator::profile::BUILTIN;
use epc_regs::{bar_flags, reg, BarKind, Opcode, Status, BAR_COUNT, BAR_ONLY_64BIT, RESIZABLE_MIN};

/// Bytes of the configuration space.
const CONFIG_SIZE: u64 = 4096;
/// Offset of the first base address register.
const BAR0: u64 = 0x10;
/// Where the RC puts the first BAR, and the distance to the next.
const BAR_ADDRESS: u32 = 0xf000_0000;
const BAR_DISTANCE: u32 = 0x0100_0000;
/// Bytes of a BAR whose size is free: room for the table of 2048 vectors.
const BAR_SIZE: u64 = 0x1_0000;
/// Memory and bus master.
const COMMAND: u16 = 0x0006;

/// Defines as much of a function as the board can have.
fn define(rig: &Rig) {
    rig.header();
    let mut first = None;
    let mut next = 0;
    for bar in 0..BAR_COUNT as u64 {
        let at = reg::BAR0 + bar * reg::BAR_STRIDE;
        let raw = rig.read_reg(at + reg::BAR_KIND);
        let size = match BarKind::from_raw(raw & 0xff).expect("kind") {
            BarKind::Programmable => BAR_SIZE,
            BarKind::Resizable => RESIZABLE_MIN,
            BarKind::Fixed => u64::from(rig.read_reg(at + reg::BAR_SIZE)),
            BarKind::Reserved | BarKind::Disabled => continue,
        };
        if bar < next {
            continue;
        }
        let wide = raw & BAR_ONLY_64BIT != 0;
        let flags = if wide { bar_flags::MEM_64 } else { 0 };
        next = bar + if wide { 2 } else { 1 };
        first.get_or_insert(bar);
        let args = [size, flags, 1, EP_RAM + RESIZABLE_MIN];
        match rig.command(Opcode::SetBar, bar as u16, &args) {
            Status::Ok => {}
            // A board may have fewer inbound windows than BARs.
            Status::NoWindow => break,
            other => panic!("BAR {bar} is refused: {other:?}"),
        }
    }
    rig.ok(Opcode::SetMsi, rig.read_reg(reg::MSI_MAX) as u16, &[]);
    let vectors = rig.read_reg(reg::MSIX_MAX) as u16;
    if vectors > 0 {
        rig.ok(Opcode::SetMsix, vectors, &[first.expect("BAR"), 0]);
    }
}

/// Does what the RC's system does: gives the BARs addresses, and switches memory on.
fn enumerate(rig: &Rig) {
    let rc = rig.rc();
    for bar in 0..BAR_COUNT as u32 {
        let offset = BAR0 + 4 * u64::from(bar);
        rc.config_write(offset, &[0xff; 4]);
        // The upper half of a wide BAR, and one that is not there, have no address of their own.
        let is_low = rc.config_u32(offset) & 0xffff_fff0 != 0 && !is_upper(rig, bar);
        let address = if is_low {
            BAR_ADDRESS + bar * BAR_DISTANCE
        } else {
            0
        };
        rc.config_write(offset, &address.to_le_bytes());
    }
    rig.set_command(COMMAND);
}

/// Says whether a register is the upper half of the BAR before it.
fn is_upper(rig: &Rig, bar: u32) -> bool {
    let below = bar.checked_sub(1).map(|below| {
        let value = rig.rc().config_u32(BAR0 + 4 * u64::from(below));
        value & bar_flags::MEM_64 as u32 != 0 && !is_upper(rig, below)
    });
    below.unwrap_or(false)
}

/// The configuration space as lspci reads it from a file.
fn dump(rig: &Rig) -> String {
    let mut text = String::from("01:00.0 endpoint\n");
    for line in (0..CONFIG_SIZE).step_by(16) {
        write!(text, "{line:02x}:").expect("text");
        for word in (line..line + 16).step_by(4) {
            for byte in rig.rc().config(word, 4) {
                write!(text, " {byte:02x}").expect("text");
            }
        }
        text.push('\n');
    }
    text
}

fn lspci() -> Command {
    let root = std::env::var_os("CACHE").map(|cache| PathBuf::from(cache).join("rc-image/root"));
    match root.filter(|root| root.join("usr/bin/lspci").exists()) {
        None => Command::new("lspci"),
        Some(root) => {
            let mut command = Command::new(root.join("usr/lib64/ld-linux-x86-64.so.2"));
            command.arg("--library-path");
            command.arg(root.join("usr/lib/x86_64-linux-gnu"));
            command.arg(root.join("usr/bin/lspci"));
            command
        }
    }
}

/// Renders a dump; identifiers stay numbers, whose names change from one list to the next.
fn render(dump: &Path) -> String {
    let output = lspci()
        .args(["-n", "-vv", "-F"])
        .arg(dump)
        .output()
        .expect("there is no lspci: run 'make vms', or install pciutils");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn each_board_looks_as_before() {
    let directory = tempfile::tempdir().expect("directory");
    // Where the tree is now; one that was built elsewhere may be as new.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
    let golden = Path::new(&manifest).join("tests/lspci");
    let update = std::env::var_os("UPDATE_LSPCI").is_some();
    for board in BUILTIN {
        let mut rig = Rig::board(board.name);
        define(&rig);
        rig.attach();
        enumerate(&rig);
        let file = directory.path().join(board.name);
        fs::write(&file, dump(&rig)).expect("dump");
        let seen = render(&file);
        let path = golden.join(board.name).with_extension("txt");
        if update {
            fs::write(&path, &seen).expect("file");
        }
        let expected = fs::read_to_string(&path).expect(board.name);
        assert_eq!(seen, expected, "{}", board.name);
    }
}
