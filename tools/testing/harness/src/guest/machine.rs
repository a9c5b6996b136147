// SPDX-License-Identifier: GPL-2.0
//! The virtual machines: one QEMU command line a model.
//!
//! All are emulated (no KVM), so they are the same on every host. Their memory is shared, as the
//! PCI endpoint emulator reaches it.

use std::path::{Path, PathBuf};
use std::process::Command;

use epc_emulator::qemu::share_memory;

use crate::kernels::Kernels;
use crate::layout::Side;
use crate::process;

/// Names of the command channels of a guest, in the order of their ports.
pub const CHANNELS: [&str; 2] = ["command", "rescue"];

/// A kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// The endpoint.
    Ep,
    /// The root complex.
    Rc,
    /// A root complex that can give a function all vectors that PCI allows: 32 of MSI take an
    /// interrupt remapping unit, 2048 of MSI-X take more processors than one, as each has 256 at
    /// most. DMA remapping stays off.
    RcWithManyVectors,
    /// A root complex that can give a function more than one vector of MSI.
    RcWithMsi,
    /// A root complex with DMA remapping, as vhost_vdpa wants it for devices on a bus.
    RcWithIommu,
}

/// Two processors, so that what runs at the same time does so.
const PROCESSORS: &[&str] = &["-smp", "2"];

/// Memory of a machine whose kernel looks for faults: the shadow of KASAN takes an eighth of it,
/// and what was freed is held back for a while.
const DEBUG_MEMORY: &str = "2G";

/// Such a kernel reports every bad access, not only the first. Where it is this slow, a processor
/// that does not answer for 21 s, the default, is no sign of a fault.
const DEBUG_PARAMETERS: &str = "kasan_multi_shot rcupdate.rcu_cpu_stall_timeout=120";

/// What differs between the models.
struct Hardware {
    program: &'static str,
    machine: &'static str,
    cpu: &'static str,
    memory: &'static str,
    more: &'static [&'static str],
    kernel_parameters: &'static str,
    /// More of them for a kernel that looks for faults.
    debug_parameters: &'static str,
}

impl Model {
    /// The side it is.
    pub fn side(self) -> Side {
        match self {
            Self::Ep => Side::Ep,
            Self::Rc | Self::RcWithManyVectors | Self::RcWithMsi | Self::RcWithIommu => Side::Rc,
        }
    }

    fn hardware(self) -> Hardware {
        match self {
            Self::Ep => Hardware {
                program: "qemu-system-aarch64",
                machine: "virt,gic-version=3,its=on",
                cpu: "cortex-a72",
                memory: "512M",
                more: PROCESSORS,
                // KUnit is in this kernel, switched off unless asked for.
                kernel_parameters: "console=ttyAMA0 kunit.enable=1 kunit.autorun=1",
                debug_parameters: "",
            },
            Self::Rc => Hardware {
                program: "qemu-system-x86_64",
                machine: "q35",
                cpu: "max",
                memory: "1G",
                more: PROCESSORS,
                // Interrupt remapping makes the kernel panic if no timer tick comes in time, as on a busy host.
                kernel_parameters: "console=ttyS0 no_timer_check",
                // While identify_cpu() has forgotten LA57, KASAN takes good addresses for wild ones.
                debug_parameters: "no5lvl",
            },
            Self::RcWithManyVectors => Hardware {
                machine: "q35,kernel-irqchip=split",
                more: &[
                    "-smp",
                    "12",
                    "-device",
                    "intel-iommu,intremap=on,caching-mode=on",
                ],
                kernel_parameters: "console=ttyS0 no_timer_check intel_iommu=off",
                ..Self::Rc.hardware()
            },
            Self::RcWithMsi => Hardware {
                kernel_parameters: "console=ttyS0 no_timer_check intel_iommu=off",
                ..Self::RcWithIommu.hardware()
            },
            Self::RcWithIommu => Hardware {
                machine: "q35,kernel-irqchip=split",
                more: &[
                    "-smp",
                    "2",
                    "-device",
                    "intel-iommu,intremap=on,caching-mode=on",
                ],
                kernel_parameters: "console=ttyS0 no_timer_check intel_iommu=on",
                ..Self::Rc.hardware()
            },
        }
    }
}

/// Returns the command that starts a machine; its sockets and logs are in `run`.
pub fn qemu(
    model: Model,
    kernels: Kernels,
    run: &Path,
    kernel: &Path,
    initramfs: &Path,
) -> Command {
    let hardware = model.hardware();
    let (memory, more_parameters) = match kernels {
        Kernels::Ordinary => (hardware.memory, String::new()),
        Kernels::Debug => (
            DEBUG_MEMORY,
            format!("{DEBUG_PARAMETERS} {}", hardware.debug_parameters),
        ),
    };
    let mut command = process::command(hardware.program);
    command
        .args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ])
        .args(["-accel", "tcg", "-cpu", hardware.cpu]);
    share_memory(&mut command, hardware.machine, memory);
    command
        .args(hardware.more)
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            &kernel_parameters(hardware.kernel_parameters, &more_parameters),
        ]);
    let side = model.side().name();
    let file = |what: &str| run.join(format!("{side}.{what}")).display().to_string();
    command
        .args([
            "-chardev",
            &format!("file,id=console,path={}", file("console")),
        ])
        .args(["-serial", "chardev:console"])
        .args(["-qmp", &listening(&monitor(run, model.side()))])
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

/// Where the monitor of a machine listens.
pub fn monitor(run: &Path, side: Side) -> PathBuf {
    run.join(format!("{}.qmp", side.name()))
}

fn listening(socket: &Path) -> String {
    format!("unix:{},server=on,wait=off", socket.display())
}

/// Every message on the console, no limit on what the harness itself logs, and a panic that ends
/// the machine.
fn kernel_parameters(of_model: &str, of_kernel: &str) -> String {
    format!("{of_model} ignore_loglevel printk.devkmsg=on panic=-1 {of_kernel}")
}
