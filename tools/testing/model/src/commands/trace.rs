// SPDX-License-Identifier: GPL-2.0

//! What happened, in words.

use transport::{offset, Offset};

use super::action::Action;
use super::model::Commands;
use super::order::Order;
use super::place;
use super::state::State;
use crate::explore::Told;
use crate::memory::Write;
use crate::property::Property;
use crate::replay::Access;

impl Told for Commands {
    fn violated(state: &State) -> Option<Property> {
        state.violated
    }

    fn tell(&self, before: &State, action: Action, after: &State) -> String {
        let mut line = self.tell_action(before, action, after);
        line += &tell_rc(before, after);
        line += &tell_ep(before, after);
        if let Some(property) = after.violated {
            line += &format!("; violates {}", property.name());
        }
        line
    }
}

impl Commands {
    fn tell_action(&self, before: &State, action: Action, after: &State) -> String {
        match action {
            Action::Probe => format!("RC    begins to look for the EP{}", rc_read(before, after)),
            Action::Look => format!("RC    looks for the answer{}", rc_read(before, after)),
            Action::TimeOut => format!("RC    reaches the bound{}", rc_read(before, after)),
            Action::Watch => format!("RC    looks after the EP{}", rc_read(before, after)),
            Action::RcRead => format!("RC    goes on{}", rc_read(before, after)),
            Action::Issue => format!("RC    issues {}", self.name(after)),
            Action::Deliver(at) => arrival("link  delivers", before.link.posted.next().nth(at)),
            Action::Drain(at) => {
                let write = before.link.stores.next().find(|(place, _)| *place == at);
                arrival("EP    has written", write)
            }
            Action::Poll => format!("EP    looks for a command{}", ep_read(before, after)),
            Action::EpRead => format!("EP    goes on{}", ep_read(before, after)),
            Action::Call { fails } => match before.ep.step.as_ref().map(|step| step.access) {
                Some(Access::Call(call)) if fails => format!("EP    device fails: {call:?}"),
                Some(Access::Call(call)) => format!("EP    device: {call:?}"),
                _ => "EP    device".into(),
            },
            Action::Start => format!("EP    starts session {}", after.ep.epoch),
            Action::Stop => "EP    begins to end its session".into(),
            Action::Boot => "EP    boots".into(),
            Action::Access(queue) => format!("EP    begins to access RC memory, queue {queue}"),
            Action::Touch(queue) => format!("EP    touches RC memory, queue {queue}"),
            Action::LinkUp => "link  comes up".into(),
            Action::LinkDown { is_told: true } => "link  goes down, the EP is told".into(),
            Action::LinkDown { is_told: false } => "link  goes down".into(),
            Action::Restart => "EP    is told to end its session".into(),
            Action::Crash => "EP    dies".into(),
            Action::Reboot => "RC    dies and boots".into(),
            Action::Reload => "RC    driver is loaded again".into(),
            Action::Stuck => "all   wait, and nothing can happen".into(),
        }
    }

    fn name(&self, after: &State) -> String {
        let Some(tag) = after.rc.outstanding else {
            return "nothing".into();
        };
        let order: Order = self.bounds.program[usize::from(tag.at)];
        let word = after.rc.word;
        format!(
            "{order:?} (number {}, session {}) as {word:#x}",
            tag.serial, tag.epoch
        )
    }
}

fn arrival(what: &str, write: Option<(usize, Write)>) -> String {
    match write {
        Some((_, write)) => format!("{what} {} = {:#x}", word(write.offset), write.value),
        None => what.into(),
    }
}

/// What the RC read, and from which word.
fn rc_read(before: &State, after: &State) -> String {
    let answers = |state: &State| state.rc.step.as_ref().map_or(0, |step| step.answers.len());
    let access = before.rc.step.as_ref().map(|step| step.access);
    let read = access.and_then(|access| match access {
        Access::Read(word) => Some((word, before.link.rc_read(word).0)),
        Access::Call(_) | Access::AvailableIndex => None,
    });
    match read {
        Some((offset, value)) => format!(": reads {} = {value:#x}", word(offset)),
        None if answers(after) > 0 => {
            let step = after.rc.step.as_ref();
            let value = step.and_then(|step| step.answers.first()).copied();
            format!(": reads {:#x}", value.unwrap_or(0))
        }
        None => String::new(),
    }
}

fn ep_read(before: &State, after: &State) -> String {
    match before.ep.step.as_ref().map(|step| step.access) {
        Some(Access::Read(offset)) => {
            let (value, _) = before.link.ep_read(offset);
            format!(": reads {} = {value:#x}", word(offset))
        }
        _ => {
            let step = after.ep.step.as_ref();
            let value = step.and_then(|step| step.answers.first()).copied();
            value.map_or(String::new(), |value| format!(": reads cmd = {value:#x}"))
        }
    }
}

fn tell_rc(before: &State, after: &State) -> String {
    let is_over = before.rc.step.is_some() && after.rc.step.is_none();
    if after.rc.taken != before.rc.taken {
        match after.rc.taken {
            Some((serial, true)) => return format!("; takes number {serial} for done"),
            Some((serial, false)) => return format!("; takes number {serial} for refused"),
            None => {}
        }
    }
    if is_over && before.rc.port.is_none() && after.rc.port.is_some() {
        return "; has found the EP".into();
    }
    if before.rc.port.is_some() && after.rc.port.is_none() {
        return "; the session is over for it".into();
    }
    if before.rc.outstanding.is_some() && after.rc.outstanding.is_none() {
        return "; gives up".into();
    }
    String::new()
}

fn tell_ep(before: &State, after: &State) -> String {
    match after.ep.answered {
        Some((serial, is_good)) if before.ep.answered != after.ep.answered => {
            let how = if is_good { "done" } else { "refused" };
            format!("; answers number {serial}: {how}")
        }
        _ => String::new(),
    }
}

/// The name of a word, and of the opcode in it.
fn word(place: Offset) -> String {
    let name = match place {
        offset::READY => "ready",
        offset::EPOCH => "epoch",
        offset::DEVICE_STATUS => "device_status",
        offset::VENDOR_ID => "vendor_id",
        place::CMD => "cmd",
        place::CMD_EPOCH => "cmd_epoch",
        place::ANSWER => "answer",
        place::ANSWER_EPOCH => "answer_epoch",
        place::CMD_STATUS => "cmd_status",
        other => match place::queue_of(other) {
            Some(queue) => return format!("status of queue {queue}"),
            None => return format!("word {:#x}", other.bytes()),
        },
    };
    name.into()
}
