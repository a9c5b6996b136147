// SPDX-License-Identifier: GPL-2.0

//! The state of both ends on a clock.

use std::sync::Arc;

use stateright::{Model, Property as Checked};
use transport::{
    offset,
    time,
    Command,
    EndpointPort,
    Health,
    Identity,
    Opcode,
    Pulse,
    Registers,
    RootComplexPort,
    Step,
    TransportFeatures, //
};

use super::memory::{Willing, Words};
use crate::commands::place;
use crate::fault::Fault;
use crate::memory::Memory;
use crate::property::Property;

/// Between two ticks.
const TICK_MS: u64 = time::BEAT_MS;
/// How much later than its bound an end may say that the other one is dead: it looks once per beat, and
/// the last beat may have come right after a look.
const LATE_MS: u64 = 2 * time::BEAT_MS;

/// A model and its bounds.
#[derive(Clone, Debug)]
pub struct LifeBounds {
    pub name: &'static str,
    /// How long the clock runs.
    pub ticks: u64,
    /// How many commands the RC issues; each may take as long as its bound.
    pub commands: u8,
    /// Whether an end may die.
    pub dies: bool,
    /// Whether the EP may never come back from a command.
    pub hangs: bool,
    pub fault: Option<Fault>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub now: u64,
    pub memory: Memory,
    pub ep: Arc<EndpointPort>,
    pub rc: Arc<RootComplexPort>,
    /// When an end died; an EP that hangs is dead from the bound of the command on.
    pub ep_died: Option<u64>,
    pub rc_died: Option<u64>,
    /// The EP does not come back from the command.
    pub hangs: bool,
    /// What beats for the EP while it is in a command.
    pub pulse: Option<Pulse>,
    /// The EP has done what it owes until the next tick.
    pub has_polled: bool,
    /// When the RC looked after the EP last.
    pub watched: u64,
    /// The EP is in a command that it has to answer by then.
    pub busy_until: Option<u64>,
    /// The RC waits for the answer that it has to get by then.
    pub waits_until: Option<u64>,
    pub commands: u8,
    /// One end has said that the other one is dead.
    pub is_told: bool,
    pub violated: Option<Property>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    /// The EP looks for a command, answers it, and beats.
    Poll,
    /// The EP begins a command that takes its time.
    Begin,
    /// It beats in that command.
    Pulse,
    /// The RC looks after the EP, and beats.
    Watch,
    /// The RC looks for the answer.
    Look,
    Issue(Slow),
    EpDies,
    EpHangs,
    RcDies,
}

/// A command by its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slow {
    /// `COMMAND`
    Status,
    /// `QUIESCE`
    Disable,
}

/// The model.
pub struct Lives {
    pub bounds: LifeBounds,
}

impl Lives {
    pub fn new(bounds: LifeBounds) -> Self {
        Self { bounds }
    }

    /// Both ends, with a device that is in use.
    fn first(&self) -> State {
        let words = Words::new(&Memory::default(), None);
        let mut ep = EndpointPort::new(place::layout());
        place::start_with(&mut ep, &words, 1, TransportFeatures::STEADY_BEAT);
        let identity = Identity::read(&words, 0, &place::BARS).expect("a legal identity");
        let mut rc = RootComplexPort::new(identity, &words, 0);
        for command in [Command::Reset, Command::SetStatus(1)] {
            rc.issue(&words, &command, 0).expect("in step");
            ep.poll(&words, &mut Willing::default(), 0);
            assert!(matches!(rc.step(&words, 0), Step::Done(Ok(_))));
        }
        rc.watch(&words, time::EP_SILENT_MS, 0);
        State {
            now: 0,
            memory: words.into_memory(),
            ep: Arc::new(ep),
            rc: Arc::new(rc),
            ep_died: None,
            rc_died: None,
            hangs: false,
            pulse: None,
            has_polled: false,
            watched: 0,
            busy_until: None,
            waits_until: None,
            commands: self.bounds.commands,
            is_told: false,
            violated: None,
        }
    }

    fn list(&self, state: &State, actions: &mut Vec<Action>) {
        let ep_lives = state.ep_died.is_none();
        let rc_lives = state.rc_died.is_none();
        // An end that is not owed anything more waits for the clock.
        let ep_beats = ep_lives || state.hangs;
        let is_paid = !ep_beats || state.has_polled;
        let is_in_time = |until: Option<u64>| until.is_none_or(|until| state.now < until);
        let is_watched = !rc_lives || state.now < state.watched + time::BEAT_MS;
        if is_paid
            && is_watched
            && (!ep_lives || is_in_time(state.busy_until))
            && (!rc_lives || is_in_time(state.waits_until))
            && state.now < self.bounds.ticks * TICK_MS
        {
            actions.push(Action::Tick);
        }
        if ep_lives && (!state.has_polled || state.busy_until.is_some()) {
            actions.push(Action::Poll);
            let command = state.memory.read(place::CMD);
            let is_answered = command == state.memory.read(place::ANSWER);
            if !is_answered && state.busy_until.is_none() {
                actions.push(Action::Begin);
            }
        }
        if ep_beats && state.pulse.is_some() && !state.has_polled {
            actions.push(Action::Pulse);
        }
        if rc_lives {
            if !is_watched {
                actions.push(Action::Watch);
            }
            if state.waits_until.is_some() {
                actions.push(Action::Look);
            } else if state.commands > 0 {
                actions.push(Action::Issue(Slow::Status));
                actions.push(Action::Issue(Slow::Disable));
            }
        }
        if self.bounds.dies && ep_lives && rc_lives {
            actions.push(Action::EpDies);
            actions.push(Action::RcDies);
        }
        if self.bounds.hangs && ep_lives && state.pulse.is_some() {
            actions.push(Action::EpHangs);
        }
    }

    /// Begins a command: a run of the step in which it will end, of which nothing but the pulse counts.
    fn begin(&self, state: &mut State) {
        // It answers in time for the RC to look once more.
        state.busy_until = state.waits_until.map(|until| until - TICK_MS);
        let words = Words::new(&state.memory, None);
        let mut device = Willing::default();
        EndpointPort::clone(&state.ep).poll(&words, &mut device, state.now);
        state.pulse = device.pulse;
    }

    fn pulse(&self, state: &mut State, words: &Words) {
        state.has_polled = true;
        match (self.bounds.fault, &mut state.pulse) {
            (Some(Fault::EpPauses), _) => {}
            (Some(Fault::EpBeatsForEver), _) => {
                let beat = words.read32(offset::HEARTBEAT);
                words.write32(offset::HEARTBEAT, beat + 1);
            }
            (_, Some(pulse)) => pulse.beat(words, state.now),
            (_, None) => {}
        }
    }

    /// From the bound of the command on, nothing shows that the EP lives.
    fn hang(&self, state: &mut State) {
        let mut times = (state.now..).step_by(TICK_MS as usize);
        state.hangs = true;
        state.busy_until = None;
        state.ep_died = times.find(|now| state.pulse.is_none_or(|pulse| pulse.is_over(*now)));
    }

    fn poll(&self, state: &mut State, words: &Words) {
        state.has_polled = true;
        state.busy_until = None;
        let mut device = Willing {
            pulse: state.pulse.take(),
        };
        let progress = Arc::make_mut(&mut state.ep).poll(words, &mut device, state.now);
        let silence = state.rc_died.map(|died| state.now - died);
        self.judge(state, progress.is_rc_silent, silence, time::RC_SILENT_MS);
    }

    fn watch(&self, state: &mut State, words: &Words) {
        let health = Arc::make_mut(&mut state.rc).watch(words, time::EP_SILENT_MS, state.now);
        state.watched = state.now;
        let silence = state.ep_died.and_then(|died| state.now.checked_sub(died));
        self.judge(state, health == Health::Silent, silence, time::EP_SILENT_MS);
    }

    /// A live end is not taken for dead, a dead one is, in time.
    fn judge(&self, state: &mut State, is_silent: bool, silence: Option<u64>, bound: u64) {
        let is_right = match silence {
            None => !is_silent,
            Some(silence) => is_silent || silence < bound + LATE_MS,
        };
        if !is_right {
            state.violated = Some(Property::Liveness);
        }
        state.is_told |= is_silent;
    }

    fn issue(&self, state: &mut State, words: &Words, slow: Slow) {
        let (command, opcode) = match slow {
            Slow::Status => (Command::SetStatus(1), Opcode::SetStatus),
            Slow::Disable => (Command::DisableQueue(0), Opcode::DisableQueue),
        };
        state.commands -= 1;
        let issued = Arc::make_mut(&mut state.rc).issue(words, &command, state.now);
        // Out of step after a time-out, which is none of this model's business.
        if issued.is_ok() {
            state.waits_until = Some(state.now + opcode.bound_ms());
        }
    }

    fn look(&self, state: &mut State, words: &Words) {
        match Arc::make_mut(&mut state.rc).step(words, state.now) {
            Step::Pending => {}
            Step::TimedOut if state.ep_died.is_none() => {
                state.violated = Some(Property::NoDeadlock);
            }
            _ => {
                state.waits_until = None;
            }
        }
    }
}

impl Model for Lives {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.violated.is_none() && !state.is_told {
            self.list(state, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let words = Words::new(&state.memory, self.bounds.fault);
        match action {
            Action::Tick => {
                next.now += TICK_MS;
                next.has_polled = false;
            }
            Action::Poll => self.poll(&mut next, &words),
            Action::Begin => self.begin(&mut next),
            Action::Pulse => self.pulse(&mut next, &words),
            Action::Watch => self.watch(&mut next, &words),
            Action::Look => self.look(&mut next, &words),
            Action::Issue(slow) => self.issue(&mut next, &words, slow),
            Action::EpDies => next.ep_died = Some(next.now),
            Action::EpHangs => self.hang(&mut next),
            Action::RcDies => next.rc_died = Some(next.now),
        }
        next.memory = words.into_memory();
        Some(next)
    }

    fn properties(&self) -> Vec<Checked<Self>> {
        vec![
            Checked::always(Property::Liveness.name(), |_, state: &State| {
                state.violated != Some(Property::Liveness)
            }),
            Checked::always(Property::NoDeadlock.name(), |_, state: &State| {
                state.violated != Some(Property::NoDeadlock)
            }),
        ]
    }
}
