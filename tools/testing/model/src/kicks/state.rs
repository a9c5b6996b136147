// SPDX-License-Identifier: GPL-2.0

//! The state of a queue and all that kicks pass through.

use stateright::{Model, Property as Checked};
use transport::PolledSlot;

use super::driver::Doorbells;
use crate::fault::Fault;
use crate::memory::Posted as Wishes;
use crate::property::Property;

/// How the EP learns of a write to a doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// It looks at the slot.
    Polled,
    /// It is interrupted; interrupts come late, and several may be one.
    Interrupt,
}

/// A model and its bounds.
#[derive(Clone, Debug)]
pub struct KickBounds {
    pub name: &'static str,
    pub source: Source,
    /// Whether `EVENT_IDX` was negotiated.
    pub event_idx: bool,
    /// Whether the RC pushes the queue.
    pub pushed: bool,
    /// How many buffers are made available.
    pub buffers: u8,
    /// How often the queue is disabled and enabled again.
    pub cycles: u8,
    /// How often the driver is loaded again.
    pub reloads: u8,
    pub fault: Option<Fault>,
}

/// Where the driver side is with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Adding {
    No,
    /// The index is written; it looks whether a kick is wanted next.
    Wish,
    /// Planted fault: it kicked, and writes the index next.
    Index,
}

/// A write of the RC on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Posted {
    /// To the doorbell.
    Doorbell(u32),
    /// To the available index in the push area.
    Index(u16),
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The available index in RC memory.
    pub available: u16,
    pub adding: Adding,
    /// `flags` or `avail_event` in RC memory.
    pub wish: u16,
    /// Writes of the EP to it on their way.
    pub wishes: Wishes,
    /// Processors that are to push and to ring the doorbell.
    pub kickers: u8,
    /// Planted fault: one of them rang and is to push.
    pub is_late: bool,
    /// The available index that was pushed last, and the one that the EP sees.
    pub pushed: u16,
    pub seen_index: u16,
    /// The doorbell's counter.
    pub counter: u32,
    /// Values that processors are about to write to the doorbell.
    pub values: Vec<u32>,
    /// Writes on their way to the EP.
    pub posted: Vec<Posted>,
    /// The slot; interrupts leave it alone.
    pub slot: u32,
    /// The EP has an interrupt to see to.
    pub is_interrupted: bool,
    /// What the EP saw in the slot; `None`: the queue is not enabled.
    pub seen: Option<PolledSlot>,
    /// Planted faults: the EP is between two accesses that belong together.
    pub is_between: bool,
    /// The worker is to run.
    pub is_woken: bool,
    /// What the worker's accesses were answered, if it runs.
    pub running: Option<Vec<u32>>,
    /// The index that the worker goes on from.
    pub next: u16,
    pub buffers: u8,
    pub cycles: u8,
    pub reloads: u8,
    pub violated: Option<Property>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The driver side makes a buffer available (D1).
    Add,
    /// It looks whether a kick is wanted, and takes the doorbell's next value if so (D2).
    Wish,
    /// Planted fault: the index after the kick.
    AddLate,
    /// A processor pushes what is available (B2), and takes the doorbell's next value.
    Push,
    /// Planted fault: it pushes behind the doorbell.
    PushLate,
    /// A processor writes its value to the doorbell.
    Ring(usize),
    /// The write arrives.
    Deliver,
    /// A wish of the EP arrives.
    Drain(usize),
    /// The EP sees the doorbell (D3, D4).
    See,
    /// Planted faults: the second access of it.
    SeeAgain,
    /// The worker begins to run.
    Work,
    /// The worker reads the available index.
    Read,
    /// The queue is disabled.
    Disable,
    /// The queue is enabled (D5).
    Enable,
    Reload,
    Stuck,
}

/// The model.
pub struct Kicks {
    pub bounds: KickBounds,
    pub doorbells: Doorbells,
}

impl Kicks {
    pub fn new(bounds: KickBounds) -> Self {
        Self {
            bounds,
            doorbells: Doorbells::new(),
        }
    }

    fn first(&self) -> State {
        State {
            available: 0,
            adding: Adding::No,
            wish: 0,
            wishes: Wishes::default(),
            kickers: 0,
            is_late: false,
            pushed: 0,
            seen_index: 0,
            counter: 0,
            values: Vec::new(),
            posted: Vec::new(),
            slot: 0,
            is_interrupted: false,
            seen: None,
            is_between: false,
            is_woken: false,
            running: None,
            next: 0,
            buffers: self.bounds.buffers,
            cycles: self.bounds.cycles,
            reloads: self.bounds.reloads,
            violated: None,
        }
    }
}

impl Model for Kicks {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.violated.is_some() {
            return;
        }
        self.list_driver(state, actions);
        self.list_ep(state, actions);
        // All is quiet, but not all buffers were seen.
        if actions.is_empty() && state.next != state.available {
            actions.push(Action::Stuck);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Stuck => next.violated = Some(Property::Kick),
            Action::See | Action::SeeAgain | Action::Work | Action::Read | Action::Enable => {
                self.act_ep(&mut next, action);
            }
            _ => self.act_driver(&mut next, action),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Checked<Self>> {
        vec![Checked::always(
            Property::Kick.name(),
            |_, state: &State| state.violated.is_none(),
        )]
    }
}
