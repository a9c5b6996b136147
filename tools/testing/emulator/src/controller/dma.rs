// SPDX-License-Identifier: GPL-2.0
//! The DMA engine: moves data between both memories on its own, while the EP does something else.
//!
//! ```text
//! DMA_CONTROL = Start -> channel: Busy -> its thread: list -> chunk, chunk, ... -> status -> vector
//!                                            Abort, Reset: the end, before the next chunk
//! ```
//!
//! Each channel has a thread, and its state a mutex, second in the order of `sync`; the thread holds it
//! while it moves a chunk, so that nothing is touched any more once Abort or Reset has had it.
//!
//! The gates, fifth in the order, say of each function whether the link is up with bus mastering on. A chunk
//! that crosses the link holds them for reading, so that nothing crosses any more once one is closed. A transfer
//! does not survive that its gate is closed, even if it is open again at its next chunk.
//!
//! PCI addresses are those of function 0, as for DesignWare's engine, of which the driver leaves the
//! number of the function at 0 (drivers/dma/dw-edma of the kernel); what is in the window belongs to the
//! function that mapped it.

mod channel;
mod copy;

use std::sync::{Arc, RwLock};

use epc_regs::{reg, Status, FUNCTIONS_MAX};

use super::interrupt::EpInterrupts;
use super::outbound::Outbound;
use crate::faults::{Effect, Faults, Target};
use crate::memory::GuestMemory;
use crate::profile::Dma;
use crate::sync::{read, write};
use crate::trace::Trace;
use channel::{Channel, Order};

/// What the engine moves data between, and who hears of it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Memory of the EP.
    pub ep_memory: Arc<GuestMemory>,
    /// Memory of the RC, as each function reaches it.
    pub rc_memory: Arc<[GuestMemory]>,
    /// What offsets in the window mean.
    pub outbound: Arc<Outbound>,
    /// Interrupts towards the EP.
    pub events: Arc<EpInterrupts>,
    /// What is to go wrong.
    pub faults: Arc<Faults>,
    /// One line per transfer.
    pub trace: Arc<Trace>,
}

/// The channels.
#[derive(Debug)]
pub struct Engine {
    channels: Vec<Channel>,
    gates: RwLock<Gates>,
    surroundings: Surroundings,
}

/// The ways to RC memory, one for each function.
type Gates = [Gate; FUNCTIONS_MAX];

/// The way of a function to RC memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gate {
    open: bool,
    /// Counts the times that it was opened or closed.
    changes: u64,
}

impl Engine {
    /// Makes the engine of a board, without a transfer.
    pub fn new(profile: &Dma, surroundings: Surroundings) -> Self {
        let channels = profile.channels().enumerate();
        Self {
            channels: channels
                .map(|(index, kind)| Channel::new(index, kind))
                .collect(),
            gates: RwLock::default(),
            surroundings,
        }
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Reads a register; zero where there is none.
    pub fn read(&self, offset: u64) -> u32 {
        let (channel, at) = self.register(offset);
        channel.map_or(0, |channel| channel.read(at))
    }

    /// Writes a register.
    pub fn write(&self, offset: u64, value: u32) {
        let (channel, at) = self.register(offset);
        let Some(channel) = channel else {
            return tracing::debug!("EP: There is no DMA channel at {offset:#x}");
        };
        // Not held any more when the lock of the channel is taken, which comes before it.
        let gates = *read(&self.gates);
        channel.write(at, value, gates, &self.surroundings.trace);
    }

    fn register(&self, offset: u64) -> (Option<&Channel>, u64) {
        let index = (offset / reg::DMA_STRIDE) as usize;
        (self.channels.get(index), offset % reg::DMA_STRIDE)
    }

    /// Opens or closes the way of a function to RC memory; once it is closed, nothing crosses the link there.
    pub fn set_open(&self, function: u8, open: bool) {
        let function = usize::from(function);
        let before = read(&self.gates).get(function).copied();
        if before.is_some_and(|gate| gate.open != open) {
            if let Some(gate) = write(&self.gates).get_mut(function) {
                gate.open = open;
                gate.changes += 1;
            }
        }
    }

    /// Ends all transfers, without interrupts, and forgets what was written to registers.
    pub fn reset(&self) {
        let trace = &self.surroundings.trace;
        self.channels
            .iter()
            .for_each(|channel| channel.reset(trace));
    }

    /// Ends the threads of all channels.
    pub fn stop(&self) {
        self.channels.iter().for_each(Channel::stop);
    }

    /// The thread of a channel: carries transfers out until stopped.
    pub fn run(&self, index: usize) {
        let Some(channel) = self.channels.get(index) else {
            return;
        };
        while let Some(order) = channel.next_order() {
            self.carry_out(channel, &order);
        }
    }

    /// Carries out the transfers that wait for their threads, for who has none.
    pub fn run_waiting(&self) {
        for channel in &self.channels {
            if let Some(order) = channel.waiting_order() {
                self.carry_out(channel, &order);
            }
        }
    }

    fn carry_out(&self, channel: &Channel, order: &Order) {
        let effect = self.surroundings.faults.strike(Target::Dma);
        let status = match effect {
            Some(Effect::Refuse) => Status::Failed,
            _ => self.transfer(channel, order),
        };
        let tell = effect != Some(Effect::Lose);
        channel.finish(order, status, tell, &self.surroundings);
    }

    /// Moves the data of a transfer, as long as it is not ended.
    fn transfer(&self, channel: &Channel, order: &Order) -> Status {
        let list = match self.list(channel.kind(), order) {
            Ok(list) => list,
            Err(status) => return status,
        };
        let mut buffer = copy::buffer();
        let mut entries = list.iter();
        let moved = entries.try_for_each(|piece| {
            piece.chunks().try_for_each(|chunk| {
                channel.advance(order, |sums| self.copy(&chunk, order, &mut buffer, sums))
            })
        });
        moved.map_or_else(|status| status, |()| Status::Ok)
    }
}
