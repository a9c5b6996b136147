// SPDX-License-Identifier: GPL-2.0

//! The EP: the shipped look at a slot, and a worker with the shipped ring.
//!
//! The worker serves as the backends do (`drivers/vhost/net/transmit.rs`): no kicks wanted while there
//! is something to do, and a last look after kicks are wanted again (D6).

use std::cell::Cell;
use std::convert::Infallible;

use transport::{Offset, PolledSlot};
use virtio::features;
use virtio::ring::{Area, Batch, Position, Queue, QueueConfig, RingError, RingMemory, Used};

use super::state::{Action, Kicks, Posted, Source, State};
use crate::fault::Fault;
use crate::memory::Write;
use crate::replay::{Access, Effect, Ended, Replay};

/// More descriptors than buffers, so that none is used twice.
const SIZE: u16 = 8;
/// The available and the used index in their areas.
const INDEX: usize = 2;
/// The driver's flags, or its `used_event`: no used buffer notification is wanted.
const NO_INTERRUPT: u16 = 1;

impl Kicks {
    pub fn list_ep(&self, state: &State, actions: &mut Vec<Action>) {
        let Some(seen) = state.seen else {
            actions.push(Action::Enable);
            return;
        };
        if state.is_between {
            actions.push(Action::SeeAgain);
        } else if self.is_rung(state, seen) {
            actions.push(Action::See);
        }
        match state.running {
            Some(_) => {
                // A read goes behind the writes that a full barrier is behind.
                if !state.wishes.has_barrier() {
                    actions.push(Action::Read);
                }
            }
            None if state.is_woken => actions.push(Action::Work),
            None => {}
        }
    }

    fn is_rung(&self, state: &State, mut seen: PolledSlot) -> bool {
        match self.bounds.source {
            Source::Polled => seen.is_kicked(state.slot),
            Source::Interrupt => state.is_interrupted,
        }
    }

    pub fn act_ep(&self, state: &mut State, action: Action) {
        match action {
            Action::See => self.see(state),
            Action::SeeAgain => {
                state.is_between = false;
                match self.bounds.fault {
                    Some(Fault::RfcSlotCleared) => state.slot = 0,
                    _ => state.seen = Some(PolledSlot::new(state.slot)),
                }
            }
            Action::Enable => self.enable(state),
            Action::Work => {
                state.is_woken = false;
                self.run(state, Vec::new());
            }
            Action::Read => {
                if let Some(mut answers) = state.running.take() {
                    answers.push(self.index(state).into());
                    self.run(state, answers);
                }
            }
            _ => {}
        }
    }

    fn see(&self, state: &mut State) {
        state.is_interrupted = false;
        state.is_woken = true;
        match self.bounds.fault {
            Some(Fault::SlotTakenLate | Fault::RfcSlotCleared) => state.is_between = true,
            _ => {
                if let Some(seen) = &mut state.seen {
                    seen.is_kicked(state.slot);
                }
            }
        }
    }

    /// The available index where the worker reads it.
    pub fn index(&self, state: &State) -> u16 {
        match self.bounds.pushed {
            true => state.seen_index,
            false => state.available,
        }
    }

    /// Takes the slot as seen, then looks in any case (D5).
    fn enable(&self, state: &mut State) {
        if self.bounds.pushed {
            self.begin_to_push(state);
        }
        state.seen = Some(PolledSlot::new(match self.bounds.fault {
            Some(Fault::RfcSlotCleared) => 0,
            _ => state.slot,
        }));
        state.is_woken = self.bounds.fault != Some(Fault::EnabledWithoutLook);
    }

    /// What is available was pushed before (B1), as commands overtake no write.
    fn begin_to_push(&self, state: &mut State) {
        let is_index = |write: &Posted| matches!(write, Posted::Index(_));
        state.posted.retain(|write| !is_index(write));
        state.pushed = match self.bounds.fault {
            Some(Fault::StartNotPushed) => state.next,
            _ => state.available,
        };
        state.seen_index = state.pushed;
    }

    fn run(&self, state: &mut State, answers: Vec<u32>) {
        let replay = Replay::new(&|_| None, &answers);
        let memory = Memory {
            replay: &replay,
            fault: self.bounds.fault,
            held: Cell::new(None),
        };
        let negotiated = if self.bounds.event_idx {
            features::EVENT_IDX
        } else {
            0
        };
        let config = QueueConfig::new(SIZE, negotiated).expect("a power of two");
        let config = match self.bounds.pushed {
            true => config.pushed(),
            false => config,
        };
        let config = config.start_at(Position::split(state.next));
        let served = config.start(memory).and_then(|mut queue| serve(&mut queue));
        let Ended {
            stopped_at,
            effects,
        } = replay.end();
        for effect in effects {
            match effect {
                Effect::Write(offset, value) => state.wishes.post(Write {
                    offset,
                    value,
                    tag: None,
                }),
                Effect::WriteBarrier => state.wishes.barrier(),
                Effect::Status(_) => {}
            }
        }
        match (stopped_at, served) {
            (Some(_), _) => state.running = Some(answers),
            (None, Ok(next)) => state.next = next,
            (None, Err(_)) => unreachable!("the driver side keeps to the rules"),
        }
    }
}

/// Serves the queue until it sleeps; returns the index to go on from.
fn serve<M: RingMemory>(queue: &mut Queue<M>) -> Result<u16, RingError<M::Error>> {
    let mut batch = Batch::new();
    // Bounded by the buffers; one more for a run that is thrown away.
    for _ in 0..=SIZE {
        queue.disable_notification()?;
        if queue.pop(&mut batch)? == 0 {
            if !queue.enable_notification()? {
                break;
            }
            continue;
        }
        let used: Vec<Used> = batch.iter().map(|chain| chain.used(0)).collect();
        queue.push(&used)?;
    }
    Ok(queue.position().available)
}

/// The memory of the RC: the available index takes part in the model, chains are all alike.
struct Memory<'a> {
    replay: &'a Replay<'a>,
    fault: Option<Fault>,
    /// Planted fault: the wish that is written after the look.
    held: Cell<Option<u16>>,
}

impl Memory<'_> {
    fn wish(&self, wish: u16) {
        self.replay
            .effect(Effect::Write(Offset::new(0), wish.into()));
    }
}

impl RingMemory for Memory<'_> {
    type Error = Infallible;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Infallible> {
        match area {
            // Entry n is descriptor n.
            Area::Driver => {
                for (n, entry) in to.chunks_exact_mut(2).enumerate() {
                    // There are few.
                    let head = ((offset - 4) / 2 + n) as u16;
                    entry.copy_from_slice(&head.to_le_bytes());
                }
            }
            // One byte, nothing after it.
            Area::Descriptor => {
                for descriptor in to.chunks_exact_mut(16) {
                    descriptor.fill(0);
                    descriptor[8] = 1;
                }
            }
            Area::Device => to.fill(0),
        }
        Ok(())
    }

    fn write(&self, _: Area, _: usize, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Infallible> {
        if (area, offset) != (Area::Driver, INDEX) {
            return Ok(NO_INTERRUPT);
        }
        // Indexes have 16 bits.
        let index = self.replay.answer(Access::AvailableIndex) as u16;
        if let Some(wish) = self.held.take() {
            self.wish(wish);
        }
        Ok(index)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Infallible> {
        if area != Area::Device || offset == INDEX {
            return Ok(());
        }
        let is_asking = value & NO_INTERRUPT == 0 || offset != 0;
        if self.fault == Some(Fault::RearmedAfterLook) && is_asking {
            self.held.set(Some(value));
        } else {
            self.wish(value);
        }
        Ok(())
    }

    fn read_buffer(&self, _: u64, to: &mut [u8]) -> Result<(), Infallible> {
        to.fill(0);
        Ok(())
    }

    fn write_buffer(&self, _: u64, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}

    fn full_barrier(&self) {
        if self.fault != Some(Fault::RearmedWithoutBarrier) {
            self.replay.effect(Effect::WriteBarrier);
        }
    }
}
