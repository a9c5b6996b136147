// SPDX-License-Identifier: GPL-2.0
//! Faults on purpose, by modules of the kernel: debug kernels that report nothing prove nothing.

use anyhow::{bail, ensure, Result};

use crate::commands::modules;
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::leaks;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Bench, Case, Suite};

/// Machines that take no part in other tests, as they are broken afterwards.
struct Machines {
    link: Link,
}

impl Bench for Machines {
    /// Lockdep gives up after the first report of KASAN.
    const STAYS_WHOLE: bool = false;

    fn set_up(layout: &Layout) -> Result<Self> {
        let link = Link::boot(layout, Model::RC, Bars::Mapped)?;
        Ok(Self { link })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        self.link.guests()
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Machines> {
        name: "detection",
        about: "faults on purpose, which the debug kernels must report",
        cases: vec![
            Case {
                name: "use_after_free_is_reported",
                about: "KASAN reports what the kernel's own test of crashes (lkdtm) does",
                run: |machines, _| on_both(machines, use_after_free_is_reported),
            },
            Case {
                name: "leak_is_reported",
                about: "kmemleak reports what its sample module leaks",
                run: |machines, _| on_both(machines, leak_is_reported),
            },
        ],
    }
}

fn on_both(machines: &mut Machines, case: fn(&mut Guest) -> Result<()>) -> Result<()> {
    machines.guests().into_iter().try_for_each(case)
}

fn use_after_free_is_reported(guest: &mut Guest) -> Result<()> {
    modules::load(guest, &["lkdtm"])?;
    guest.sh("echo READ_AFTER_FREE >/sys/kernel/debug/provoke-crash/DIRECT")?;
    expect_fault(guest, "KASAN: slab-use-after-free in lkdtm_READ_AFTER_FREE")
}

fn leak_is_reported(guest: &mut Guest) -> Result<()> {
    modules::load(guest, &["kmemleak_test"])?;
    let Err(report) = leaks::find(guest) else {
        bail!("{}: no leak is reported", guest.side());
    };
    let report = format!("{report:#}");
    ensure!(
        report.contains("[kmemleak_test]"),
        "expected what the module leaked, not {report}"
    );
    guest.sh("echo clear >/sys/kernel/debug/kmemleak")?;
    expect_fault(guest, "new suspected memory leaks")
}

/// Takes the faults that are in the kernel log, one of which must have this text.
fn expect_fault(guest: &mut Guest, text: &str) -> Result<()> {
    guest.mark("a fault on purpose")?;
    let faults = guest.take_faults();
    ensure!(
        faults.iter().any(|fault| fault.contains(text)),
        "{}: '{text}' is not among what the kernel log reports: {faults:?}",
        guest.side()
    );
    Ok(())
}
