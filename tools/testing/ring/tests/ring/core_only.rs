// SPDX-License-Identifier: GPL-2.0
//! The crate builds as the kernel builds it: without `std`, and with the kernel's lints as errors.

use std::process::Command;

#[test]
fn builds_without_std() {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../rust/virtio/virtio.rs"
    );
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["--edition", "2021", "--crate-type", "rlib"])
        .args([
            "--emit",
            "metadata",
            "--out-dir",
            env!("CARGO_TARGET_TMPDIR"),
        ])
        .args(["-Zcrate-attr=no_std", "-Dwarnings", "-Dmissing_docs"])
        .args([
            "-Dunreachable_pub",
            "-Drust_2018_idioms",
            "-Dnon_ascii_idents",
        ])
        .args(["-Dunsafe_code", root])
        .output()
        .expect("the compiler that built this test can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
