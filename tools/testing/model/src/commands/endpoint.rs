// SPDX-License-Identifier: GPL-2.0

//! The EP: the shipped port, its sessions, and the accesses of its device.
//!
//! Sessions are begun and ended as `drivers/pci/endpoint/functions/control.rs` does it: never while a
//! command is executed.

use std::sync::Arc;

use transport::{offset, CommandError, EndpointPort, Progress};

use super::action::Action;
use super::device::can_fail;
use super::model::{list_calls, Commands};
use super::place::{self, ANSWER, CMD};
use super::root_complex::check_answers;
use super::state::{State, Stopped};
use crate::fault::{Context, Fault, Faulty};
use crate::memory::{Tag, Write};
use crate::property::Property;
use crate::replay::{Access, Effect, Ended, Handler, Replay};

/// What the EP does in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EpJob {
    /// E1 to E8.
    Poll,
    /// Z1 and Z2.
    Stop,
}

impl Commands {
    pub fn list_ep(&self, state: &State, actions: &mut Vec<Action>) {
        let ep = &state.ep;
        if let Some(step) = &ep.step {
            let waits = self.bounds.fault.is_none_or(Fault::waits);
            list_calls(state, step.access, waits, actions);
        } else if !ep.is_alive {
            actions.push(Action::Boot);
        } else if !ep.port.is_running() {
            if state.link.is_up {
                actions.push(Action::Start);
            }
        } else {
            if ep.must_stop {
                actions.push(Action::Stop);
            }
            if self.sees_something(state) {
                actions.push(Action::Poll);
            }
        }
    }

    /// Whether a look of the EP at `cmd` makes a difference now.
    fn sees_something(&self, state: &State) -> bool {
        let (command, _) = state.link.ep_read(CMD);
        let mut port = state.ep.port.clone();
        let (ended, _) = self.replay_ep(state, &mut port, EpJob::Poll, &[command]);
        ended.stopped_at.is_some() || !ended.effects.is_empty() || port != state.ep.port
    }

    fn replay_ep(
        &self,
        state: &State,
        port: &mut Arc<EndpointPort>,
        job: EpJob,
        answers: &[u32],
    ) -> (Ended, Progress) {
        let fixed = |word| self.fixed.get(word);
        let replay = Replay::new(&fixed, answers);
        let mut handler = Handler(&replay);
        let context = Context {
            is_rc: false,
            expected: 0,
            epoch: state.ep.epoch.into(),
            answers: state.ep.answers,
        };
        let regs = Faulty::new(&replay, self.bounds.fault, context);
        let port = Arc::make_mut(port);
        let progress = match job {
            EpJob::Poll => port.poll(&regs, &mut handler, 0),
            EpJob::Stop => {
                port.stop(&regs, &mut handler);
                Progress::default()
            }
        };
        (replay.end(), progress)
    }

    pub fn begin_ep(&self, state: &mut State, job: EpJob) {
        let step = Stopped {
            job,
            answers: Vec::new(),
            access: Access::Read(CMD),
            tag: None,
        };
        self.run_ep(state, step);
        // The first read is a part of the beginning, so that nothing is begun in vain.
        let is_read = |step: &Stopped<EpJob>| matches!(step.access, Access::Read(_));
        if state.ep.step.as_ref().is_some_and(is_read) {
            self.ep_read(state);
        }
    }

    /// Answers the read at which the EP is stopped, and lets it go on.
    pub fn ep_read(&self, state: &mut State) {
        let Some(mut step) = state.ep.step.take() else {
            return;
        };
        if let Access::Read(word) = step.access {
            let (value, tag) = state.link.ep_read(word);
            step.answers.push(value);
            if word == CMD {
                step.tag = tag;
            }
        }
        self.run_ep(state, step);
    }

    /// Lets the device do what it was asked for, or fail to, and lets the EP go on.
    pub fn call(&self, state: &mut State, fails: bool) {
        let Some(mut step) = state.ep.step.take() else {
            return;
        };
        if let Access::Call(call) = step.access {
            let is_command = step.job == EpJob::Poll;
            if is_command {
                let is_allowed = step
                    .tag
                    .is_some_and(|tag| self.bounds.program[usize::from(tag.at)].allows(tag, call));
                state.require(Property::Whole, is_allowed);
                self.mark_executed(state, step.tag);
            }
            let fails = fails && can_fail(call);
            let mut answer = 0;
            if fails {
                state.disturbances.failures -= 1;
                answer = CommandError::NoResources as u32;
            }
            let is_done = match self.bounds.fault {
                Some(fault) => fault.executes(call, is_command, &mut answer),
                None => true,
            };
            if is_done && !fails {
                state.ep.device.execute(call);
            }
            step.answers.push(answer);
        }
        self.run_ep(state, step);
    }

    /// A command is about to be executed, or was.
    fn mark_executed(&self, state: &mut State, tag: Option<Tag>) {
        let Some(tag) = tag else {
            state.violate(Property::Whole);
            return;
        };
        state.require(Property::Once, tag.serial > state.ep.executed);
        state.require(Property::Whole, tag.epoch == state.ep.epoch);
        state.ep.executed = tag.serial;
    }

    fn run_ep(&self, state: &mut State, mut step: Stopped<EpJob>) {
        let mut port = state.ep.port.clone();
        let (ended, progress) = self.replay_ep(state, &mut port, step.job, &step.answers);
        self.store(state, ended.effects, step.tag);
        if let Some(access) = ended.stopped_at {
            step.access = access;
            state.ep.step = Some(step);
            return;
        }
        state.ep.port = port;
        match step.job {
            EpJob::Poll => self.finish_poll(state, progress, &step),
            EpJob::Stop => {
                state.ep.must_stop = false;
                let is_quiet = state.ep.device.queues.iter().all(|queue| !queue.is_enabled);
                state.require(Property::Quiet, is_quiet);
            }
        }
    }

    fn finish_poll(&self, state: &mut State, progress: Progress, step: &Stopped<EpJob>) {
        let Some((_, result)) = progress.answered else {
            return;
        };
        let serial = step.tag.map_or(0, |tag| tag.serial);
        // What needs the device was marked when the device was asked.
        if result.is_ok() && serial != state.ep.executed {
            self.mark_executed(state, step.tag);
        }
        state.ep.answered = Some((serial, result.is_ok()));
        if self.bounds.fault == Some(Fault::WordForgotten) {
            state.ep.answers += 1;
        }
        check_answers(state);
    }

    /// Whether the RC of this model takes the status for the answer.
    fn judges_by_status(&self, word: transport::Offset) -> bool {
        self.bounds.fault == Some(Fault::RfcNoSequence) && word == place::CMD_STATUS
    }

    fn store(&self, state: &mut State, mut effects: Vec<Effect>, tag: Option<Tag>) {
        if let Some(fault) = self.bounds.fault {
            fault.rearrange_ep(&mut effects);
        }
        for effect in effects {
            match effect {
                Effect::Write(offset, value) => {
                    check_published(state, offset, value);
                    let names_command = offset == ANSWER || self.judges_by_status(offset);
                    let tag = tag.filter(|_| names_command && value != 0);
                    state.link.ep_write(Write { offset, value, tag });
                }
                Effect::WriteBarrier => state.link.stores.barrier(),
                Effect::Status(_) => {}
            }
        }
    }

    pub fn start(&self, state: &mut State) {
        if !self.bounds.fault.is_some_and(|fault| fault.keeps_epoch()) || state.ep.epoch == 0 {
            state.ep.epoch += 1;
        }
        let fixed = |word| self.fixed.get(word);
        let replay = Replay::new(&fixed, &[]);
        place::start(Arc::make_mut(&mut state.ep.port), &replay, state.ep.epoch);
        let effects = replay.end().effects;
        self.store(state, effects, None);
    }

    /// The EP dies: what it did is gone, and so is its memory.
    pub fn crash(&self, state: &mut State) {
        state.disturbances.crashes -= 1;
        state.link.go_down();
        state.link.memory.clear();
        state.link.stores.clear();
        state.ep.port = Arc::new(EndpointPort::new(place::layout()));
        state.ep.step = None;
        state.ep.device = Default::default();
        state.ep.is_alive = false;
        state.ep.must_stop = false;
        state.ep.answered = None;
    }

    /// The function is bound again; the BAR becomes visible when the link comes up.
    pub fn boot(&self, state: &mut State) {
        state.ep.is_alive = true;
        let fixed = |word| self.fixed.get(word);
        let replay = Replay::new(&fixed, &[]);
        EndpointPort::announce(&replay);
        let effects = replay.end().effects;
        self.store(state, effects, None);
    }

    /// An access of the device to RC memory.
    pub fn touch(&self, state: &mut State, queue: u16, is_begin: bool) {
        let index = usize::from(queue);
        if is_begin {
            state.work -= 1;
        }
        state.ep.device.queues[index].is_busy = is_begin;
        if state.link.is_up {
            let is_allowed = !state.rc.is_quiet[index] && state.ep.port.is_running();
            state.require(Property::Quiet, is_allowed);
        }
    }
}

/// Words do not run ahead of what they tell of.
fn check_published(state: &mut State, word: transport::Offset, value: u32) {
    let device = &state.ep.device;
    let is_true = if word == offset::DEVICE_STATUS {
        value & 4 == 0 || device.is_started
    } else if let Some(queue) = place::queue_of(word) {
        value == 0 || device.queues[usize::from(queue)].is_enabled
    } else {
        true
    };
    state.require(Property::Status, is_true);
}
