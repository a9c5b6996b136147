// SPDX-License-Identifier: GPL-2.0
//! A function as the RC's monitor sees it: a vfio-user device of its own.
//!
//! Runs in the RC thread of this function. Whatever takes RC memory away from the EP waits until the window pages are
//! withdrawn, without the lock, before the RC is told that it is done.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use epc_regs::event;

use super::bars::{Range, Target};
use super::interrupts::arrivals;
use super::{Function, Intx, State};
use crate::config_space;
use crate::fabric::Side;
use crate::faults::{self, Effect};
use crate::trace::{Access, Transaction};
use crate::vectors::Vectors;
use crate::vfio_user::device::{check_access, IrqInfo, Place, RegionInfo};
use crate::vfio_user::message::{irq, DmaMap, IrqAction, SetIrqs, CONFIG_REGION};
use crate::vfio_user::{Client, Device, Refusal};

impl Device for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self, client: &Arc<Client>) -> Result<(), Refusal> {
        let mut state = self.lock();
        if !state.answers() {
            return Err(Refusal::LinkDown);
        }
        let state = &mut *state;
        (state.config, state.msix) = state.definition.shape();
        state.msi = Vectors::new(state.definition.msi.into());
        state.intx = Intx::new();
        state.client = Some(Arc::clone(client));
        if !self.fabric.settings.trap_bars {
            let bars = state
                .definition
                .bars
                .iter()
                .zip(&mut state.mapped)
                .enumerate();
            for (index, (bar, mapped)) in bars {
                let place = state.msix.place_in(index);
                *mapped = bar
                    .as_ref()
                    .and_then(|bar| bar.mappable(&self.fabric.ep_memory, place));
            }
        }
        Ok(())
    }

    fn disconnect(&self) {
        let mut state = self.lock();
        state.client = None;
        state.mapped = Default::default();
        state.msi = Vectors::default();
        state.intx = Intx::new();
        state.reset();
        self.update_gate(&mut state);
        drop(state);
        self.fabric.clear_memory(self.side());
        self.fabric.outbound.refresh();
        self.fabric.outbound.settle();
    }

    fn region_info(&self, region: u32) -> RegionInfo {
        let state = self.lock();
        let size = state.region_size(region);
        let mapped = usize::try_from(region)
            .ok()
            .and_then(|bar| state.mapped.get(bar));
        RegionInfo {
            size,
            mappable: mapped.cloned().flatten(),
        }
    }

    fn irq_info(&self, index: u32) -> IrqInfo {
        let state = self.lock();
        match index {
            irq::INTX => IrqInfo {
                count: u32::from(state.definition.header.interrupt_pin != 0),
                automasked: true,
            },
            irq::MSI => IrqInfo {
                count: state.msi.count(),
                automasked: false,
            },
            _ => IrqInfo::default(),
        }
    }

    fn region_read(&self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), Refusal> {
        let effect = self.strike_access(region, Access::Read, offset);
        let state = self.lock();
        match check_access(region, offset, data.len(), state.region_size(region))? {
            _ if !state.answers() => data.fill(0xff),
            Place::Config if data.len() == config_space::SIZE => {
                state.config.read_without_msix(data)
            }
            Place::Config => state.config.read(offset, data),
            Place::Bar(bar) => self.read_bar(&state, bar, offset, data),
        }
        if let Some(effect) = effect {
            effect.garble(data);
        }
        self.trace_access(&state, region, Access::Read, offset, data);
        Ok(())
    }

    fn region_write(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), Refusal> {
        let effect = self.strike_access(region, Access::Write, offset);
        let mut state = self.lock();
        let place = check_access(region, offset, data.len(), state.region_size(region))?;
        self.trace_access(&state, region, Access::Write, offset, data);
        if !state.answers() {
            return Ok(());
        }
        match place {
            Place::Bar(bar) => {
                for _ in 0..arrivals(effect) {
                    self.write_bar(&mut state, bar, offset, data);
                }
            }
            Place::Config => {
                let was_open = state.open;
                self.write_config(&mut state, offset, data);
                let closed = was_open && !state.open;
                drop(state);
                if closed {
                    self.fabric.outbound.settle();
                }
            }
        }
        Ok(())
    }

    fn dma_map(&self, map: &DmaMap, file: Option<OwnedFd>) -> Result<(), Refusal> {
        self.fabric.map_memory(self.side(), map, file)?;
        self.fabric.outbound.refresh();
        // An RC with DMA remapping tells the EP of what it has mapped as soon as this returns.
        self.fabric.outbound.settle();
        Ok(())
    }

    fn dma_unmap(&self, iova: u64, size: u64) {
        self.fabric.unmap_memory(self.side(), iova, size);
        self.fabric.outbound.refresh();
        self.fabric.outbound.settle();
    }

    fn set_irqs(&self, request: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        let mut state = self.lock();
        match request.index {
            irq::MSI => state.msi.apply(request, fds),
            irq::INTX => state.intx.apply(request, fds),
            index => Err(Refusal::Vectors {
                index,
                start: request.start,
                count: request.count,
            }),
        }
    }

    fn reset(&self) {
        let mut state = self.lock();
        self.reset_function(&mut state);
        drop(state);
        self.fabric.outbound.settle();
    }
}

impl Function {
    /// The guest memory that this function reaches.
    fn side(&self) -> Side {
        Side::Rc(self.number)
    }

    fn reset_function(&self, state: &mut State) {
        tracing::debug!("{}: Function reset", self.name);
        self.trace_link("function reset");
        state.reset();
        if state.is_up() {
            let events = &self.fabric.events;
            events.raise_for(self.number, event::FUNCTION_RESET);
        }
        self.update_gate(state);
    }

    fn write_config(&self, state: &mut State, offset: u64, data: &[u8]) {
        state.config.write(offset, data);
        if state.config.take_function_reset() {
            return self.reset_function(state);
        }
        self.update_gate(state);
        self.deliver_pending(state);
    }

    fn read_bar(&self, state: &State, bar: usize, offset: u64, data: &mut [u8]) {
        data.fill(0);
        for run in state.resolve(bar, offset, data.len()) {
            let Some(part) = part_mut(data, &run, offset) else {
                continue;
            };
            match run.target {
                Target::Nothing | Target::Doorbell(_) => {}
                Target::MsixTable(at) => state.msix.read_table(at, part),
                Target::MsixPending(at) => state.msix.read_pending(at, part),
                Target::Memory(address) => {
                    if let Err(error) = self.fabric.ep_memory.read(address, part) {
                        tracing::debug!("BAR {bar} read at {offset:#x} failed: {error}");
                        part.fill(0xff);
                    }
                }
            }
        }
    }

    fn write_bar(&self, state: &mut State, bar: usize, offset: u64, data: &[u8]) {
        for run in state.resolve(bar, offset, data.len()) {
            let at = (run.offset - offset) as usize;
            let Some(part) = data.get(at..at + run.size as usize) else {
                continue;
            };
            match run.target {
                Target::Nothing | Target::MsixPending(_) => {}
                Target::Doorbell(at) => self.ring(at, part),
                Target::MsixTable(at) => {
                    state.msix.write_table(at, part);
                    self.deliver_pending(state);
                }
                Target::Memory(address) => {
                    if let Err(error) = self.fabric.ep_memory.write(address, part) {
                        tracing::debug!("BAR {bar} write at {offset:#x} failed: {error}");
                    }
                }
            }
        }
    }

    fn ring(&self, at: u64, data: &[u8]) {
        let mut word = [0; 8];
        word.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        let index = at / epc_regs::DOORBELL_STRIDE;
        let value = u64::from_le_bytes(word);
        self.fabric
            .trace
            .record(&Transaction::Doorbell { index, value });
        self.fabric.events.ring(index);
    }

    /// Says what becomes of an access to a BAR; without a lock.
    fn strike_access(&self, region: u32, access: Access, offset: u64) -> Option<Effect> {
        let faults = &self.fabric.faults;
        if region == CONFIG_REGION || !faults.any() {
            return None;
        }
        let rings = self.lock().has_doorbell(region as usize, offset);
        faults.strike(match access {
            Access::Read => faults::Target::BarRead,
            Access::Write if rings => faults::Target::Doorbell,
            Access::Write => faults::Target::BarWrite,
        })
    }

    fn trace_access(&self, state: &State, region: u32, access: Access, offset: u64, data: &[u8]) {
        let function = self.number;
        let transaction = match region {
            CONFIG_REGION => Transaction::Config {
                function,
                access,
                offset,
                data,
            },
            bar => Transaction::Bar {
                function,
                bar: bar as usize,
                access,
                offset,
                rings: state.has_doorbell(bar as usize, offset),
                data,
            },
        };
        self.fabric.trace.record(&transaction);
    }
}

impl State {
    fn region_size(&self, region: u32) -> u64 {
        if region == CONFIG_REGION {
            return config_space::SIZE as u64;
        }
        let bar = usize::try_from(region)
            .ok()
            .and_then(|bar| self.definition.bar(bar));
        bar.map_or(0, super::Bar::size)
    }

    fn resolve(&self, bar: usize, offset: u64, size: usize) -> Vec<Range> {
        let place = self.msix.place_in(bar);
        let bar = self.definition.bar(bar);
        bar.map(|bar| bar.resolve(offset, size as u64, place))
            .unwrap_or_default()
    }

    fn has_doorbell(&self, bar: usize, offset: u64) -> bool {
        let runs = self.resolve(bar, offset, 1);
        matches!(runs.first(), Some(run) if matches!(run.target, Target::Doorbell(_)))
    }

    /// What a function reset clears: everything that the RC wrote, but nothing that the EP defined.
    fn reset(&mut self) {
        (self.config, _) = self.definition.shape();
        self.msix.reset();
        self.intx.level = false;
    }
}

impl Intx {
    fn apply(&mut self, request: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        self.vectors.apply(request, fds)?;
        match request.action {
            IrqAction::Mask { masked, chosen } if chosen.includes(0) => {
                self.masked = masked;
                self.fire();
            }
            IrqAction::Assign => self.masked = false,
            _ => {}
        }
        Ok(())
    }
}

/// The part of an access that a run covers.
fn part_mut<'a>(data: &'a mut [u8], run: &Range, offset: u64) -> Option<&'a mut [u8]> {
    let at = (run.offset - offset) as usize;
    data.get_mut(at..at + run.size as usize)
}
