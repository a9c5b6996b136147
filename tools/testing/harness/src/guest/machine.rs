// SPDX-License-Identifier: GPL-2.0
//! The virtual machines: one QEMU command line a side.
//!
//! Both are emulated (no KVM), so they are the same on every host. Their memory is shared, as the
//! PCI endpoint emulator reaches it.

use std::path::Path;
use std::process::Command;

use crate::layout::Side;
use crate::process;

/// Names of the command channels of a guest, in the order of their ports.
pub const CHANNELS: [&str; 2] = ["command", "rescue"];

/// Returns the command that starts a machine; its sockets and logs are in `run`.
pub fn qemu(side: Side, run: &Path, kernel: &Path, initramfs: &Path) -> Command {
    let (program, machine, memory, console) = match side {
        Side::Ep => (
            "qemu-system-aarch64",
            "virt,gic-version=3,its=on,memory-backend=ram",
            "512M",
            "ttyAMA0",
        ),
        Side::Rc => (
            "qemu-system-x86_64",
            "q35,memory-backend=ram",
            "1G",
            "ttyS0",
        ),
    };
    let mut command = process::command(program);
    command
        .args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ])
        .args(["-accel", "tcg", "-machine", machine, "-m", memory])
        .args([
            "-cpu",
            if side == Side::Ep {
                "cortex-a72"
            } else {
                "max"
            },
        ])
        .args([
            "-object",
            &format!("memory-backend-memfd,id=ram,share=on,size={memory}"),
        ])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", &kernel_parameters(side, console)]);
    let file = |what: &str| {
        run.join(format!("{}.{what}", side.name()))
            .display()
            .to_string()
    };
    command
        .args([
            "-chardev",
            &format!("file,id=console,path={}", file("console")),
        ])
        .args(["-serial", "chardev:console"])
        .args(["-qmp", &format!("unix:{},server=on,wait=off", file("qmp"))])
        .args(["-device", "virtio-serial-pci,id=ports"]);
    for name in CHANNELS {
        command
            .args(["-chardev", &format!("socket,id={name},path={}", file(name))])
            .args([
                "-device",
                &format!("virtserialport,bus=ports.0,chardev={name},name={name}"),
            ]);
    }
    command
}

/// Every message on the console, no limit on what the harness itself logs, and a panic that ends
/// the machine. The EP's kernel has KUnit, switched off unless asked for.
fn kernel_parameters(side: Side, console: &str) -> String {
    let tests = if side == Side::Ep {
        " kunit.enable=1 kunit.autorun=1"
    } else {
        ""
    };
    format!("console={console} ignore_loglevel printk.devkmsg=on panic=-1{tests}")
}
