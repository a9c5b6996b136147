// SPDX-License-Identifier: GPL-2.0
//! A root complex of arm64, without hot plug. The suites differ in what takes the interrupts.

use anyhow::Result;

use super::deaths;
use super::link::{self, data, DISK};
use super::prepared::{Joined, Preparation, Prepared};
use crate::commands::served::Served;
use crate::guest::Model;
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Case, Record, Suite};
use crate::workload::disk;

/// An interrupt translation service, to which the emulator can send MSI.
struct WithIts;

impl Preparation for WithIts {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::boot(layout, Model::RC_ARM64_WITH_ITS, Bars::Mapped)?;
        link::load_drivers(&mut link.rc)?;
        // A network device of one pair has one for each queue, and one for its config.
        link.attributes = &[("../msi_interrupts", "4")];
        Ok(link)
    }
}

/// The suite of what is to work, by MSI.
pub fn suite() -> impl AnySuite {
    Suite::<Prepared<WithIts>> {
        name: "rc_arm64",
        about: "a root complex of arm64, which takes MSI and has no hot plug",
        cases: vec![
            Case {
                name: "vdpa_tool_tells_what_is_there",
                about: "the 'vdpa' tool shows management device, device and configuration",
                run: |bench, record| data::vdpa_tool_tells_what_is_there(bench.link(), record),
            },
            Case {
                name: "disk_keeps_data",
                about: "what the RC writes is read back, and a file system survives being filled",
                run: |bench, record| disk_keeps_data(bench.link(), record),
            },
            Case {
                name: "network_carries_data",
                about: "echo requests and TCP streams pass both ways, and are counted",
                run: |bench, record| data::network_carries_data(bench.link(), record),
            },
            Case {
                name: "several_pairs_carry_data",
                about: "three pairs of queues share four vectors, and their number changes under traffic",
                run: |bench, record| data::several_pairs_carry_data(bench.link(), record),
            },
        ],
    }
}

fn disk_keeps_data(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::compare(&mut link.rc, &path, 32)?;
    let files = disk::fill_file_system(&mut link.rc, &path)?;
    record.note(format!("{files} files"));
    served.stop(link)
}

/// A frame of registers, to which the emulator can send MSI-X as well.
struct WithFrame;

impl Preparation for WithFrame {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::boot(layout, Model::RC_ARM64, Bars::Mapped)?;
        deaths::load_drivers(&mut link.rc)?;
        Ok(link)
    }
}

/// The suite of what is to end, by MSI-X.
pub fn deaths_suite() -> impl AnySuite {
    Suite::<Prepared<WithFrame>> {
        name: "deaths_rc_arm64",
        about:
            "the endpoint dies under a root complex of arm64, which takes MSI-X and has no hot plug",
        cases: deaths::unnoticed(),
    }
}
