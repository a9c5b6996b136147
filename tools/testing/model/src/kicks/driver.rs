// SPDX-License-Identifier: GPL-2.0

//! The driver side: mainline's virtio ring, and the shipped doorbell.

use transport::{BarSizes, EndpointPort, Identity, QueueIndex};

use super::state::{Action, Adding, Kicks, Posted, Source, State};
use crate::commands::place;
use crate::fault::Fault;
use crate::memory::Write;

/// `VIRTQ_USED_F_NO_NOTIFY`.
const NO_KICK: u16 = 1;

/// Makes doorbells as the RC's driver does.
pub struct Doorbells {
    identity: Identity,
    queue: QueueIndex,
}

impl Doorbells {
    pub fn new() -> Self {
        let bars: BarSizes = place::BARS;
        let registers = place::Recorder::default();
        EndpointPort::announce(&registers);
        place::start(&mut EndpointPort::new(place::layout()), &registers, 1);
        let identity = Identity::read(&registers, 0, &bars).expect("a legal identity");
        let queue = identity.queue(0).expect("at least one queue");
        Self { identity, queue }
    }

    /// The value after `last`.
    fn next_value(&self, last: u32) -> u32 {
        // Nothing is read for a polled slot.
        let registers = place::Recorder::default();
        self.identity
            .doorbell(&registers, self.queue, last)
            .next_value()
    }
}

impl Kicks {
    pub fn list_driver(&self, state: &State, actions: &mut Vec<Action>) {
        match state.adding {
            Adding::No if state.buffers > 0 => actions.push(Action::Add),
            Adding::No => {}
            Adding::Wish => actions.push(Action::Wish),
            Adding::Index => actions.push(Action::AddLate),
        }
        if state.kickers > 0 {
            actions.push(Action::Push);
        }
        if state.is_late {
            actions.push(Action::PushLate);
        }
        // Values that were fetched are written in any order.
        actions.extend((0..state.values.len()).map(Action::Ring));
        if !state.posted.is_empty() {
            actions.push(Action::Deliver);
        }
        actions.extend(state.wishes.next().map(|(at, _)| Action::Drain(at)));
        // Commands are executed while no worker runs, as the EP waits for it.
        let is_idle = state.running.is_none() && state.wishes.is_empty();
        if state.seen.is_some() && is_idle && state.cycles > 0 {
            actions.push(Action::Disable);
        }
        let is_driver_idle = state.adding == Adding::No
            && state.kickers == 0
            && !state.is_late
            && state.values.is_empty()
            && state.posted.is_empty();
        if is_idle && is_driver_idle && state.reloads > 0 && state.seen.is_some() {
            actions.push(Action::Reload);
        }
    }

    pub fn act_driver(&self, state: &mut State, action: Action) {
        match action {
            Action::Add if self.bounds.fault == Some(Fault::DoorbellFirst) => {
                state.adding = Adding::Index;
                self.kick(state);
            }
            Action::Add => {
                state.available += 1;
                state.buffers -= 1;
                state.adding = Adding::Wish;
            }
            Action::AddLate => {
                state.available += 1;
                state.buffers -= 1;
                state.adding = Adding::No;
            }
            Action::Wish => {
                state.adding = Adding::No;
                match self.is_kick_wanted(state) {
                    true if self.bounds.pushed => state.kickers += 1,
                    true => self.kick(state),
                    false => {}
                }
            }
            Action::Push => {
                state.kickers -= 1;
                match self.bounds.fault {
                    Some(Fault::PushedLate) => state.is_late = true,
                    _ => push(state),
                }
                self.kick(state);
            }
            Action::PushLate => {
                state.is_late = false;
                push(state);
            }
            Action::Ring(at) => {
                let value = state.values.remove(at);
                state.posted.push(Posted::Doorbell(value));
            }
            Action::Deliver => match (state.posted.remove(0), self.bounds.source) {
                (Posted::Index(index), _) => state.seen_index = index,
                (Posted::Doorbell(value), Source::Polled) => state.slot = value,
                (Posted::Doorbell(_), Source::Interrupt) => state.is_interrupted = true,
            },
            Action::Drain(at) => {
                if let Some(Write { value, .. }) = state.wishes.take(at) {
                    // Words of a ring have 16 bits.
                    state.wish = value as u16;
                }
            }
            Action::Disable => {
                state.cycles -= 1;
                state.seen = None;
                state.is_between = false;
                state.is_woken = false;
            }
            Action::Reload => self.reload(state),
            _ => {}
        }
    }

    /// The queue is reset, its ring is a new one, and the counter goes on from the slot (D2).
    fn reload(&self, state: &mut State) {
        state.reloads -= 1;
        state.seen = None;
        state.is_between = false;
        state.is_woken = false;
        state.available = 0;
        (state.pushed, state.seen_index) = (0, 0);
        state.next = 0;
        state.wish = 0;
        state.counter = match self.bounds.fault {
            Some(Fault::CounterRestarted) => 0,
            _ => state.slot,
        };
    }

    /// What `virtqueue_kick_prepare` says.
    fn is_kick_wanted(&self, state: &State) -> bool {
        if !self.bounds.event_idx {
            return state.wish & NO_KICK == 0;
        }
        let (new, old) = (state.available, state.available.wrapping_sub(1));
        new.wrapping_sub(state.wish).wrapping_sub(1) < new.wrapping_sub(old)
    }

    fn kick(&self, state: &mut State) {
        let value = match (self.bounds.fault, self.bounds.source) {
            (Some(Fault::CounterMissing | Fault::RfcSlotCleared), _) => 1,
            (_, Source::Polled) => self.doorbells.next_value(state.counter),
            // The value says which queue, and there is one.
            (_, Source::Interrupt) => 0,
        };
        state.counter = value;
        state.values.push(value);
    }
}

/// Pushes what is available, unless somebody did or the queue is not enabled.
fn push(state: &mut State) {
    if state.seen.is_some() && state.pushed != state.available {
        state.pushed = state.available;
        state.posted.push(Posted::Index(state.available));
    }
}
