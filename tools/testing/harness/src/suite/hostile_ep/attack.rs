// SPDX-License-Identifier: GPL-2.0
//! One attack after the other, each with its end: the log is read, the endpoint becomes honest, and
//! the driver has to work with it.

use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use super::Machines;
use crate::commands::forger::{Forger, Kind, Lie};
use crate::guest::{log, Guest};
use crate::ktap::{Part, Verdict};
use crate::link::Link;
use crate::runner::Record;
use crate::suite::link::disk_works;

/// For whatever the RC is asked to do during an attack. The longest are two resets that nobody
/// answers (`QUIESCE`), then a device whose commands fail.
const BOUND: Duration = Duration::from_secs(40);

/// Name of the vDPA device; there is one at a time.
const NAME: &str = "vdpa0";

/// What the endpoint does, and what becomes of it.
pub struct Attack {
    /// Short name, words joined by underscores.
    pub name: &'static str,
    /// What the endpoint is told before `course`.
    pub lies: &'static [Lie],
    /// What the RC does, and what has to come of it.
    pub course: Course,
}

/// What the RC does during an attack.
#[derive(Clone, Copy)]
pub enum Course {
    /// It binds the driver to the function. That is refused, and the log says this.
    Refused(&'static str),
    /// It binds the driver to the function and uses it, in spite of all. The log says this.
    Harmless(&'static str),
    /// It adds the vDPA device, which may or may not succeed. The log says this.
    Add(&'static str),
    /// It has added the vDPA device when the lies begin. Then it does this, and the log says the rest.
    During(fn(&mut Attacked) -> Result<()>, &'static str),
    /// As it likes.
    Free(fn(&mut Attacked) -> Result<()>),
}

/// The machines while the function is on the link, the driver bound to it.
pub struct Attacked<'a> {
    /// The machines.
    pub link: &'a mut Link,
    /// The function.
    pub forger: Forger,
    kind: Kind,
}

/// Runs attacks of one kind of device, and sees that a real disk works after them.
pub fn run(
    machines: &mut Machines,
    record: &mut Record,
    kind: Kind,
    attacks: impl IntoIterator<Item = &'static Attack>,
) -> Result<()> {
    let link = &mut machines.link;
    let forger = Forger::start(link, kind)?;
    let mut attacked = Attacked { link, forger, kind };
    attacked.link.rc.mark("the first attack")?;
    for attack in attacks {
        let result = attacked.run(attack);
        let failure = result.as_ref().err().map(|error| format!("{error:#}"));
        record.parts([Part {
            name: attack.name.to_owned(),
            verdict: failure.map_or(Verdict::Passed, Verdict::Failed),
        }]);
        // What is left of the machines is of no use for the attacks that follow.
        result.with_context(|| attack.name)?;
    }
    let Attacked { link, forger, .. } = attacked;
    forger.stop(link)?;
    disk_works(link)
}

impl Attacked<'_> {
    fn run(&mut self, attack: &Attack) -> Result<()> {
        let expected = self.follow(attack)?;
        self.works()
            .context("afterwards, with an honest endpoint")?;
        self.check_log(attack.name, expected)
    }

    /// Does what the attack is, and returns what the log has to say.
    fn follow(&mut self, attack: &Attack) -> Result<&'static str> {
        match attack.course {
            Course::Refused(message) => {
                self.unbind()?;
                self.tell(attack.lies)?;
                ensure!(!self.try_bind()?, "the driver took the function");
                self.take_over_honest()?;
                Ok(message)
            }
            Course::Harmless(message) => {
                self.unbind()?;
                self.tell(attack.lies)?;
                self.bind()?;
                self.works()?;
                self.unbind()?;
                self.take_over_honest()?;
                Ok(message)
            }
            Course::Add(message) => {
                self.tell(attack.lies)?;
                self.try_add()?;
                self.start_anew()?;
                Ok(message)
            }
            Course::During(act, message) => {
                self.add()?;
                self.tell(attack.lies)?;
                act(self)?;
                self.start_anew()?;
                Ok(message)
            }
            Course::Free(act) => {
                act(self)?;
                self.start_anew()?;
                Ok("")
            }
        }
    }

    /// Lets the endpoint be honest in a new session, and takes away what is left of the old one.
    fn start_anew(&mut self) -> Result<()> {
        self.forger.make_honest(&mut self.link.ep)?;
        let script =
            format!("if vdpa dev show {NAME} >/dev/null 2>&1; then vdpa dev del {NAME}; fi");
        self.rc(&script).map(drop)
    }

    /// Tells the function to lie.
    pub fn tell(&mut self, lies: &[Lie]) -> Result<()> {
        self.forger.tell(&mut self.link.ep, lies)
    }

    /// Tells the function to lie as long as that is possible, and says whether all was.
    pub fn try_tell(&mut self, lies: &[Lie]) -> Result<bool> {
        self.forger.try_tell(&mut self.link.ep, lies)
    }

    /// Runs a command on the RC that must succeed, in time.
    pub fn rc(&mut self, script: &str) -> Result<String> {
        self.link.rc.sh_within(BOUND, script)
    }

    /// Runs a command on the RC that must end in time, and says whether it succeeded.
    pub fn try_rc(&mut self, script: &str) -> Result<bool> {
        let output = self.link.rc.try_sh_within(BOUND, script)?;
        Ok(output.status == 0)
    }

    /// Adds the vDPA device.
    pub fn add(&mut self) -> Result<()> {
        let script = add(&self.forger.address);
        self.rc(&script).map(drop)
    }

    /// Adds the vDPA device if it can be.
    pub fn try_add(&mut self) -> Result<bool> {
        let script = add(&self.forger.address);
        self.try_rc(&script)
    }

    /// Binds the driver to the function.
    pub fn bind(&mut self) -> Result<()> {
        ensure!(self.try_bind()?, "the driver did not take the function");
        Ok(())
    }

    /// Binds the driver to the function if it can be.
    pub fn try_bind(&mut self) -> Result<bool> {
        let script = format!("echo {} >{DRIVER}/bind", self.forger.address);
        self.try_rc(&script)
    }

    /// Lets the endpoint be honest, and binds the driver to it.
    pub fn take_over_honest(&mut self) -> Result<()> {
        self.forger.make_honest(&mut self.link.ep)?;
        self.bind()
    }

    /// Takes the function from the driver.
    pub fn unbind(&mut self) -> Result<()> {
        let script = format!("echo {} >{DRIVER}/unbind", self.forger.address);
        self.rc(&script).map(drop)
    }

    /// Waits until a condition holds on the RC.
    pub fn wait_until(&mut self, condition: &str) -> Result<()> {
        self.link.rc.wait_until(BOUND, condition)
    }

    /// Waits until the RC's log says something.
    pub fn wait_for_message(&mut self, words: &str) -> Result<()> {
        self.link.rc.wait_for_message(BOUND, words)
    }

    /// Adds a device, reads its configuration, and takes it away.
    fn works(&mut self) -> Result<()> {
        let (device, expected) = match self.kind {
            Kind::Net => ("cat /sys/class/net/eth0/address", "02:00:00:00:00:66"),
            Kind::Block => ("cat /sys/block/vda/size", "2048"),
        };
        let script = format!(
            "{} && vdpa dev config show {NAME} >/dev/null && {device} && vdpa dev del {NAME}",
            add(&self.forger.address)
        );
        let found = self.rc(&script)?;
        ensure!(found == expected, "expected {expected}, got '{found}'");
        Ok(())
    }

    /// Fails when the log lacks what it has to say, or has what nobody promised.
    fn check_log(&mut self, name: &str, expected: &str) -> Result<()> {
        let rc = &mut self.link.rc;
        let lines = rc.mark(&format!("end of {name}"))?;
        ensure!(
            lines.iter().any(|line| line.contains(expected)) || expected.is_empty(),
            "no message has '{expected}': {lines:#?}"
        );
        check_faults(rc)?;
        check_faults(&mut self.link.ep)?;
        if let Some(line) = lines.iter().find(|line| !is_promised(line)) {
            bail!("nobody promised this message: {line}");
        }
        Ok(())
    }
}

const DRIVER: &str = "/sys/bus/pci/drivers/epf_vdpa";

fn add(address: &str) -> String {
    format!("vdpa dev add name {NAME} mgmtdev pci/{address}")
}

fn check_faults(guest: &mut Guest) -> Result<()> {
    guest.rest_of_log()?;
    let faults = guest.take_faults();
    ensure!(
        faults.is_empty(),
        "{} kernel log: {faults:#?}",
        guest.side()
    );
    Ok(())
}

/// Who may say something during an attack: the driver, and the kernel's own of its devices.
const PROMISED: &[&str] = &[
    "epf_vdpa 0000:01:00.0:",
    "virtio_net virtio",
    "virtio_blk virtio",
    "virtio virtio",
    "vdpa vdpa0:",
    "virtio_vdpa vdpa0:",
    "vda:",
    " vda:",
    "I/O error, dev vda",
    "Buffer I/O error on dev vda",
    "Dev vda:",
    // How often the lines above were left out.
    "blk_print_req_error:",
    "buffer_io_error:",
    "set_capacity_and_notify:",
    "ldm_validate_partition_table()",
];

/// What a kernel says of a machine that is slow, at any time.
const SLOW: &[&str] = &[
    "clocksource:",
    "tsc:",
    "hrtimer:",
    "sched_clock:",
    "workqueue:",
];

fn is_promised(line: &str) -> bool {
    let message = log::message(line);
    let mut beginnings = PROMISED.iter().chain(SLOW);
    message.is_empty() || beginnings.any(|begin| message.starts_with(begin))
}
