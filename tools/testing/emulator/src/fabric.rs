// SPDX-License-Identifier: GPL-2.0
//! What the two sides of the link share.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::controller::dma::{Engine, Surroundings};
use crate::controller::interrupt::EpInterrupts;
use crate::controller::outbound::Outbound;
use crate::faults::Faults;
use crate::memory::{GuestMemory, MemoryError};
use crate::profile::Profile;
use crate::trace::{Trace, Transaction};
use crate::traffic::Report;
use crate::vfio_user::message::DmaMap;

/// Settings of one emulator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The board.
    pub profile: Profile,
    /// How the window reaches RC memory.
    pub window_mode: WindowMode,
    /// Whether every access to a BAR of the function is trapped.
    pub trap_bars: bool,
}

/// How the outbound window reaches RC memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowMode {
    /// Pages of RC memory are mapped into the EP's address space.
    #[default]
    Mapped,
    /// Each access is trapped.
    Trapped,
}

/// A side of the link.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    /// The endpoint.
    Ep,
    /// The root complex, as the function with this number reaches it.
    Rc(u8),
}

/// Guest memories, outbound windows, DMA, interrupts towards the EP, and the trace.
#[derive(Clone, Debug)]
pub struct Fabric {
    /// See [`Settings`].
    pub settings: Arc<Settings>,
    /// Memory of the EP.
    pub ep_memory: Arc<GuestMemory>,
    /// Memory of the RC, as each function reaches it: its monitor tells each of them.
    pub rc_memory: Arc<[GuestMemory]>,
    /// Outbound windows.
    pub outbound: Arc<Outbound>,
    /// The DMA engine.
    pub dma: Arc<Engine>,
    /// Interrupts towards the EP.
    pub events: Arc<EpInterrupts>,
    /// What is to go wrong.
    pub faults: Arc<Faults>,
    /// One line per transaction.
    pub trace: Arc<Trace>,
}

impl Fabric {
    /// Makes the shared parts for some settings.
    pub fn new(settings: Settings, trace: Trace) -> Self {
        let trace = Arc::new(trace);
        let ep_memory = Arc::new(GuestMemory::default());
        let functions = 0..settings.profile.functions.get();
        let rc_memory: Arc<[GuestMemory]> = functions.map(|_| GuestMemory::default()).collect();
        let faults = Arc::new(Faults::new(&settings));
        let outbound = Arc::new(Outbound::new(&settings, &rc_memory, &faults, &trace));
        let events = Arc::new(EpInterrupts::new(&settings.profile));
        let dma = Engine::new(
            &settings.profile.dma,
            Surroundings {
                ep_memory: Arc::clone(&ep_memory),
                rc_memory: Arc::clone(&rc_memory),
                outbound: Arc::clone(&outbound),
                events: Arc::clone(&events),
                faults: Arc::clone(&faults),
                trace: Arc::clone(&trace),
            },
        );
        Self {
            ep_memory,
            rc_memory,
            outbound,
            dma: Arc::new(dma),
            events,
            settings: Arc::new(settings),
            faults,
            trace,
        }
    }

    /// Says what crossed the link since the counters were last taken.
    pub fn traffic(&self) -> Report {
        Report::new(&self.settings, self.trace.counters().read())
    }

    /// The same, and sets the counters to zero.
    pub fn take_traffic(&self) -> Report {
        Report::new(&self.settings, self.trace.counters().take())
    }

    /// Bytes of the outbound window.
    pub fn window_size(&self) -> u64 {
        self.settings.profile.outbound.window_size()
    }

    /// The monitor of a side says what memory its guest has.
    pub fn map_memory(
        &self,
        side: Side,
        map: &DmaMap,
        file: Option<OwnedFd>,
    ) -> Result<(), MemoryError> {
        let Some(memory) = self.memory(side) else {
            return Ok(());
        };
        let usable = file.is_some();
        memory.map(map.iova, map.size, file, map.offset, map.writable)?;
        self.trace.record(&Transaction::MemoryMap {
            side,
            base: map.iova,
            size: map.size,
            usable,
        });
        Ok(())
    }

    /// The monitor of a side takes memory of its guest away.
    pub fn unmap_memory(&self, side: Side, base: u64, size: u64) {
        let Some(memory) = self.memory(side) else {
            return;
        };
        memory.unmap(base, size);
        self.trace
            .record(&Transaction::MemoryUnmap { side, base, size });
    }

    /// The monitor of a side is gone, and its guest's memory with it.
    pub fn clear_memory(&self, side: Side) {
        if let Some(memory) = self.memory(side) {
            memory.clear();
        }
    }

    /// The memory of a side; nothing for a function that does not exist.
    fn memory(&self, side: Side) -> Option<&GuestMemory> {
        match side {
            Side::Ep => Some(&self.ep_memory),
            Side::Rc(function) => self.rc_memory.get(usize::from(function)),
        }
    }
}
