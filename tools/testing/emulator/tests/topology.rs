// SPDX-License-Identifier: GPL-2.0
//! `run TOPOLOGY` and what it says when something will not do; scripts play QEMU.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::client::Client;
use epc_regs::{bar, reg};
use tempfile::TempDir;

/// What `--version` says unless a test wants something else.
const VERSION: &str = "QEMU emulator version 11.1.0";

/// Says its arguments, and goes on until the emulator ends it.
const RUNS: &str = "printf '%s\\n' \"$@\"; exec sleep 60";

/// The file of a good topology; the machines are `ep.qemu` and `rc.qemu`.
const GOOD: &str = r#"directory = "sockets"

[emulator]
profile = "rk3588"

[ep]
qemu = "./ep.qemu"
machine = "virt"
cpu = "cortex-a72"
memory = "512M"
kernel = "Image"
append = "console=ttyAMA0"

[rc]
qemu = "./rc.qemu"
machine = "q35"
cpu = "max"
cpus = 2
memory = "1G"
kernel = "Image"
arguments = ["-name", "root complex"]
"#;

/// A directory with a topology and all that it names.
struct Place {
    directory: TempDir,
}

/// What a run left: what it printed, what it complained of, and whether it succeeded.
struct Ended {
    out: String,
    complaint: String,
    good: bool,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            directory: TempDir::new().expect("directory"),
        };
        place.write("topology.toml", GOOD);
        place.write("Image", "kernel");
        place.qemu("ep.qemu", VERSION, RUNS);
        place.qemu("rc.qemu", VERSION, RUNS);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("file");
    }

    fn qemu(&self, name: &str, version: &str, body: &str) {
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{version}'; exit; fi\n{body}\n"
        );
        self.write(name, &script);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("mode");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_epc-emulator"));
        command.arg("run").arg(self.path("topology.toml"));
        command
    }

    fn run(&self) -> Ended {
        let output = self.command().output().expect("run");
        Ended {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
            good: output.status.success(),
        }
    }

    /// Has the run fail, with these words.
    fn fails(&self, words: &str) {
        let ended = self.run();
        assert!(!ended.good, "{}", ended.out);
        assert!(
            ended.complaint.contains(words),
            "'{words}' expected: {}",
            ended.complaint
        );
    }

    /// The same, for another text of the topology.
    fn fails_with(&self, from: &str, to: &str, words: &str) {
        assert!(GOOD.contains(from), "{from}");
        self.write("topology.toml", &GOOD.replacen(from, to, 1));
        self.fails(words);
        self.write("topology.toml", GOOD);
    }
}

#[test]
fn all_ends_when_a_machine_powers_off() {
    let place = Place::new();
    place.qemu(
        "rc.qemu",
        VERSION,
        "printf '%s\\n' \"$@\"; printf 'last words'",
    );
    let ended = place.run();
    assert!(ended.good, "{}", ended.complaint);
    assert!(
        ended.complaint.contains("The RC is off"),
        "{}",
        ended.complaint
    );
    let expected = [
        "RC| q35,memory-backend=ram",
        "RC| memory-backend-memfd,id=ram,share=on,size=1G",
        "RC| root complex",
        "RC| pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1,pref64-reserve=64M,mem-reserve=16M",
        "RC| last words",
    ];
    for line in expected {
        assert!(
            ended.out.lines().any(|out| out == line),
            "{line}: {}",
            ended.out
        );
    }
    assert!(!place.path("sockets/emulator.controller").exists());
}

#[test]
fn endpoints_have_root_ports_of_their_own() {
    let place = Place::new();
    place.qemu("rc.qemu", VERSION, "printf '%s\\n' \"$@\"");
    let more = GOOD.replace("[emulator]", "[endpoint.emulator]");
    let more = more.replace("[ep]", "[endpoint.ep]");
    let more = more.split_once("\n\n").expect("a second table").1;
    let more = more.split_once("[rc]").expect("an RC").0;
    place.write("topology.toml", &format!("{GOOD}\n[[endpoint]]\n{more}"));
    let ended = place.run();
    assert!(ended.good, "{}", ended.complaint);
    for port in [1, 2] {
        let port = format!("pcie-root-port,id=rp{port},bus=pcie.0,chassis={port},slot={port},");
        assert!(ended.out.contains(&port), "{port} expected: {}", ended.out);
    }
    for socket in ["sockets/emulator.monitor", "sockets/EP2/emulator.monitor"] {
        let socket = place.path(socket).display().to_string();
        assert!(ended.out.contains(&socket), "{socket}: {}", ended.out);
    }
}

#[test]
fn ctrl_c_ends_all() {
    let place = Place::new();
    place.qemu("ep.qemu", VERSION, "echo $$; exec sleep 60");
    let mut run = place.command().stdout(Stdio::piped()).spawn().expect("run");
    let mut lines = BufReader::new(run.stdout.take().expect("output")).lines();
    let ep = lines
        .find_map(|line| line.expect("line").strip_prefix("EP| ").map(str::to_owned))
        .expect("the EP started");
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signal");
    assert!(run.wait().expect("end").success());
    assert!(
        !PathBuf::from(format!("/proc/{ep}")).exists(),
        "the EP lives"
    );
}

#[test]
fn a_machine_that_fails_is_told() {
    let place = Place::new();
    place.qemu("ep.qemu", VERSION, "exit 3");
    place.fails("QEMU of the EP failed with exit status: 3: expected a machine that powers off");
}

#[test]
fn qemu_is_checked() {
    let place = Place::new();
    let name = "qemu-that-nobody-has";
    place.fails_with(
        "./ep.qemu",
        name,
        &format!(
            "cannot find {name}: install QEMU 11.1 or newer, or name the program by the key 'qemu'"
        ),
    );
    place.qemu("rc.qemu", "QEMU emulator version 10.0.2 (Debian)", RUNS);
    place.fails(
        "rc.qemu is QEMU 10.0, but 11.1 or newer is needed, whose vhost-user-test-device-pci",
    );
    place.qemu("rc.qemu", "bochs 3", RUNS);
    place.fails(
        "rc.qemu is not QEMU: expected 'QEMU emulator version X.Y' of --version, not 'bochs 3'",
    );
}

#[test]
fn errors_of_the_file_name_its_line() {
    let place = Place::new();
    for (from, to, words) in [
        ("machine = \"q35\"", "machine = q35", "topology.toml:16: "),
        (
            "cpus = 2",
            "cpus = \"two\"",
            "topology.toml:18: invalid type: string \"two\", expected u32",
        ),
        (
            "cpus",
            "processors",
            "topology.toml:18: unknown field `processors`, expected one of",
        ),
        (
            "cpu = \"max\"\n",
            "",
            "topology.toml:14: missing field `cpu`",
        ),
        (
            "rk3588",
            "rk3589",
            "topology.toml:4: there is no profile 'rk3589': expected one of unlimited, rcar-gen3,",
        ),
        (
            "kernel = \"Image\"",
            "kernel = \"vmlinux\"",
            "topology.toml:11: there is no file",
        ),
        (
            "kernel = \"Image\"",
            "initrd = \"none\"",
            "expected that of 'initrd'",
        ),
        (
            "kernel = \"Image\"",
            "console = \"tty\"",
            "topology.toml:11: unknown variant `tty`, expected one of `lines`, `terminal`, `file`",
        ),
        (
            "profile = \"rk3588\"",
            "doorbells = 65",
            "topology.toml:4: ",
        ),
    ] {
        place.fails_with(from, to, words);
    }
    fs::remove_file(place.path("topology.toml")).expect("removed");
    place.fails("cannot read the topology");
}

#[test]
fn sockets_are_replaced_if_nobody_listens() {
    let place = Place::new();
    fs::create_dir(place.path("sockets")).expect("directory");
    let path = place.path("sockets/emulator.window");
    let living = UnixListener::bind(&path).expect("socket");
    place.fails(
        "emulator.window is in use: another process listens there; end it, or choose another path",
    );
    drop(living);
    assert!(path.exists(), "a stale socket");
    place.qemu("rc.qemu", VERSION, "exit 0");
    assert!(place.run().good, "a stale socket is replaced");
    fs::write(&path, "precious").expect("file");
    place.fails("emulator.window exists and is not a socket; remove it, or choose another path");
}

#[test]
fn a_guest_that_misbehaves_is_told() {
    let place = Place::new();
    let mut run = place
        .command()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run");
    let mut log = BufReader::new(run.stderr.take().expect("log")).lines();
    let mut told = |words: &str| log.any(|line| line.expect("line").contains(words));
    assert!(told("Ready"));
    let stream = UnixStream::connect(place.path("sockets/emulator.controller")).expect("socket");
    let ep = Client::new(stream);
    ep.version().expect("version");
    ep.read(bar::REGISTERS as u32, reg::MAGIC, 2).expect("read");
    assert!(told("EP: Read of 2 bytes at register 0x0 is not possible"));
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signal");
    assert!(run.wait().expect("end").success());
}

#[test]
fn a_topology_goes_without_options() {
    let place = Place::new();
    let output = place
        .command()
        .args(["--rc-qmp", "x"])
        .output()
        .expect("run");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("cannot be used with"), "{complaint}");
    let mut alone = Command::new(env!("CARGO_BIN_EXE_epc-emulator"));
    let output = alone.arg("run").output().expect("run");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("--rc-socket"), "{complaint}");
}
