// SPDX-License-Identifier: GPL-2.0
//! The bus between a driver and its device fails, or is taken away: what is outstanding ends with errors,
//! and another vDPA device of the same function works.

use std::time::Instant;

use anyhow::Result;
use epc_emulator::link::BusError;

use super::life::END_BOUND;
use super::DISK;
use crate::commands::served::Served;
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::workload::disk::{self, Pattern};

pub fn cases() -> Vec<Case<Link>> {
    vec![
        Case {
            name: "bus_mastering_ends_under_load",
            about: "requests end with errors when the EP cannot reach the RC",
            run: bus_mastering_ends_under_load,
        },
        Case {
            name: "bus_mastering_ends_while_idle",
            about: "the endpoint is lost also if it has nothing to do",
            run: bus_mastering_ends_while_idle,
        },
        Case {
            name: "function_is_reset_under_load",
            about: "requests end with errors when a user of the RC resets the function",
            run: function_is_reset_under_load,
        },
        Case {
            name: "bus_fails_under_load",
            about: "requests end with errors when the root port reports a fatal error",
            run: bus_fails_under_load,
        },
        Case {
            name: "lesser_errors_are_no_matter",
            about: "corrected and non-fatal errors of the root port leave a disk at work",
            run: lesser_errors_are_no_matter,
        },
    ]
}

fn bus_mastering_ends_under_load(link: &mut Link, record: &mut Record) -> Result<()> {
    loses_its_endpoint(link, record, end_bus_mastering)
}

fn bus_mastering_ends_while_idle(link: &mut Link, _: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    served.vdpa.disk(&mut link.rc)?;
    end_bus_mastering(link, &served)?;
    link.rc
        .wait_for_message(END_BOUND, "Endpoint lost (CutOff)")?;
    let served = served.replace_vdpa(link)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::verify(&mut link.rc, &path, Pattern::Random, 4)?;
    served.stop(link)
}

/// Leaves memory space on in the command register, and nothing else.
fn end_bus_mastering(link: &mut Link, served: &Served) -> Result<()> {
    let config = format!("{}/config", sysfs(served));
    let write = format!(r"printf '\002\000' | dd of={config} bs=2 seek=2 conv=notrunc");
    link.rc.sh(&write).map(drop)
}

fn function_is_reset_under_load(link: &mut Link, record: &mut Record) -> Result<()> {
    loses_its_endpoint(link, record, |link, served| {
        let reset = format!("echo 1 >{}/reset", sysfs(served));
        link.rc.sh(&reset).map(drop)
    })
}

fn bus_fails_under_load(link: &mut Link, record: &mut Record) -> Result<()> {
    loses_its_endpoint(link, record, |link, _| {
        link.report(BusError::Fatal)?;
        link.rc
            .wait_for_message(END_BOUND, "device recovery successful")
    })
}

/// Has something happen to a disk under load that its driver cannot go on after.
fn loses_its_endpoint(
    link: &mut Link,
    record: &mut Record,
    happens: impl FnOnce(&mut Link, &Served) -> Result<()>,
) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::start_load(&mut link.rc, &path)?;
    happens(link, &served)?;
    let happened = Instant::now();
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    record.note(format!("load ended after {:.1?}", happened.elapsed()));
    // New requests fail as well.
    link.rc.sh_fails(&format!(
        "dd if={path} of=/dev/null bs=4k count=1 iflag=direct"
    ))?;
    let served = served.replace_vdpa(link)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::verify(&mut link.rc, &path, Pattern::Random, 4)?;
    served.stop(link)
}

fn lesser_errors_are_no_matter(link: &mut Link, _: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    for error in [BusError::Corrected, BusError::NonFatal] {
        link.report(error)?;
        disk::verify(&mut link.rc, &path, Pattern::Random, 4)?;
    }
    let reported = "AER: Uncorrectable (Non-Fatal) error";
    link.rc.wait_for_message(END_BOUND, reported)?;
    disk::verify(&mut link.rc, &path, Pattern::Random, 4)?;
    served.stop(link)
}

/// The directory of the function.
fn sysfs(served: &Served) -> String {
    format!("/sys/bus/pci/devices/{}", served.address)
}
