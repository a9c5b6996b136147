// SPDX-License-Identifier: GPL-2.0
//! A link of which every access is seen.

use epc_emulator::fabric::{Settings, WindowMode};
use epc_emulator::profile::Profile;
use epc_emulator::trace::Trace;
use epc_emulator::vfio_user::message::irq;
use epc_regs::{Backing, Opcode};

use super::{Event, Rig, EP_RAM, RC_RAM};

pub const BUS_MASTER: u16 = 0x0006;
const MSI_CONTROL: u64 = 0x82;
const MEMORY: u64 = Backing::Memory as u64;
const DOORBELL: u64 = Backing::Doorbell as u64;

/// Mappings of the window: offset, and where in the RC's memory.
pub const RING: (u64, u64) = (0x3000, RC_RAM);
pub const DATA: (u64, u64) = (0x8000, RC_RAM + 0x10_000);

/// Settings of a board whose link is seen as a whole.
pub fn trapped(board: &str) -> Settings {
    Settings {
        profile: Profile::load(board).expect("profile"),
        window_mode: WindowMode::Trapped,
        trap_bars: true,
    }
}

/// A link where all is seen: BAR 0 is two pages of memory, BAR 2 is doorbells, two mappings.
pub struct Bench {
    pub rig: Rig,
    _vectors: [Event; 2],
}

impl Bench {
    pub fn new(settings: Settings, trace: Trace) -> Self {
        let mut rig = Rig::traced(settings, trace);
        rig.header();
        rig.ok(Opcode::SetBar, 0, &[0x2000, 0, MEMORY, EP_RAM]);
        rig.ok(Opcode::SetBar, 2, &[0x1000, 0, DOORBELL, 0]);
        rig.ok(Opcode::SetMsi, 4, &[]);
        rig.attach();
        let vectors = [Event::new(), Event::new()];
        for (index, vector) in [irq::MSI, irq::INTX].into_iter().zip(&vectors) {
            rig.rc().set_eventfds(index, 0, &[vector]).expect("vector");
        }
        rig.rc().config_write(MSI_CONTROL, &[1, 0]);
        rig.set_command(BUS_MASTER);
        for (window, pci) in [RING, DATA] {
            rig.ok(Opcode::Map, 0, &[window, pci, 0x2000]);
        }
        rig.fabric.take_traffic();
        Self {
            rig,
            _vectors: vectors,
        }
    }
}
