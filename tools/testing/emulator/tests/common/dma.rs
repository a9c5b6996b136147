// SPDX-License-Identifier: GPL-2.0
//! The DMA engine as the EP's driver uses it.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use epc_emulator::vfio_user::message::irq;
use epc_regs::{bar, reg, vector, DmaControl, DmaEntry, Status};

use super::{Event, Rig, EP_RAM};

/// Channels of the profile without limits.
pub const READ: u64 = 0;
pub const WRITE: u64 = 2;
pub const COPY: u64 = 4;

/// Where lists are, at the end of the EP's memory.
pub const LIST: u64 = EP_RAM + 0x3e_0000;

/// For a transfer to end in its thread.
const BOUND: Duration = Duration::from_secs(20);

/// An entry without flags.
pub fn entry(source: u64, destination: u64, size: u32) -> DmaEntry {
    DmaEntry {
        source,
        destination,
        size,
        flags: 0,
    }
}

fn at(channel: u64, register: u64) -> u64 {
    reg::DMA0 + channel * reg::DMA_STRIDE + register
}

impl Rig {
    /// Lets channels carry transfers out by themselves.
    pub fn run_dma(&self) {
        for channel in 0..self.fabric.dma.channels() {
            let dma = Arc::clone(&self.fabric.dma);
            thread::spawn(move || dma.run(channel));
        }
    }

    /// Starts a transfer.
    pub fn start_dma(&self, channel: u64, entries: &[DmaEntry]) {
        let words = entries.iter().flat_map(|entry| entry.to_words());
        let bytes: Vec<_> = words.flat_map(u64::to_le_bytes).collect();
        self.ep_ram
            .write_all_at(&bytes, LIST - EP_RAM)
            .expect("list");
        self.start_dma_at(channel, LIST, entries.len() as u32);
    }

    /// Starts a transfer whose list is anywhere.
    pub fn start_dma_at(&self, channel: u64, list: u64, entries: u32) {
        let registers = bar::REGISTERS as u32;
        self.ep
            .write(registers, at(channel, reg::DMA_LIST), &list.to_le_bytes())
            .expect("register");
        self.write_reg(at(channel, reg::DMA_ENTRIES), entries);
        self.control_dma(channel, DmaControl::Start as u32);
    }

    /// Writes the control register of a channel.
    pub fn control_dma(&self, channel: u64, value: u32) {
        self.write_reg(at(channel, reg::DMA_CONTROL), value);
    }

    /// The status register of a channel.
    pub fn dma_status(&self, channel: u64) -> Status {
        Status::from_raw(self.read_dma(channel, reg::DMA_STATUS)).expect("known status")
    }

    /// Bytes that the last transfer of a channel has moved.
    pub fn dma_moved(&self, channel: u64) -> u64 {
        let [low, high] = [0, 4].map(|half| self.read_dma(channel, reg::DMA_MOVED + half));
        u64::from(low) | (u64::from(high) << 32)
    }

    /// Reads a register of a channel.
    pub fn read_dma(&self, channel: u64, register: u64) -> u32 {
        self.read_reg(at(channel, register))
    }

    /// Carries a transfer out, without threads.
    pub fn dma(&self, channel: u64, entries: &[DmaEntry]) -> Status {
        self.start_dma(channel, entries);
        assert_eq!(self.dma_status(channel), Status::Busy);
        self.fabric.dma.run_waiting();
        self.dma_status(channel)
    }

    /// Waits until a transfer has ended in its thread.
    pub fn wait_for_dma(&self, channel: u64) -> Status {
        let begin = Instant::now();
        loop {
            match self.dma_status(channel) {
                Status::Busy => thread::yield_now(),
                status => return status,
            }
            assert!(begin.elapsed() < BOUND, "the transfer does not end");
        }
    }

    /// Gives the vector of a channel an eventfd.
    pub fn dma_vector(&self, channel: u64) -> Event {
        let doorbells = self.read_reg(reg::DOORBELL_COUNT);
        let vector = u32::from(vector::DOORBELL0) + doorbells + channel as u32;
        let event = Event::new();
        self.ep
            .set_eventfds(irq::MSIX, vector, &[&event])
            .expect("vector");
        event
    }
}
