// SPDX-License-Identifier: GPL-2.0
//! What the two sides of the link share.

use std::sync::Arc;

use crate::controller::interrupt::EpInterrupts;
use crate::controller::outbound::Outbound;
use crate::memory::GuestMemory;
use crate::trace::Trace;

/// Settings of one emulator.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes of the outbound window, a power of two.
    pub window_size: u64,
    /// How the window reaches RC memory.
    pub window_mode: WindowMode,
    /// Whether every access to a BAR of the function is trapped.
    pub trap_bars: bool,
    /// Number of doorbells.
    pub doorbells: u16,
}

/// How the outbound window reaches RC memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WindowMode {
    /// Pages of RC memory are mapped into the EP's address space.
    Mapped,
    /// Each access is trapped.
    Trapped,
}

/// Guest memories, outbound windows, interrupts towards the EP, and the trace.
#[derive(Clone, Debug)]
pub struct Fabric {
    /// See [`Settings`].
    pub settings: Settings,
    /// Memory of the EP.
    pub ep_memory: Arc<GuestMemory>,
    /// Memory of the RC.
    pub rc_memory: Arc<GuestMemory>,
    /// Outbound windows.
    pub outbound: Arc<Outbound>,
    /// Interrupts towards the EP.
    pub events: Arc<EpInterrupts>,
    /// One line per transaction.
    pub trace: Arc<Trace>,
}

impl Fabric {
    /// Makes the shared parts for some settings.
    pub fn new(settings: Settings, trace: Trace) -> Self {
        let trace = Arc::new(trace);
        let rc_memory = Arc::new(GuestMemory::default());
        let outbound = Outbound::new(&settings, Arc::clone(&rc_memory), Arc::clone(&trace));
        Self {
            settings,
            ep_memory: Arc::new(GuestMemory::default()),
            rc_memory,
            outbound: Arc::new(outbound),
            events: Arc::new(EpInterrupts::new(settings.doorbells)),
            trace,
        }
    }
}
