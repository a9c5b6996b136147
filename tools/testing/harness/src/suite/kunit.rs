// SPDX-License-Identifier: GPL-2.0
//! KUnit suites of the modules. They run when a module is loaded into the EP's kernel.

use anyhow::{ensure, Result};

use crate::commands::modules;
use crate::guest::log::message;
use crate::guest::{Guest, Model};
use crate::ktap::parse;
use crate::layout::Layout;
use crate::runner::{AnySuite, Bench, Case, Record, Suite};

/// Where a module lists its KUnit suites.
const TESTS_SECTION: &str = r"\\.kunit_test_suites";

/// The EP alone.
struct Ep {
    guest: Guest,
}

impl Bench for Ep {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            guest: Guest::boot(layout, Model::EP)?,
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
    let guest = &mut ep.guest;
    let files = guest.sh("ls /lib/modules/*/extra/*.ko")?;
    let mut all = Vec::new();
    for file in files.lines() {
        let module = guest.sh(&format!("basename {file} .ko"))?;
        // Those it depends on are loaded first, so that their tests are not taken for its own.
        guest.sh(&format!(
            "for m in $(modinfo -F depends {file} | tr , ' '); do modprobe $m || exit; done"
        ))?;
        guest.mark(&format!("loading {module}"))?;
        modules::load(guest, &[&module])?;
        let lines = guest.mark(&format!("loaded {module}"))?;
        guest.sh(&format!("modprobe -r {module}"))?;
        // Status 1 is a count of 0; a file that cannot be read is status 2.
        let count = guest.sh(&format!("grep -c {TESTS_SECTION} {file} || [ $? = 1 ]"))?;
        let parts = parse(lines.iter().map(|line| message(line)));
        ensure!(
            count == "0" || !parts.is_empty(),
            "the tests of {module} did not run"
        );
        all.extend(parts);
    }
    ensure!(!all.is_empty(), "no module has tests");
    record.parts(all);
    Ok(())
}
