// SPDX-License-Identifier: GPL-2.0

//! The RC: the shipped port, and a driver that follows its program and begins again after trouble.
//!
//! The driver does what `drivers/vdpa/link.rs` does: `RESET` after a time-out, a refusal, a load; the
//! identity is read again when the session is over.

use std::sync::Arc;

use transport::{
    offset, time, AnswerError, DeviceStatus, Health, Identity, IdentityError, IssueError, Reply,
    RootComplexPort, Step,
};

use super::action::Action;
use super::model::Commands;
use super::order::Order;
use super::place::{self, ANSWER, BARS, CMD, NUM_QUEUES};
use super::state::{Belief, State, Stopped};
use crate::fault::{Context, Fault, Faulty};
use crate::memory::{Tag, Write};
use crate::property::Property;
use crate::replay::{Access, Effect, Replay};

/// More commands than any way needs: a driver that issues more goes around in circles.
const SERIAL_MAX: u8 = 100;
/// After each bound.
const LATE_MS: u64 = 1 << 40;

/// What the RC does in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RcJob {
    /// I1 to I6.
    Probe,
    /// R5 to R7.
    Look { is_late: bool },
    /// H2.
    Watch,
}

/// What a step gave.
enum Outcome {
    Probed(Result<Box<RootComplexPort>, IdentityError>),
    Looked(Step),
    Watched(Health),
}

impl Commands {
    pub fn list_rc(&self, state: &State, actions: &mut Vec<Action>) {
        // All that the RC does here begins with a read, which goes behind its writes.
        let is_flushed = state.link.posted.is_empty();
        let read = |word| state.link.memory.read(word);
        if let Some(step) = &state.rc.step {
            debug_assert!(matches!(step.access, Access::Read(_)));
            if is_flushed {
                actions.push(Action::RcRead);
            }
            return;
        }
        let Some(port) = &state.rc.port else {
            if is_flushed && state.link.is_up && read(offset::READY) == 1 {
                actions.push(Action::Probe);
            }
            return;
        };
        let epoch = port.identity().epoch().get();
        let word = read(offset::EPOCH);
        let word = self
            .bounds
            .fault
            .map_or(word, |fault| fault.epoch(word, epoch));
        let is_over = !state.link.is_up || word != epoch;
        if state.rc.outstanding.is_some() {
            // Else there is nothing to see.
            if is_flushed && (is_over || self.has_answer(state)) {
                actions.push(Action::Look);
            }
            if is_flushed && state.disturbances.timeouts > 0 {
                actions.push(Action::TimeOut);
            }
            return;
        }
        if is_flushed && is_over {
            actions.push(Action::Watch);
        }
        if usize::from(state.rc.at) < self.bounds.program.len() && state.serial < SERIAL_MAX {
            actions.push(Action::Issue);
        }
    }

    /// Whether a look would take an answer.
    fn has_answer(&self, state: &State) -> bool {
        let word = state.link.memory.read(ANSWER);
        let status = state.link.memory.read(place::CMD_STATUS);
        match self.bounds.fault {
            Some(fault) => fault.answer(word, status, state.rc.word) == state.rc.word,
            None => word == state.rc.word,
        }
    }

    /// Issues the next command (R1 to R4), all writes at once: they only line up for the link.
    pub fn issue(&self, state: &mut State) {
        let order = self.bounds.program[usize::from(state.rc.at)];
        let Some(mut port) = state.rc.port.clone() else {
            return;
        };
        state.serial += 1;
        let epoch = port.identity().epoch().get();
        let tag = Tag {
            serial: state.serial,
            // Sessions are counted.
            epoch: epoch as u8,
            at: state.rc.at,
        };
        state.link.has_lost = false;
        let fixed = |word| self.fixed.get(word);
        let replay = Replay::new(&fixed, &[]);
        let context = Context {
            is_rc: true,
            expected: state.rc.word,
            epoch,
            answers: 0,
        };
        let regs = Faulty::new(&replay, self.bounds.fault, context);
        let issued = Arc::make_mut(&mut port).issue(&regs, &order.command(state.serial), 0);
        if issued == Err(IssueError::Lost) {
            self.unload(state);
            return;
        }
        state.require(Property::NoDeadlock, issued.is_ok());
        state.rc.port = Some(port);
        self.post(state, replay.end().effects, Some(tag));
        state.rc.outstanding = Some(tag);
        state.rc.taken = None;
        match order {
            Order::Enable(queue) => state.rc.is_quiet[usize::from(queue)] = false,
            Order::Disable(queue) if self.bounds.fault.is_some_and(Fault::frees_at_once) => {
                state.rc.is_quiet[usize::from(queue)] = true;
            }
            _ => {}
        }
    }

    fn post(&self, state: &mut State, mut effects: Vec<Effect>, tag: Option<Tag>) {
        if let Some(fault) = self.bounds.fault {
            fault.rearrange_rc(&mut effects);
        }
        for effect in effects {
            match effect {
                Effect::Write(offset, value) => {
                    let is_command = offset == CMD && value & 0xff != 0;
                    if is_command {
                        state.rc.word = value;
                    }
                    let tag = tag.filter(|_| is_command);
                    state.link.rc_write(Write { offset, value, tag });
                }
                // PCIe keeps all posted writes in order.
                Effect::WriteBarrier | Effect::Status(_) => {}
            }
        }
    }

    pub fn begin_rc(&self, state: &mut State, job: RcJob) {
        let step = Stopped {
            job,
            answers: Vec::new(),
            access: Access::Read(CMD),
            tag: None,
        };
        self.run_rc(state, step);
        // The first read is a part of the beginning, so that nothing is begun in vain.
        if state.rc.step.is_some() {
            self.rc_read(state);
        }
    }

    /// Answers the read at which the RC is stopped, and lets it go on.
    pub fn rc_read(&self, state: &mut State) {
        let Some(mut step) = state.rc.step.take() else {
            return;
        };
        if let Access::Read(word) = step.access {
            let (value, tag) = state.link.rc_read(word);
            step.answers.push(value);
            if word == ANSWER || tag.is_some() {
                step.tag = tag;
            }
        }
        self.run_rc(state, step);
    }

    fn run_rc(&self, state: &mut State, mut step: Stopped<RcJob>) {
        let fixed = |word| self.fixed.get(word);
        let replay = Replay::new(&fixed, &step.answers);
        let mut port = state.rc.port.clone();
        let epoch = port
            .as_ref()
            .map_or(0, |port| port.identity().epoch().get());
        let context = Context {
            is_rc: true,
            expected: state.rc.word,
            epoch,
            answers: 0,
        };
        let regs = Faulty::new(&replay, self.bounds.fault, context);
        let outcome = run(step.job, &mut port, &regs);
        let ended = replay.end();
        self.post(state, ended.effects, None);
        match ended.stopped_at {
            Some(access) => {
                step.access = access;
                state.rc.step = Some(step);
            }
            None => {
                state.rc.port = port;
                self.finish_rc(state, outcome, step.tag);
            }
        }
    }

    fn finish_rc(&self, state: &mut State, outcome: Outcome, tag: Option<Tag>) {
        match outcome {
            Outcome::Probed(Ok(port)) => {
                let identity = port.identity();
                let is_whole = identity.vendor_id() == identity.epoch().get();
                state.require(Property::Identity, is_whole);
                state.rc.port = Some(Arc::new(*port));
                state.rc.word = 0;
            }
            Outcome::Probed(Err(error)) => {
                let is_temporary =
                    matches!(error, IdentityError::NotReady | IdentityError::LinkDead);
                state.require(Property::Identity, is_temporary);
            }
            Outcome::Watched(health) => {
                if matches!(health, Health::LinkDead | Health::Restarted) {
                    self.unload(state);
                }
            }
            Outcome::Looked(Step::Pending) => {}
            Outcome::Looked(Step::Done(answer)) => self.take(state, answer, tag),
            Outcome::Looked(Step::TimedOut | Step::Silent) => {
                state.rc.outstanding = None;
                state.rc.at = 0;
            }
            Outcome::Looked(Step::LinkDead | Step::Restarted | Step::Idle) => self.unload(state),
        }
    }

    /// The port is gone, and with it all that the driver believed.
    pub fn unload(&self, state: &mut State) {
        state.rc.port = None;
        state.rc.step = None;
        state.rc.outstanding = None;
        state.rc.at = 0;
        state.rc.word = 0;
        state.rc.taken = None;
        state.rc.belief = Belief::default();
    }

    /// The driver takes an answer.
    fn take(&self, state: &mut State, answer: Result<Reply, AnswerError>, tag: Option<Tag>) {
        let outstanding = state.rc.outstanding.take();
        state.require(
            Property::Answer,
            outstanding.is_some() && tag == outstanding,
        );
        let Some(tag) = outstanding else { return };
        state.rc.taken = Some((tag.serial, answer.is_ok()));
        check_answers(state);
        match answer {
            Ok(reply) => {
                state.rc.at += 1;
                self.believe(state, self.bounds.program[usize::from(tag.at)], reply);
            }
            Err(_) => state.rc.at = 0,
        }
        // Of a session that is over, both ends need not think the same.
        let is_known = tag.at == 0 && answer.is_err();
        if self.is_same_session(state) && !is_known {
            let shows_start = state.link.memory.read(offset::DEVICE_STATUS) & 4 != 0;
            let is_shown = shows_start && !state.ep.device.is_started;
            state.require(Property::Status, !is_shown);
            let agrees = self.agrees(state);
            state.require(Property::Agreement, agrees);
        }
    }

    fn believe(&self, state: &mut State, order: Order, reply: Reply) {
        let belief = &mut state.rc.belief;
        match order {
            Order::Reset => {
                *belief = Belief::default();
                state.rc.is_quiet = [true; NUM_QUEUES as usize];
            }
            Order::FeaturesOk | Order::DriverOk => {
                if let Reply::Status(status) = reply {
                    belief.status = status.bits();
                    if !status.contains(DeviceStatus::FEATURES_OK) {
                        state.rc.at = 0;
                    }
                }
            }
            Order::Enable(queue) => belief.is_enabled[usize::from(queue)] = true,
            Order::Disable(queue) => {
                belief.is_enabled[usize::from(queue)] = false;
                state.rc.is_quiet[usize::from(queue)] = true;
            }
            Order::SetFeatures | Order::SetUp(_) => {}
        }
    }
}

/// The RC must have taken what the EP answered.
pub fn check_answers(state: &mut State) {
    if let (Some((taken, was_good)), Some((answered, is_good))) =
        (state.rc.taken, state.ep.answered)
    {
        state.require(Property::Answer, taken != answered || was_good == is_good);
    }
}

fn run(job: RcJob, port: &mut Option<Arc<RootComplexPort>>, regs: &Faulty<'_>) -> Outcome {
    match (job, port) {
        (RcJob::Look { is_late }, Some(port)) => {
            let now_ms = if is_late { LATE_MS } else { 0 };
            Outcome::Looked(Arc::make_mut(port).step(regs, now_ms))
        }
        (RcJob::Watch, Some(port)) => {
            Outcome::Watched(Arc::make_mut(port).watch(regs, time::EP_SILENT_MS, 0))
        }
        _ => {
            let identity = Identity::read(regs, 0, &BARS);
            let connect = |identity| Box::new(RootComplexPort::new(identity, regs, 0));
            Outcome::Probed(identity.map(connect))
        }
    }
}
