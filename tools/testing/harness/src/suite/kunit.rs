// SPDX-License-Identifier: GPL-2.0
//! KUnit suites of the modules. They run when a module is loaded into the EP's kernel.

use anyhow::{ensure, Result};

use crate::guest::log::message;
use crate::guest::Guest;
use crate::ktap::parse;
use crate::layout::{Layout, Side};
use crate::runner::{AnySuite, Bench, Case, Record, Suite};

/// The EP alone.
struct Ep {
    guest: Guest,
}

impl Bench for Ep {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            guest: Guest::boot(layout, Side::Ep)?,
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        vec![&mut self.guest]
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Ep> {
        name: "kunit",
        about: "KUnit suites of the modules, in the EP's kernel",
        cases: vec![Case {
            name: "all_modules",
            about: "every module loads, its KUnit tests pass, and it unloads",
            run: all_modules,
        }],
    }
}

fn all_modules(ep: &mut Ep, record: &mut Record) -> Result<()> {
    let modules = ep.guest.sh("cd /lib/modules/*/extra && ls")?;
    ensure!(
        !modules.is_empty(),
        "there are no modules for the EP; run 'make modules-ep'"
    );
    for module in modules.lines().map(|file| file.trim_end_matches(".ko")) {
        ep.guest.sh(&format!("modprobe {module}"))?;
        let lines = ep.guest.mark(&format!("loaded {module}"))?;
        record.parts(parse(lines.iter().map(|line| message(line))));
        ep.guest.sh(&format!("modprobe -r {module}"))?;
    }
    Ok(())
}
