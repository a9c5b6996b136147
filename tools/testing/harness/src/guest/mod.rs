// SPDX-License-Identifier: GPL-2.0
//! A machine that runs: commands, kernel log, end.

mod archive;
mod channel;
pub mod hypervisor;
mod known;
pub mod log;
mod machine;
mod monitor;

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use crate::interrupt::wait_for;
use crate::kernels::Kernels;
use crate::layout::{Layout, Side};
use crate::process::Process;
use channel::{Answer, Channel};
use log::KernelLog;

pub use channel::Output;
pub use machine::{Model, Slot};

/// From the start of the virtual machine to its first answer. It takes 3 s to 8 s on a machine
/// that does nothing else; a busy one gets much longer.
const BOOT_BOUND: Duration = Duration::from_secs(180);

/// For a command that does no more than ask or set something.
const COMMAND_BOUND: Duration = Duration::from_secs(60);

/// How long a command may live after it was killed.
const KILL_BOUND: Duration = Duration::from_secs(15);

/// For a line to come through the console.
const LOG_BOUND: Duration = Duration::from_secs(30);

/// Command that prints what the kernel has logged since the case began.
const LOG_OF_CASE: &str = "dmesg | tac | sed '/harness: mark/q'";

/// A virtual machine with our `init` in it; dropping it ends it.
pub struct Guest {
    model: Model,
    kernels: Kernels,
    qemu: Process,
    monitor: PathBuf,
    commands: Channel,
    rescue: Channel,
    log: KernelLog,
    marks: u32,
    lost: bool,
}

/// A virtual machine that starts. Two of them can start at the same time.
pub struct Starting {
    model: Model,
    kernels: Kernels,
    qemu: Process,
    monitor: PathBuf,
    listeners: [UnixListener; machine::CHANNELS.len()],
    log: KernelLog,
}

impl Starting {
    /// Starts a machine; `more` adds to QEMU's arguments.
    pub fn new(layout: &Layout, model: Model, more: impl FnOnce(&mut Command)) -> Result<Self> {
        let (side, kernels) = (model.side(), layout.kernels());
        let run = layout.run()?;
        let file = |what: &str| run.join(format!("{}.{what}", side.name()));
        let initramfs = archive::assemble(layout, model)?;
        model.make_disk(&run)?;
        let log = KernelLog::create(&file("console"))?;
        let [command, rescue] = machine::CHANNELS.map(|name| Channel::listen(&file(name)));
        let listeners = [command?, rescue?];
        let kernel = layout.kernel(model.image())?;
        let mut command = machine::qemu(model, kernels, &run, &kernel, &initramfs);
        more(&mut command);
        let name = format!("the {side}'s virtual machine");
        let qemu = Process::start(&name, command, &file("qemu.log"))?;
        Ok(Self {
            model,
            kernels,
            qemu,
            monitor: machine::monitor(&run, side),
            listeners,
            log,
        })
    }

    /// Waits until the machine takes commands.
    pub fn ready(mut self) -> Result<Guest> {
        let mut connect = |listener: &UnixListener| {
            wait_for("the start of QEMU", BOOT_BOUND, || {
                self.qemu.check_running()?;
                Channel::accept(listener)
            })
        };
        let [command, rescue] = &self.listeners;
        let mut guest = Guest {
            commands: connect(command)?,
            rescue: connect(rescue)?,
            model: self.model,
            kernels: self.kernels,
            qemu: self.qemu,
            monitor: self.monitor,
            log: self.log,
            marks: 0,
            lost: false,
        };
        match guest.sh_within(BOOT_BOUND, "true") {
            Ok(_) => Ok(guest),
            Err(error) => Err(error).with_context(|| {
                let log = guest.log.path().display();
                format!("the {} did not boot; its log is {log}", guest.side())
            }),
        }
    }
}

impl Guest {
    /// Starts a machine alone, and waits until it takes commands.
    pub fn boot(layout: &Layout, model: Model) -> Result<Self> {
        Starting::new(layout, model, |_| {})?.ready()
    }

    /// Which machine it is.
    pub fn side(&self) -> Side {
        self.model.side()
    }

    /// Who looks after its slot.
    pub fn slot(&self) -> Slot {
        self.model.slot()
    }

    /// Which kernel it runs.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Where its kernel log is.
    pub fn log_path(&self) -> &Path {
        self.log.path()
    }

    /// Says whether the machine stopped to answer.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Runs a command that must succeed, and returns what it printed, without the last line feed.
    pub fn sh(&mut self, script: &str) -> Result<String> {
        self.sh_within(COMMAND_BOUND, script)
    }

    /// The same, for a command that takes long.
    pub fn sh_within(&mut self, bound: Duration, script: &str) -> Result<String> {
        let output = self.try_sh_within(bound, script)?;
        let text = text_of(&output);
        ensure!(
            output.status == 0,
            "{}: '{script}' ended with status {}: {text}",
            self.side(),
            output.status
        );
        Ok(text)
    }

    /// Waits until a condition holds: a shell command that succeeds.
    pub fn wait_until(&mut self, bound: Duration, condition: &str) -> Result<()> {
        let script = format!("until {condition}; do sleep 0.05; done");
        self.sh_within(bound, &script).map(drop)
    }

    /// Waits until the kernel has logged some words since the case began.
    pub fn wait_for_message(&mut self, bound: Duration, words: &str) -> Result<()> {
        self.wait_until(bound, &format!("{LOG_OF_CASE} | grep -qF '{words}'"))
    }

    /// How often the kernel has logged some words since the case began.
    pub fn count_messages(&mut self, words: &str) -> Result<u32> {
        let count = self.sh(&format!("{LOG_OF_CASE} | grep -cF '{words}' || [ $? = 1 ]"))?;
        count.parse().context("no number of messages")
    }

    /// Runs a command that must fail, and returns what it printed.
    pub fn sh_fails(&mut self, script: &str) -> Result<String> {
        let output = self.try_sh_within(COMMAND_BOUND, script)?;
        let text = text_of(&output);
        ensure!(
            output.status != 0,
            "{}: '{script}' succeeded: {text}",
            self.side()
        );
        Ok(text)
    }

    /// Runs a command that may fail.
    pub fn try_sh_within(&mut self, bound: Duration, script: &str) -> Result<Output> {
        self.qemu.check_running()?;
        let bound = self.kernels.bound(bound);
        match self.commands.run(script, bound) {
            Ok(Answer::Ended(output)) => Ok(output),
            Ok(Answer::Late) => self.stop_late(script, bound),
            Err(error) => {
                self.lost = true;
                self.qemu.check_running()?;
                Err(error).with_context(|| format!("{}: '{script}'", self.side()))
            }
        }
    }

    /// Ends a command that takes too long; what the kernel was doing goes to the kernel log.
    fn stop_late(&mut self, script: &str, bound: Duration) -> Result<Output> {
        let request = self.commands.request();
        let kill = format!("echo w >/proc/sysrq-trigger; kill -KILL -$(cat /run/{request}.pid)");
        let kill_bound = self.kernels.bound(KILL_BOUND);
        let rescued = self.rescue.run(&kill, kill_bound)?;
        let stopped = self.commands.finish(kill_bound)?;
        let printed = match (rescued, stopped) {
            (Answer::Ended(_), Answer::Ended(output)) => text_of(&output),
            _ => {
                self.lost = true;
                "and cannot be killed".to_owned()
            }
        };
        bail!(
            "{}: '{script}' did not end within {} s: {printed}",
            self.side(),
            bound.as_secs()
        );
    }

    /// Takes the power away; fails if the kernel had logged a fault before.
    pub fn switch_off(&mut self) -> Result<()> {
        self.qemu.kill()?;
        self.lost = true;
        self.rest_of_log()?;
        let faults = self.take_faults();
        ensure!(faults.is_empty(), "{}: {}", self.side(), faults.join("; "));
        Ok(())
    }

    /// Has the processors of the machine stand still; its devices go on.
    pub fn freeze(&self) -> Result<()> {
        monitor::execute(&self.monitor, "stop")
    }

    /// Has the processors go on.
    pub fn thaw(&self) -> Result<()> {
        monitor::execute(&self.monitor, "cont")
    }

    /// Writes a line into the kernel log, and returns all lines before it that were not returned
    /// yet. So the log shows which case a message belongs to, and no message comes too late.
    pub fn mark(&mut self, text: &str) -> Result<Vec<String>> {
        self.marks += 1;
        let mark = format!("harness: mark {}: {text}", self.marks);
        let log = &mut self.log;
        let mut lines = log.new_lines()?;
        self.sh(&format!("echo '{mark}' >/dev/kmsg"))?;
        let log = &mut self.log;
        wait_for("a mark in the kernel log", LOG_BOUND, || {
            lines.extend(log.new_lines()?);
            Ok(lines.iter().any(|line| line.contains(&mark)).then_some(()))
        })?;
        lines.retain(|line| !line.contains(&mark));
        Ok(lines)
    }

    /// Has the kernel give warnings again that it gives once, so that each case sees its own.
    pub fn rearm_warnings(&mut self) -> Result<()> {
        self.sh("echo 1 >/sys/kernel/debug/clear_warn_once")
            .map(drop)
    }

    /// Returns what the kernel logged since the last call, also from a machine that is lost.
    pub fn rest_of_log(&mut self) -> Result<Vec<String>> {
        self.log.new_lines()
    }

    /// Returns the faults in what `mark` and `rest_of_log` read since the last call.
    pub fn take_faults(&mut self) -> Vec<String> {
        self.log.take_faults()
    }
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.bytes).trim_end().to_owned()
}
