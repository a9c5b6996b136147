// SPDX-License-Identifier: GPL-2.0
//! One channel: its registers, and the life of its transfer.
//!
//! Whoever ends a transfer, be it its thread, an abort or a reset, records it, under the lock; so there is
//! one record of each, and it is there as soon as the status is.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use epc_regs::{reg, DmaControl, DmaKind, Status};

use super::{Gates, Surroundings};
use crate::sync::lock;
use crate::trace::{Access, Trace, Transaction};

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    index: usize,
    kind: DmaKind,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    list: u64,
    entries: u32,
    status: Status,
    sums: Sums,
    /// The transfer that runs, or the last one.
    order: Order,
    /// Whether the thread has not seen the order yet.
    waits: bool,
    stopped: bool,
}

/// What a transfer is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Counts the transfers of this channel.
    number: u64,
    /// EP address of the list.
    pub(super) list: u64,
    /// How many entries it has.
    pub(super) entries: u32,
    /// The ways to RC memory, as they were when the transfer began.
    pub(super) gates: Gates,
}

/// Bytes that a transfer has moved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// All of them.
    pub(super) moved: u64,
    /// Those that came from RC memory.
    pub(super) read: u64,
    /// Those that went to RC memory.
    pub(super) written: u64,
}

impl Channel {
    pub(super) fn new(index: usize, kind: DmaKind) -> Self {
        Self {
            index,
            kind,
            state: Mutex::new(State {
                list: 0,
                entries: 0,
                status: Status::Ok,
                sums: Sums::default(),
                order: Order::default(),
                waits: false,
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn kind(&self) -> DmaKind {
        self.kind
    }

    pub(super) fn read(&self, at: u64) -> u32 {
        const LIST_HIGH: u64 = reg::DMA_LIST + 4;
        const MOVED_HIGH: u64 = reg::DMA_MOVED + 4;
        let state = lock(&self.state);
        match at {
            reg::DMA_KIND => self.kind as u32,
            reg::DMA_LIST => state.list as u32,
            LIST_HIGH => (state.list >> 32) as u32,
            reg::DMA_ENTRIES => state.entries,
            reg::DMA_STATUS => state.status as u32,
            reg::DMA_MOVED => state.sums.moved as u32,
            MOVED_HIGH => (state.sums.moved >> 32) as u32,
            _ => 0,
        }
    }

    pub(super) fn write(&self, at: u64, value: u32, gates: Gates, trace: &Trace) {
        const LIST_HIGH: u64 = reg::DMA_LIST + 4;
        let mut state = lock(&self.state);
        let list = state.list;
        match at {
            reg::DMA_CONTROL => match DmaControl::from_raw(value) {
                Some(DmaControl::Start) => self.start(&mut state, gates),
                Some(DmaControl::Abort) => self.end(&mut state, Status::Aborted, trace),
                None => tracing::warn!("EP: There is no DMA control {value:#x}"),
            },
            reg::DMA_LIST => state.list = list & !u64::from(u32::MAX) | u64::from(value),
            LIST_HIGH => state.list = list & u64::from(u32::MAX) | (u64::from(value) << 32),
            reg::DMA_ENTRIES => state.entries = value,
            _ => tracing::debug!("EP: DMA register {at:#x} is read-only or does not exist"),
        }
    }

    fn start(&self, state: &mut State, gates: Gates) {
        if state.status == Status::Busy {
            return tracing::warn!("EP: DMA channel {} is busy, Start is ignored", self.index);
        }
        state.order = Order {
            number: state.order.number + 1,
            list: state.list,
            entries: state.entries,
            gates,
        };
        state.status = Status::Busy;
        state.sums = Sums::default();
        state.waits = true;
        self.changed.notify_all();
    }

    /// Ends the transfer that runs, if one does.
    fn end(&self, state: &mut State, status: Status, trace: &Trace) {
        if state.status != Status::Busy {
            return;
        }
        state.status = status;
        state.waits = false;
        let Sums {
            moved,
            read,
            written,
        } = state.sums;
        let record = |access, size| {
            trace.record(&Transaction::Dma {
                channel: self.index,
                access,
                entries: state.order.entries,
                size,
                status,
            });
        };
        match self.kind {
            DmaKind::Read => record(Some(Access::Read), read),
            DmaKind::Write => record(Some(Access::Write), written),
            DmaKind::Copy if read + written == 0 => record(None, moved),
            DmaKind::Copy => {
                let ways = [(Access::Read, read), (Access::Write, written)];
                let ways = ways.into_iter().filter(|(_, size)| *size > 0);
                ways.for_each(|(access, size)| record(Some(access), size));
            }
        }
    }

    pub(super) fn reset(&self, trace: &Trace) {
        let mut state = lock(&self.state);
        self.end(&mut state, Status::Aborted, trace);
        state.status = Status::Ok;
        state.sums = Sums::default();
        (state.list, state.entries) = (0, 0);
    }

    pub(super) fn stop(&self) {
        lock(&self.state).stopped = true;
        self.changed.notify_all();
    }

    /// Waits for a transfer; `None` when stopped.
    pub(super) fn next_order(&self) -> Option<Order> {
        let idle = |state: &mut State| !state.waits && !state.stopped;
        let state = self.changed.wait_while(lock(&self.state), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.take_order()
    }

    /// Returns the transfer that waits for its thread, if one does.
    pub(super) fn waiting_order(&self) -> Option<Order> {
        lock(&self.state).take_order()
    }

    /// Lets a transfer move a chunk, unless it was ended.
    ///
    /// # Errors
    ///
    /// What `step` answered; `Aborted` when the transfer has ended.
    pub(super) fn advance(
        &self,
        order: &Order,
        step: impl FnOnce(&mut Sums) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let mut state = self.lock_running(order).ok_or(Status::Aborted)?;
        step(&mut state.sums)
    }

    /// Ends a transfer by itself, unless it was ended; `tell` says whether the EP is interrupted.
    pub(super) fn finish(&self, order: &Order, status: Status, tell: bool, around: &Surroundings) {
        let Some(mut state) = self.lock_running(order) else {
            return;
        };
        if status != Status::Ok {
            tracing::warn!(
                "EP: A transfer of DMA channel {} failed: {status:?}",
                self.index
            );
        }
        self.end(&mut state, status, &around.trace);
        if tell {
            around.events.end_transfer(self.index);
        }
    }

    /// Locks the state if this transfer still runs and the emulator does.
    fn lock_running(&self, order: &Order) -> Option<MutexGuard<'_, State>> {
        let state = lock(&self.state);
        let runs = state.status == Status::Busy && state.order == *order && !state.stopped;
        runs.then_some(state)
    }
}

impl State {
    fn take_order(&mut self) -> Option<Order> {
        let waits = std::mem::take(&mut self.waits);
        (waits && !self.stopped).then_some(self.order)
    }
}
