// SPDX-License-Identifier: GPL-2.0
//! Profiles as files, and as registers.

mod common;

use common::Rig;
use epc_emulator::profile::{self, Profile, ProfileError, BUILTIN};
use epc_regs::{reg, BarKind, BAR_ONLY_64BIT};

#[test]
fn registers_tell_what_the_profile_says() {
    let rig = Rig::board("rcar-gen3");
    assert_eq!(rig.read_reg(reg::VERSION), 0x0001_0003);
    assert_eq!(rig.read_reg(reg::FEATURES), 0);
    assert_eq!(
        (rig.read_reg(reg::MSI_MAX), rig.read_reg(reg::MSIX_MAX)),
        (32, 0)
    );
    assert_eq!(rig.read_reg(reg::SPACE_COUNT), 4);
    assert_eq!(rig.read_reg(reg::WINDOW_SIZE), 512 << 20);
    assert_eq!(rig.read_reg(reg::DOORBELL_COUNT), 0);
    let aligns = (
        rig.read_reg(reg::INBOUND_ALIGN),
        rig.read_reg(reg::OUTBOUND_ALIGN),
    );
    assert_eq!(aligns, (0, 4096));
    let fixed = BarKind::Fixed as u32 | BAR_ONLY_64BIT;
    let bar = |index| {
        let at = reg::BAR0 + index * reg::BAR_STRIDE;
        (
            rig.read_reg(at + reg::BAR_KIND),
            rig.read_reg(at + reg::BAR_SIZE),
        )
    };
    assert_eq!(
        [bar(0), bar(2), bar(4)],
        [(fixed, 128), (fixed, 256), (fixed, 256)]
    );
    assert_eq!(bar(1), (BarKind::Disabled as u32, 0));
    let rig = Rig::board("tegra234");
    assert_eq!(rig.read_reg(reg::SPACE0 + reg::SPACE_SIZE), 0);
    assert_eq!(rig.read_reg(reg::SPACE0 + reg::SPACE_SIZE + 4), 2, "8 GiB");
}

#[test]
fn all_profiles_of_the_program_can_be_read() {
    for builtin in BUILTIN {
        let profile = builtin.profile().expect(builtin.name);
        assert!(!profile.about.is_empty());
    }
    let table = profile::table().expect("table");
    assert_eq!(table.lines().count(), BUILTIN.len() + 1);
}

#[test]
fn errors_name_file_and_line() {
    let text = profile::find("rk3588").expect("rk3588").text;
    let line_of = |key: &str| {
        1 + text
            .lines()
            .position(|line| line.contains(key))
            .expect("key")
    };
    for (from, to, at, reason) in [
        (
            "[inbound]\nwindows = 16",
            "[inbound]\nwindows = 0",
            "[inbound]",
            "0 inbound windows: expected 1 to 384",
        ),
        (
            "[outbound]",
            "[outbound]\nspeed = 3",
            "[outbound]",
            "unknown field `speed`",
        ),
        (
            "doorbells = 1",
            "doorbells = 65",
            "doorbells",
            "65 doorbells: expected 0 to 64",
        ),
        (
            "msi = 32",
            "msi = 3",
            "[interrupts]",
            "3 MSI vectors: expected 0, 1, 2",
        ),
        (
            "vectors = 2048",
            "vectors = 2049",
            "[interrupts]",
            "2049 MSI-X vectors: expected 1 to 2048",
        ),
        (
            "kind = \"reserved\"",
            "kind = \"fixed\"",
            "reserved",
            "lacks a size",
        ),
        (
            "\"link-up\"",
            "\"link-in\"",
            "events =",
            "unknown variant `link-in`, expected one of",
        ),
        (
            "spaces = [\"1G\"]",
            "spaces = [\"1T\"]",
            "spaces",
            "'1T' is not a size",
        ),
        (
            "spaces = [\"1G\"]",
            "spaces = [\"2K\"]",
            "[outbound]",
            "a space is 2K: expected at least 4K",
        ),
        (
            "spaces = [\"1G\"]",
            "spaces = [\"4K\"]",
            "[outbound]",
            "in pages of 64K",
        ),
        (
            "doorbells = 1",
            "doorbells = one",
            "doorbells",
            "string values must be quoted",
        ),
    ] {
        let error = Profile::parse("my.toml", &text.replace(from, to)).expect_err(to);
        let ProfileError::Parse { file, line, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(file, "my.toml");
        // A table is found by its head, or by a key of it.
        let expected = line_of(at);
        assert!(
            (expected..=expected + 1).contains(line),
            "{error}, expected line {expected}"
        );
        let told = error.to_string();
        assert!(told.contains(reason) && !told.contains('\n'), "{told}");
    }
}

#[test]
fn profiles_that_are_not_there_are_named() {
    let error = Profile::load("rk3588s").expect_err("unknown").to_string();
    assert!(
        error.contains("'rk3588s'") && error.contains("rk3588,"),
        "{error}"
    );
    let error = Profile::load("/nowhere/my.toml").expect_err("no file");
    assert!(matches!(error, ProfileError::Read { .. }), "{error}");
}
