// SPDX-License-Identifier: GPL-2.0
//! A hypervisor of the root complex gives the device to its guest: stock QEMU, and the virtio driver of the guest's
//! kernel.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::cases::with_node;
use super::machines::{LinkOf, Nested, DISK};
use super::network;
use crate::guest::hypervisor::{INITRAMFS, KERNEL};
use crate::guest::log::message;
use crate::guest::Guest;
use crate::runner::{Case, Record};
use crate::workload::{blkio, Ends};

/// For a machine to start, to use its device and to stop. Its processor is emulated by one that is emulated: that takes two
/// and a half minutes on a host that does other work too.
const MACHINE_BOUND: Duration = Duration::from_secs(600);

/// Bytes of a MiB.
const MIB: u32 = 1 << 20;

/// What the machine fills the second MiB of the disk with.
const FILLING: u8 = 0x5a;

/// Address of the machine.
const ADDRESS: &str = "10.7.0.1";

/// What the lines of guest/nested.init begin with.
const SAID_BY_INIT: &str = "nested: ";

pub fn cases() -> Vec<Case<LinkOf<Nested>>> {
    vec![
        Case {
            name: "machine_has_the_disk",
            about:
                "a machine in the root complex reads and writes the file, by vhost-vdpa-device-pci",
            run: machine_has_the_disk,
        },
        Case {
            name: "machine_has_the_network",
            about: "a machine in the root complex pings the endpoint, by vhost-vdpa-device-pci",
            run: machine_has_the_network,
        },
    ]
}

fn machine_has_the_disk(bench: &mut LinkOf<Nested>, record: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        let (file, ep) = (DISK.file(), bench.backend());
        ep.sh(&format!(
            "dd if=/dev/urandom of={file} bs={MIB} count=1 conv=notrunc 2>/dev/null"
        ))?;
        let first = sum_of(ep, &format!("head -c {MIB} {file}"))?;
        let second = sum_of(
            ep,
            &format!("head -c {MIB} /dev/zero | tr '\\0' '\\{FILLING:o}'"),
        )?;
        let steps = [
            "started",
            &format!("read {first}"),
            "written",
            &format!("read {second}"),
        ];
        let usage = format!("disk {FILLING:o}");
        run_machine(bench.driver(), record, node, &usage, &steps)?;
        let second_of_file = format!("dd if={file} bs={MIB} skip=1 count=1 2>/dev/null");
        let stored = sum_of(bench.backend(), &second_of_file)?;
        ensure!(
            stored == second,
            "the sum of the second MiB of the file is {stored}, expected {second}"
        );
        blkio::qemu_io(bench.driver(), node, &[&format!("read -P {FILLING} 1M 1M")])
    })
}

/// The sum of what a command prints.
fn sum_of(ep: &mut Guest, command: &str) -> Result<String> {
    ep.sh(&format!(
        "set -o pipefail; {command} | md5sum | cut -d ' ' -f 1"
    ))
}

fn machine_has_the_network(bench: &mut LinkOf<Nested>, record: &mut Record) -> Result<()> {
    network::with_node(bench, |bench, node| {
        network::take_address(bench)?;
        let usage = format!("network {ADDRESS} {}", network::ADDRESS);
        let steps = ["started", "up", "answered"];
        run_machine(bench.driver(), record, node, &usage, &steps)
    })
}

/// Starts a machine that has the device, and waits for its end. It uses the device as the arguments of guest/nested.init
/// say, and must have done these steps.
fn run_machine(
    rc: &mut Guest,
    record: &mut Record,
    node: &str,
    usage: &str,
    steps: &[&str],
) -> Result<()> {
    let console = rc.sh_within(
        MACHINE_BOUND,
        &format!(
            "ulimit -l unlimited
             qemu-system-aarch64 -nodefaults -no-user-config -no-reboot -display none -serial stdio \
                 -machine virt,gic-version=2 -cpu cortex-a53 -m 128M -kernel /{KERNEL} -initrd /{INITRAMFS} \
                 -append 'console=ttyAMA0 panic=-1 mitigations=off -- {usage}' \
                 -device vhost-vdpa-device-pci,vhostdev={node}"
        ),
    )?;
    let told = console
        .lines()
        .skip_while(|line| !line.contains(SAID_BY_INIT));
    told.clone().for_each(|line| record.note(line));
    let done: Vec<_> = told
        .filter_map(|line| message(line).strip_prefix(SAID_BY_INIT))
        .collect();
    ensure!(
        done == steps,
        "expected {steps:?}, the machine did {done:?}: {console}"
    );
    Ok(())
}
