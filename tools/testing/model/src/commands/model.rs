// SPDX-License-Identifier: GPL-2.0

//! Which actions a state has, and what becomes of it.

use stateright::{Model, Property as Checked};

use super::action::Action;
use super::bounds::{Bounds, Disturbances};
use super::device::{can_fail, Queue};
use super::endpoint::EpJob;
use super::place::{self, FixedWords, NUM_QUEUES};
use super::root_complex::RcJob;
use super::state::{State, Stopped};
use crate::property::Property;
use crate::replay::Access;

/// The model.
pub struct Commands {
    pub bounds: Bounds,
    pub fixed: FixedWords,
}

impl Commands {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            fixed: FixedWords::new(),
        }
    }

    /// The state after the prepared part of the program, done without a disturbance.
    fn prepared(&self) -> State {
        let mut state = State::cold(&self.bounds);
        state.disturbances = Disturbances::default();
        state.work = 0;
        let is_done = |state: &State| {
            let is_idle = state.rc.outstanding.is_none() && state.rc.step.is_none();
            let is_settled = state.link.stores.is_empty() && state.ep.step.is_none();
            usize::from(state.rc.at) >= self.bounds.prepared
                && (self.bounds.prepared == 0 || is_idle && is_settled)
        };
        while !is_done(&state) {
            let mut actions = Vec::new();
            self.list_actions(&state, &mut actions);
            let action = actions.first().expect("undisturbed, something happens");
            state = self.act(&state, *action);
            assert_eq!(state.violated, None, "undisturbed");
        }
        state.disturbances = self.bounds.disturbances;
        state.work = self.bounds.work;
        state
    }

    pub fn list_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.violated.is_some() {
            return;
        }
        self.list_ep(state, actions);
        self.list_link(state, actions);
        self.list_rc(state, actions);
        self.list_device(state, actions);
        self.list_disturbances(state, actions);
        if !actions.is_empty() {
            return;
        }
        // Time passes when nothing else can happen.
        if state.rc.outstanding.is_some() && state.link.has_lost {
            actions.push(Action::TimeOut);
        } else if !self.is_settled(state) {
            actions.push(Action::Stuck);
        }
    }

    fn list_link(&self, state: &State, actions: &mut Vec<Action>) {
        let posted = state.link.posted.next();
        actions.extend(posted.map(|(at, _)| Action::Deliver(at)).take(1));
        let stores = state.link.stores.next().map(|(at, _)| Action::Drain(at));
        actions.extend(stores.take(if self.bounds.is_weak { usize::MAX } else { 1 }));
        // A function that lost its link answers all-ones until its BARs are programmed again, which
        // no step of the driver outlives.
        if !state.link.is_up && state.ep.is_alive && state.rc.step.is_none() {
            actions.push(Action::LinkUp);
        }
    }

    fn list_device(&self, state: &State, actions: &mut Vec<Action>) {
        let call = match &state.ep.step {
            Some(Stopped {
                access: Access::Call(call),
                ..
            }) => Some(*call),
            _ => None,
        };
        for (index, queue) in (0..).zip(&state.ep.device.queues) {
            if queue.is_busy {
                actions.push(Action::Touch(index));
            } else if queue.is_enabled
                && state.work > 0
                && state.link.is_up
                && !state.ep.device.is_stopping(index, call)
            {
                actions.push(Action::Access(index));
            }
        }
    }

    fn list_disturbances(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.disturbances;
        let mut list = |is_possible: bool, action| {
            if is_possible {
                actions.push(action);
            }
        };
        let is_live = state.ep.is_alive && state.ep.port.is_running();
        list(left.crashes > 0 && state.ep.is_alive, Action::Crash);
        list(
            left.restarts > 0 && is_live && !state.ep.must_stop,
            Action::Restart,
        );
        let has_driver = state.rc.port.is_some() || state.rc.step.is_some();
        list(left.reboots > 0 && has_driver, Action::Reboot);
        let is_waiting = state.rc.outstanding.is_some() || state.rc.step.is_some();
        list(
            left.reloads > 0 && state.rc.port.is_some() && !is_waiting,
            Action::Reload,
        );
        if left.losses > 0 && state.link.is_up {
            list(true, Action::LinkDown { is_told: false });
            list(is_live, Action::LinkDown { is_told: true });
        }
    }

    /// Whether both ends have what they want and agree on it.
    fn is_settled(&self, state: &State) -> bool {
        let is_through = usize::from(state.rc.at) == self.bounds.program.len();
        is_through
            && state.rc.outstanding.is_none()
            && self.is_same_session(state)
            && self.agrees(state)
    }

    /// Whether the session of the RC is the one that the EP is in, and stays in as far as it knows.
    pub fn is_same_session(&self, state: &State) -> bool {
        let port = state.rc.port.as_ref();
        let is_stopping = matches!(
            &state.ep.step,
            Some(Stopped {
                job: EpJob::Stop,
                ..
            })
        );
        state.ep.is_alive
            && state.ep.port.is_running()
            && !is_stopping
            && port.is_some_and(|port| port.identity().epoch().get() == u32::from(state.ep.epoch))
    }

    /// Whether the driver, the words and the device say the same.
    pub fn agrees(&self, state: &State) -> bool {
        let belief = &state.rc.belief;
        let word = state.link.memory.read(transport::offset::DEVICE_STATUS);
        let is_status = word == u32::from(belief.status);
        let is_started = state.ep.device.is_started == (belief.status & 4 != 0);
        let mut queues = (0..NUM_QUEUES)
            .zip(belief.is_enabled)
            .zip(state.ep.device.queues);
        let is_queue = |((index, is_enabled), queue): ((u16, bool), Queue)| {
            let word = state.link.memory.read(place::queue_status(index));
            word == u32::from(is_enabled) && queue.is_enabled == is_enabled
        };
        is_status && is_started && queues.all(is_queue)
    }

    /// What becomes of a state.
    pub fn act(&self, state: &State, action: Action) -> State {
        let mut next = state.clone();
        match action {
            Action::Probe => self.begin_rc(&mut next, RcJob::Probe),
            Action::Look => self.begin_rc(&mut next, RcJob::Look { is_late: false }),
            Action::TimeOut => {
                next.disturbances.timeouts = next.disturbances.timeouts.saturating_sub(1);
                self.begin_rc(&mut next, RcJob::Look { is_late: true });
            }
            Action::Watch => self.begin_rc(&mut next, RcJob::Watch),
            Action::Issue => self.issue(&mut next),
            Action::RcRead => self.rc_read(&mut next),
            Action::Deliver(at) => {
                if let Some(write) = next.link.posted.take(at) {
                    next.link.memory.set(write);
                }
            }
            Action::Drain(at) => {
                if let Some(write) = next.link.stores.take(at) {
                    next.link.memory.set(write);
                }
            }
            Action::Poll => self.begin_ep(&mut next, EpJob::Poll),
            Action::Stop => self.begin_ep(&mut next, EpJob::Stop),
            Action::EpRead => self.ep_read(&mut next),
            Action::Call { fails } => self.call(&mut next, fails),
            Action::Start => self.start(&mut next),
            Action::Boot => self.boot(&mut next),
            Action::Access(queue) => self.touch(&mut next, queue, true),
            Action::Touch(queue) => self.touch(&mut next, queue, false),
            Action::LinkUp => next.link.is_up = true,
            Action::LinkDown { is_told } => {
                next.disturbances.losses -= 1;
                next.link.go_down();
                next.ep.must_stop |= is_told;
            }
            Action::Restart => {
                next.disturbances.restarts -= 1;
                next.ep.must_stop = true;
            }
            Action::Crash => self.crash(&mut next),
            Action::Reboot => {
                next.disturbances.reboots -= 1;
                next.link.lose_posted();
                self.unload(&mut next);
            }
            Action::Reload => {
                next.disturbances.reloads -= 1;
                self.unload(&mut next);
            }
            Action::Stuck => next.violate(Property::NoDeadlock),
        }
        next
    }
}

impl Model for Commands {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.prepared()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.list_actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.act(state, action))
    }

    fn properties(&self) -> Vec<Checked<Self>> {
        vec![
            Checked::always(Property::Answer.name(), |_, state: &State| {
                state.violated != Some(Property::Answer)
            }),
            Checked::always(Property::Once.name(), |_, state: &State| {
                state.violated != Some(Property::Once)
            }),
            Checked::always(Property::Whole.name(), |_, state: &State| {
                state.violated != Some(Property::Whole)
            }),
            Checked::always(Property::NoDeadlock.name(), |_, state: &State| {
                state.violated != Some(Property::NoDeadlock)
            }),
            Checked::always(Property::Quiet.name(), |_, state: &State| {
                state.violated != Some(Property::Quiet)
            }),
            Checked::always(Property::Status.name(), |_, state: &State| {
                state.violated != Some(Property::Status)
            }),
            Checked::always(Property::Agreement.name(), |_, state: &State| {
                state.violated != Some(Property::Agreement)
            }),
            Checked::always(Property::Identity.name(), |_, state: &State| {
                state.violated != Some(Property::Identity)
            }),
        ]
    }
}

/// Which answers the device may give.
pub fn list_calls(state: &State, access: Access, waits: bool, actions: &mut Vec<Action>) {
    match access {
        Access::Read(_) => actions.push(Action::EpRead),
        Access::Call(call) if !waits || state.ep.device.is_ready_for(call) => {
            actions.push(Action::Call { fails: false });
            if state.disturbances.failures > 0 && can_fail(call) {
                actions.push(Action::Call { fails: true });
            }
        }
        Access::Call(_) | Access::AvailableIndex => {}
    }
}
