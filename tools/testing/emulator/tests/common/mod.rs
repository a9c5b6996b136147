// SPDX-License-Identifier: GPL-2.0
//! Plays both monitors towards a function and its controller, over socket pairs; no virtual machine.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod bench;
pub mod client;
pub mod dma;
pub mod window;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{mpsc, Arc};
use std::thread;

use epc_emulator::controller::Controller;
use epc_emulator::endpoint::Endpoint;
use epc_emulator::fabric::{Fabric, Settings, WindowMode};
use epc_emulator::link::{Input, LinkHandle};
use epc_emulator::profile::{DoorbellCount, Profile, DEFAULT};
use epc_emulator::trace::Trace;
use epc_emulator::vfio_user::{Device, Server};
use epc_regs::{bar, reg, LinkState, Opcode, Status};
use rustix::event::{eventfd, EventfdFlags};
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};

use client::Client;
use window::Window;

/// Bus address of the EP's memory, as on QEMU's `virt` machine.
pub const EP_RAM: u64 = 0x4000_0000;
/// Bus address of the RC's memory.
pub const RC_RAM: u64 = 0x10_0000;
/// Bytes of each memory.
pub const RAM_SIZE: u64 = 4 << 20;
/// Offset of the RC's memory in its file: not the same as the address, as above 4 GiB.
pub const RC_FILE_OFFSET: u64 = 0x8000;
/// Bytes of the outbound window.
pub const WINDOW_SIZE: u64 = 1 << 20;

/// Both sides of a link, and the memories.
pub struct Rig {
    pub fabric: Fabric,
    pub endpoint: Arc<Endpoint>,
    pub ep: Client,
    /// The RC at function 0.
    pub rc: Option<Client>,
    pub ep_ram: File,
    pub rc_ram: File,
    pub link_inputs: mpsc::Receiver<Input>,
}

impl Rig {
    /// A link that is down, and a connected EP with memory.
    pub fn new(mode: WindowMode, trap_bars: bool) -> Self {
        let mut profile = Profile::load(DEFAULT).expect("profile");
        let size = WINDOW_SIZE.to_string().parse().expect("size");
        profile.outbound.resize(size).expect("window");
        profile.doorbells = DoorbellCount::try_from(4).expect("doorbells");
        Self::with(Settings {
            profile,
            window_mode: mode,
            trap_bars,
        })
    }

    /// A link that is down, and a connected EP with memory, of a board; the window is trapped.
    pub fn board(name: &str) -> Self {
        Self::with(Settings {
            profile: Profile::load(name).expect("profile"),
            window_mode: WindowMode::Trapped,
            trap_bars: false,
        })
    }

    /// A link that is down, and a connected EP with memory.
    pub fn with(settings: Settings) -> Self {
        Self::traced(settings, Trace::off())
    }

    /// The same, with a trace.
    pub fn traced(settings: Settings, trace: Trace) -> Self {
        let fabric = Fabric::new(settings, trace);
        let endpoint = Arc::new(Endpoint::new(&fabric));
        let (link, link_inputs) = LinkHandle::new();
        let controller = Arc::new(Controller::new(fabric.clone(), Arc::clone(&endpoint), link));
        let ep = serve(controller);
        let ep_ram = memfd(RAM_SIZE);
        ep.dma_map(EP_RAM, RAM_SIZE, 0, Some(&ep_ram))
            .expect("EP memory");
        Self {
            fabric,
            endpoint,
            ep,
            rc: None,
            ep_ram,
            rc_ram: memfd(RAM_SIZE + RC_FILE_OFFSET),
            link_inputs,
        }
    }

    /// A trapped window, so that outbound accesses need no monitor.
    pub fn trapped() -> Self {
        Self::new(WindowMode::Trapped, false)
    }

    /// A mapped window with its worker and a monitor that has set DRIVER_OK.
    pub fn mapped() -> (Self, Window) {
        let rig = Self::new(WindowMode::Mapped, false);
        let outbound = Arc::clone(&rig.fabric.outbound);
        thread::spawn(move || outbound.run());
        let window = Window::connect(&rig.fabric.outbound);
        (rig, window)
    }

    /// Defines a small function: BAR 0 is 64 KiB of EP memory, 8 MSI-X vectors at 0x2000 in it, 4 MSI.
    pub fn define(&self) {
        self.header();
        self.ok(Opcode::SetBar, 0, &[0x1_0000, 0, 1, EP_RAM + 0x10_0000]);
        self.ok(Opcode::SetMsi, 4, &[]);
        self.ok(Opcode::SetMsix, 8, &[0, 0x2000]);
    }

    /// Sets the header alone.
    pub fn header(&self) {
        self.header_of(0);
    }

    /// Sets the header of a function alone.
    pub fn header_of(&self, function: u8) {
        let header = epc_regs::Header {
            vendor: 0x104c,
            device: 0xb500,
            base_class: 0xff,
            interrupt_pin: 1,
            subsystem_vendor: 0x1af4,
            subsystem: 0x0001,
            ..Default::default()
        };
        self.ok_of(function, Opcode::WriteHeader, 0, &header.to_args());
    }

    /// Starts the link and attaches the RC, with its memory.
    pub fn attach(&mut self) -> &Client {
        self.ok(Opcode::Start, 0, &[]);
        let rc = self.connect(0);
        assert!(self.endpoint.attached());
        self.rc.insert(rc)
    }

    /// Connects the RC to a function, with its memory.
    pub fn connect(&self, function: usize) -> Client {
        let function = Arc::clone(&self.endpoint.functions()[function]);
        let rc = serve(function as Arc<dyn Device>);
        rc.version().expect("version");
        rc.dma_map(RC_RAM, RAM_SIZE, RC_FILE_OFFSET, Some(&self.rc_ram))
            .expect("RC memory");
        rc
    }

    /// The attached RC.
    pub fn rc(&self) -> &Client {
        self.rc.as_ref().expect("attached")
    }

    /// Sets the RC's command register of the function.
    pub fn set_command(&self, value: u16) {
        self.rc().config_write(4, &value.to_le_bytes());
    }

    /// Gives a command and waits for its end.
    pub fn command(&self, opcode: Opcode, immediate: u16, args: &[u64]) -> Status {
        self.command_of(0, opcode, immediate, args)
    }

    /// The same for any function.
    pub fn command_of(&self, function: u8, opcode: Opcode, immediate: u16, args: &[u64]) -> Status {
        for (at, arg) in (reg::ARG0..).step_by(8).zip(args) {
            self.ep
                .write(bar::REGISTERS as u32, at, &arg.to_le_bytes())
                .expect("argument");
        }
        self.write_reg(reg::COMMAND, opcode.command(function, immediate));
        loop {
            match self.status() {
                Status::Busy => thread::yield_now(),
                status => return status,
            }
        }
    }

    /// Gives a command that must succeed.
    pub fn ok(&self, opcode: Opcode, immediate: u16, args: &[u64]) {
        self.ok_of(0, opcode, immediate, args);
    }

    /// The same for any function.
    pub fn ok_of(&self, function: u8, opcode: Opcode, immediate: u16, args: &[u64]) {
        assert_eq!(
            self.command_of(function, opcode, immediate, args),
            Status::Ok,
            "{opcode:?} {function} {immediate} {args:x?}"
        );
    }

    /// The status register.
    pub fn status(&self) -> Status {
        Status::from_raw(self.read_reg(reg::STATUS)).expect("known status")
    }

    /// The link state register.
    pub fn link(&self) -> LinkState {
        LinkState::from_raw(self.read_reg(reg::LINK_STATE)).expect("known link state")
    }

    /// Reads a register.
    pub fn read_reg(&self, offset: u64) -> u32 {
        let data = self
            .ep
            .read(bar::REGISTERS as u32, offset, 4)
            .expect("register");
        u32::from_le_bytes(data.try_into().expect("four bytes"))
    }

    /// Writes a register.
    pub fn write_reg(&self, offset: u64, value: u32) {
        self.ep
            .write(bar::REGISTERS as u32, offset, &value.to_le_bytes())
            .expect("register");
    }

    /// Reads EP memory through its file.
    pub fn ep_memory(&self, address: u64, size: usize) -> Vec<u8> {
        let mut data = vec![0; size];
        self.ep_ram
            .read_exact_at(&mut data, address - EP_RAM)
            .expect("EP memory");
        data
    }

    /// Reads RC memory through its file.
    pub fn rc_memory(&self, address: u64, size: usize) -> Vec<u8> {
        let mut data = vec![0; size];
        let offset = address - RC_RAM + RC_FILE_OFFSET;
        self.rc_ram
            .read_exact_at(&mut data, offset)
            .expect("RC memory");
        data
    }
}

/// Serves a device to a new client.
pub fn serve(device: Arc<dyn Device>) -> Client {
    let (ours, theirs) = UnixStream::pair().expect("socket pair");
    thread::spawn(move || Server::new(device).serve(theirs));
    Client::new(ours)
}

/// Makes a file of zeroes in memory.
pub fn memfd(size: u64) -> File {
    let fd = memfd_create("guest", MemfdFlags::CLOEXEC).expect("memfd");
    ftruncate(&fd, size).expect("size");
    File::from(fd)
}

/// An eventfd that a test can look at.
pub struct Event(OwnedFd);

impl Event {
    pub fn new() -> Self {
        Self(eventfd(0, EventfdFlags::NONBLOCK).expect("eventfd"))
    }

    pub fn fd(&self) -> OwnedFd {
        self.0.as_fd().try_clone_to_owned().expect("clone")
    }

    /// Takes the number of signals since the last call.
    pub fn take(&self) -> u64 {
        let mut count = [0; 8];
        match File::from(self.fd()).read_exact(&mut count) {
            Ok(()) => u64::from_ne_bytes(count),
            Err(_) => 0,
        }
    }
}
