// SPDX-License-Identifier: GPL-2.0
//! A hostile root complex: each case is one attack of tools/testing/attacker on an endpoint that runs.
//!
//! The attack looks at what the protocol promises the root complex, and in the end that an honest
//! driver finds a device that works. Here it is seen that the endpoint's kernel log has nothing but
//! the messages that the protocol allows, however often a rule is broken.

mod offered;

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::guest::{log, Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Bench, Case, Record, Suite};
use offered::Offered;

/// For one attack and the honest driver after it. The longest waits for a time-out of 30 s.
const ATTACK_BOUND: Duration = Duration::from_secs(120);

/// Parts of the messages that an endpoint may log about its peer. Each has a limit: the first one by
/// its rate, the second one follows it, the others come once a session.
const ALLOWED: &[&str] = &[
    "Needs a reset: ",
    "messages were left out",
    "cannot be mapped",
    "No heartbeat of the root complex",
];

/// How many of them there may be for one attack: one in five seconds, and those once a session.
const MAX_MESSAGES: usize = 24;

/// Two machines, and what the endpoint offers at the moment.
struct Besieged {
    link: Link,
    offered: Option<Offered>,
}

impl Bench for Besieged {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            link: Link::boot(layout, Model::RC, Bars::Mapped)?,
            offered: None,
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.link.ep, &mut self.link.rc]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    let case = |attack: attacker::Attack| Case {
        name: attack.name,
        about: attack.about,
        run: attack_and_look,
    };
    Suite::<Besieged> {
        name: "hostile_rc",
        about: "a root complex that breaks every rule, and an endpoint that goes on",
        cases: attacker::catalogue().into_iter().map(case).collect(),
    }
}

fn attack_and_look(bench: &mut Besieged, record: &mut Record) -> Result<()> {
    let name = record.case();
    let attack = attacker::catalogue()
        .into_iter()
        .find(|attack| attack.name == name);
    let address = bench.offer(attack.context("no such attack")?.device)?;
    let Link { rc, ep, .. } = &mut bench.link;
    ep.mark(&format!("attack {name}"))?;
    rc.sh_within(
        ATTACK_BOUND,
        &format!("attacker run {name} --function {address}"),
    )?;
    check_log(&ep.mark(&format!("after {name}"))?)
}

impl Besieged {
    /// Has the endpoint offer a device; returns the address of its function.
    fn offer(&mut self, device: attacker::Device) -> Result<String> {
        if let Some(old) = self.offered.take_if(|old| old.device != device) {
            old.withdraw(&mut self.link)?;
        }
        let offered = match self.offered.take() {
            Some(offered) => offered,
            None => Offered::new(&mut self.link, device)?,
        };
        Ok(self.offered.insert(offered).address.clone())
    }
}

/// Fails when the endpoint logged something else, or too much.
fn check_log(lines: &[String]) -> Result<()> {
    let is_allowed = |line: &&String| ALLOWED.iter().any(|part| line.contains(part));
    let (allowed, other): (Vec<_>, Vec<_>) = lines.iter().partition(is_allowed);
    let other: Vec<_> = other.iter().map(|line| log::message(line)).collect();
    ensure!(
        other.is_empty(),
        "the EP's kernel log has more than it promises: {}",
        other.join("\n")
    );
    ensure!(
        allowed.len() <= MAX_MESSAGES,
        "the EP's kernel log has {} messages, expected at most {MAX_MESSAGES}",
        allowed.len()
    );
    Ok(())
}
