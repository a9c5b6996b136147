// SPDX-License-Identifier: GPL-2.0
//! What looking at queues for a while saves, and costs.

use anyhow::{ensure, Result};

use super::{count, Counted, DISK, TRANSFERS};
use crate::commands::served::Served;
use crate::runner::{Case, Record};
use crate::workload::disk;

/// The longest that can be asked for: whatever the RC does between two requests takes less, also here.
const LOOKING: &[(&str, &str)] = &[("queue_poll_us", "10000")];

pub fn cases() -> Vec<Case<Counted>> {
    vec![Case {
        name: "polling_saves_doorbells",
        about: "requests one at a time ring no doorbell while the EP looks at the queue for longer than they take to come",
        run: polling_saves_doorbells,
    }]
}

fn polling_saves_doorbells(bench: &mut Counted, record: &mut Record) -> Result<()> {
    let usual = doorbells(bench, &[])?;
    let looking = doorbells(bench, LOOKING)?;
    record.note(format!(
        "{usual:.2} doorbells for each request, {looking:.2} with queue_poll_us"
    ));
    // What the RC does between two requests takes longer now and then, and the time grows anew.
    ensure!(
        usual > 0.0 && looking <= usual / 2.0,
        "expected at most half as many doorbells with queue_poll_us, counted {usual:.2} for each request, then {looking:.2}"
    );
    Ok(())
}

/// Doorbells for each of some writes, one at a time.
fn doorbells(bench: &mut Counted, attributes: &[(&str, &str)]) -> Result<f64> {
    let link = &mut bench.link;
    let served = Served::start_with(link, DISK, attributes)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    let found = count(link, |link| {
        disk::transfer(&mut link.rc, &path, "write", 1, TRANSFERS)
    })?;
    served.stop(link)?;
    Ok(found.doorbells)
}
