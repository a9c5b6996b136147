// SPDX-License-Identifier: GPL-2.0
//! The virtual machines: one QEMU command line a model.
//!
//! All are emulated (no KVM), so they are the same on every host. Their memory is shared, as the
//! PCI endpoint emulator reaches it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use epc_emulator::qemu::share_memory;

use crate::kernels::Kernels;
use crate::layout::{Image, Side};
use crate::process;

/// Names of the command channels of a guest, in the order of their ports.
pub const CHANNELS: [&str; 2] = ["command", "rescue"];

/// A kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    side: Side,
    image: Image,
    program: &'static str,
    machine: &'static str,
    cpu: &'static str,
    processors: u32,
    memory: &'static str,
    devices: &'static [&'static str],
    kernel_parameters: &'static str,
    /// More of them for a kernel that looks for faults.
    debug_parameters: &'static str,
    slot: Slot,
    /// Size of a disk that outlives the machine.
    disk: Option<u64>,
    /// It has QEMU.
    has_hypervisor: bool,
}

/// Who looks after the slot of a root complex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Its kernel: what comes is found, what goes is let go of.
    HotPlug,
    /// Its user.
    Manual,
}

/// Two processors, so that what runs at the same time does so.
const PROCESSORS: u32 = 2;

/// A unit that remaps interrupts, and memory if the kernel wants it.
const REMAPPING: &[&str] = &["-device", "intel-iommu,intremap=on,caching-mode=on"];

/// Memory of a machine whose kernel looks for faults: the shadow of KASAN takes an eighth of it,
/// and what was freed is held back for a while.
const DEBUG_MEMORY: &str = "2G";

/// Size of a disk in bytes.
const DISK_SIZE: u64 = 64 << 20;

/// Such a kernel reports every bad access, not only the first. Where it is this slow, a processor
/// that does not answer for 21 s, the default, is no sign of a fault.
const DEBUG_PARAMETERS: &str = "kasan_multi_shot rcupdate.rcu_cpu_stall_timeout=120";

impl Model {
    /// The endpoint.
    pub const EP: Self = Self {
        side: Side::Ep,
        image: Image::Ep,
        program: "qemu-system-aarch64",
        machine: "virt,gic-version=3,its=on",
        cpu: "cortex-a72",
        processors: PROCESSORS,
        memory: "512M",
        devices: &[],
        // KUnit is in this kernel, switched off unless asked for.
        kernel_parameters: "console=ttyAMA0 kunit.enable=1 kunit.autorun=1",
        debug_parameters: "",
        slot: Slot::Manual,
        disk: None,
        has_hypervisor: false,
    };

    /// An endpoint with a disk that outlives its power.
    pub const EP_WITH_DISK: Self = Self {
        disk: Some(DISK_SIZE),
        ..Self::EP
    };

    /// The root complex.
    pub const RC: Self = Self {
        side: Side::Rc,
        image: Image::Rc,
        program: "qemu-system-x86_64",
        machine: "q35",
        cpu: "max",
        processors: PROCESSORS,
        memory: "1G",
        devices: &[],
        // Interrupt remapping makes the kernel panic if no timer tick comes in time, as on a busy host.
        kernel_parameters: "console=ttyS0 no_timer_check",
        // While identify_cpu() has forgotten LA57, KASAN takes good addresses for wild ones.
        debug_parameters: "no5lvl",
        slot: Slot::HotPlug,
        disk: None,
        has_hypervisor: false,
    };

    /// A root complex that can give a function all vectors that PCI allows: 32 of MSI take an
    /// interrupt remapping unit, 2048 of MSI-X take more processors than one, as each has 256 at
    /// most. DMA remapping stays off.
    pub const RC_WITH_MANY_VECTORS: Self = Self {
        processors: 12,
        ..Self::RC_WITH_MSI
    };

    /// A root complex that can give a function more than one vector of MSI.
    pub const RC_WITH_MSI: Self = Self {
        kernel_parameters: "console=ttyS0 no_timer_check intel_iommu=off",
        ..Self::RC_WITH_IOMMU
    };

    /// A root complex with DMA remapping, as vhost_vdpa wants it for devices on a bus.
    pub const RC_WITH_IOMMU: Self = Self {
        machine: "q35,kernel-irqchip=split",
        devices: REMAPPING,
        kernel_parameters: "console=ttyS0 no_timer_check intel_iommu=on",
        ..Self::RC
    };

    /// A root complex of arm64, with the EP's kernel, which has no hot plug. Its interrupt controller (GICv2m) takes
    /// messages from anybody, as those of MSI-X are that the emulator sends.
    pub const RC_ARM64: Self = Self {
        side: Side::Rc,
        machine: "virt,gic-version=2",
        kernel_parameters: "console=ttyAMA0",
        ..Self::EP
    };

    /// The same with an interrupt translation service (GICv3 ITS), which wants to know the sender of a message. From
    /// the emulator it takes MSI alone.
    pub const RC_ARM64_WITH_ITS: Self = Self {
        machine: Self::EP.machine,
        ..Self::RC_ARM64
    };

    /// A root complex with QEMU, to run a machine itself.
    pub const RC_WITH_HYPERVISOR: Self = Self {
        has_hypervisor: true,
        ..Self::RC
    };

    /// The same machine with another number of processors.
    pub const fn with_processors(self, processors: u32) -> Self {
        Self { processors, ..self }
    }

    /// The side it is.
    pub fn side(self) -> Side {
        self.side
    }

    /// What it runs.
    pub fn image(self) -> Image {
        self.image
    }

    /// Makes the disk of a machine whose files are in `run`, unless it is there from before.
    pub fn make_disk(self, run: &Path) -> Result<()> {
        let Some(size) = self.disk else {
            return Ok(());
        };
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false);
        Ok(file.open(disk(run, self.side))?.set_len(size)?)
    }

    /// Whether it has QEMU.
    pub fn has_hypervisor(self) -> bool {
        self.has_hypervisor
    }

    /// Who looks after its slot, if it is a root complex.
    pub fn slot(self) -> Slot {
        self.slot
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
    let (memory, more_parameters) = match kernels {
        Kernels::Ordinary => (model.memory, String::new()),
        Kernels::Debug => (
            DEBUG_MEMORY,
            format!("{DEBUG_PARAMETERS} {}", model.debug_parameters),
        ),
    };
    let mut command = process::command(model.program);
    command
        .args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ])
        .args(["-accel", "tcg", "-cpu", model.cpu])
        .args(["-smp", &model.processors.to_string()]);
    share_memory(&mut command, model.machine, memory);
    command
        .args(model.devices)
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            &kernel_parameters(model.kernel_parameters, &more_parameters),
        ]);
    if model.disk.is_some() {
        add_disk(&mut command, &disk(run, model.side));
    }
    let side = model.side.name();
    let file = |what: &str| run.join(format!("{side}.{what}")).display().to_string();
    command
        .args([
            "-chardev",
            &format!("file,id=console,path={}", file("console")),
        ])
        .args(["-serial", "chardev:console"])
        .args(["-qmp", &listening(&monitor(run, model.side))])
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

/// What was flushed is in the file when QEMU is killed: it is the host's then.
fn add_disk(command: &mut Command, path: &Path) {
    let backend = format!("if=none,id=disk,format=raw,file={}", path.display());
    command.args(["-drive", &backend]);
    command.args(["-device", "virtio-blk-pci,drive=disk"]);
}

fn disk(run: &Path, side: Side) -> PathBuf {
    run.join(format!("{}.disk", side.name()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(model: Model, kernels: Kernels) -> Vec<String> {
        let path = Path::new;
        let command = qemu(model, kernels, path("/run"), path("/kernel"), path("/user"));
        let arguments = command.get_args();
        arguments
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect()
    }

    /// What stands behind the only option of this name.
    fn value<'a>(arguments: &'a [String], option: &str) -> &'a str {
        let mut places = arguments.iter().zip(&arguments[1..]);
        let found = places.find(|(name, _)| *name == option);
        assert!(places.all(|(name, _)| name != option), "{arguments:?}");
        found.expect("the option").1
    }

    #[test]
    fn processors_are_two_unless_chosen() {
        for model in [Model::EP, Model::RC, Model::RC_WITH_IOMMU, Model::RC_ARM64] {
            let chosen = model.with_processors(1);
            assert_eq!(value(&arguments(model, Kernels::Ordinary), "-smp"), "2");
            assert_eq!(value(&arguments(chosen, Kernels::Debug), "-smp"), "1");
            assert_eq!(chosen.with_processors(PROCESSORS), model);
        }
        let many = arguments(Model::RC_WITH_MANY_VECTORS, Kernels::Ordinary);
        assert_eq!(value(&many, "-smp"), "12");
    }

    #[test]
    fn kernels_that_look_for_faults_have_more_memory_and_parameters() {
        let debug = arguments(Model::RC, Kernels::Debug);
        assert_eq!(value(&debug, "-m"), DEBUG_MEMORY);
        assert!(value(&debug, "-append").contains("no5lvl"));
        let ordinary = arguments(Model::RC, Kernels::Ordinary);
        assert_eq!(value(&ordinary, "-m"), "1G");
        assert!(!value(&ordinary, "-append").contains("no5lvl"));
    }

    #[test]
    fn a_disk_keeps_what_it_has() {
        let run = tempfile::tempdir().expect("a directory");
        let file = run.path().join("ep.disk");
        Model::EP.make_disk(run.path()).expect("nothing to do");
        assert!(!file.exists());
        let length = || std::fs::metadata(&file).expect("the disk").len();
        Model::EP_WITH_DISK.make_disk(run.path()).expect("a disk");
        assert_eq!(length(), DISK_SIZE);
        std::fs::write(&file, "kept").expect("the disk");
        Model::EP_WITH_DISK
            .make_disk(run.path())
            .expect("the same disk");
        assert_eq!(length(), DISK_SIZE);
        let content = std::fs::read(&file).expect("the disk");
        assert_eq!(content.get(..4), Some(&b"kept"[..]));
    }

    #[test]
    fn root_complexes_of_arm64_run_what_endpoints_do() {
        for model in [Model::RC_ARM64, Model::RC_ARM64_WITH_ITS] {
            assert_eq!((model.side(), model.image()), (Side::Rc, Image::Ep));
            assert_eq!(model.slot(), Slot::Manual);
            let arguments = arguments(model, Kernels::Ordinary);
            assert!(arguments.contains(&"file,id=console,path=/run/rc.console".to_owned()));
            assert!(!value(&arguments, "-append").contains("kunit"));
        }
    }
}
