// SPDX-License-Identifier: GPL-2.0
//! Code of the kernel on both machines, and none of ours but the emulator and its controller's
//! driver: if it works, they are right.

use std::time::Duration;

use anyhow::{ensure, Result};
use epc_emulator::faults::{Effect, Rule, Target};
use epc_emulator::profile;

use super::prepared::{Preparation, Prepared};
use crate::commands::upstream::{self, Engine};
use crate::commands::{endpoint, modules};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Case, Record, Suite};

/// The root complex can give a function all vectors there are.
struct ManyVectors;

impl Preparation for ManyVectors {
    fn prepare(layout: &Layout) -> Result<Link> {
        Link::boot(layout, Model::RC_WITH_MANY_VECTORS, Bars::Mapped)
    }
}

/// The endpoint may change BARs at any time.
struct BarsThatMove;

impl Preparation for BarsThatMove {
    fn prepare(layout: &Layout) -> Result<Link> {
        Link::boot(layout, Model::RC, Bars::Trapped)
    }
}

/// The suite with what every controller can do.
pub fn suite() -> impl AnySuite {
    Suite::<Prepared<ManyVectors>> {
        name: "upstream",
        about: "tests of the kernel's own endpoint function, on the emulator",
        cases: vec![
            Case {
                name: "pci_endpoint_test",
                about: "the kselftest of pci-epf-test passes: BARs, all vectors, read, write, copy, DMA",
                run: |bench, record| {
                    let choice = "-T BAR_SUBRANGE_TEST -T DOORBELL_TEST";
                    let engine = Engine::of_board(profile::DEFAULT)?;
                    let required = [STATIC_TESTS, engine.transfers()].concat();
                    let link = &mut bench.link;
                    pci_endpoint_test(link, record, &[], (engine, choice), &required)
                },
            },
            Case {
                name: "dmatest",
                about: "the kernel's test of DMA engines passes, with interrupts and without, and notices faults",
                run: dmatest,
            },
        ],
    }
}

/// The suite with what takes a controller that moves BARs.
pub fn dynamic_suite() -> impl AnySuite {
    Suite::<Prepared<BarsThatMove>> {
        name: "upstream_dynamic",
        about: "the same, of BARs that move while the link is up",
        cases: vec![Case {
            name: "pci_endpoint_test",
            about: "the kselftest of pci-epf-test passes: parts of BARs, doorbell (BAR 0 has its registers)",
            run: |bench, record| {
                let choice = "-V BAR0 -t BAR_SUBRANGE_TEST -t DOORBELL_TEST";
                pci_endpoint_test(
                    &mut bench.link,
                    record,
                    SMALL_BARS,
                    (Engine::None, choice),
                    DYNAMIC_TESTS,
                )
            },
        }],
    }
}

/// Tests of the program that must have passed, by a part of their name.
const STATIC_TESTS: &[&str] = &[
    "BAR0.BAR_TEST",
    "BAR5.BAR_TEST",
    "CONSECUTIVE_BAR_TEST",
    "MSI_TEST",
    "MSIX_TEST",
];
const DYNAMIC_TESTS: &[&str] = &["BAR1.BAR_SUBRANGE_TEST", "DOORBELL_TEST"];

/// BARs that can be written and read by traps in reasonable time.
const SMALL_BARS: &[(&str, &str)] = &[
    ("pci_epf_test.0/bar1_size", "8192"),
    ("pci_epf_test.0/bar2_size", "8192"),
    ("pci_epf_test.0/bar3_size", "8192"),
    ("pci_epf_test.0/bar4_size", "8192"),
    ("pci_epf_test.0/bar5_size", "8192"),
];

/// Transfers of a run of dmatest: some of each length up to 16 KiB and at each alignment.
const TRANSFERS: u32 = 200;

/// For a run of dmatest.
const DMATEST_BOUND: Duration = Duration::from_secs(120);

/// dmatest passes, and leaves the channel as it was, also after transfers that failed.
fn dmatest(bench: &mut Prepared<ManyVectors>, _record: &mut Record) -> Result<()> {
    let link = &mut bench.link;
    endpoint::load_controller(&mut link.ep)?;
    run_dmatest(&mut link.ep, "polled=N", TRANSFERS, 0)?;
    run_dmatest(&mut link.ep, "polled=Y", TRANSFERS, 0)?;
    link.fault(one_transfer(Effect::Refuse, 2))?;
    run_dmatest(&mut link.ep, "polled=N", 5, 1)?;
    link.fault(one_transfer(Effect::Lose, 0))?;
    run_dmatest(&mut link.ep, "polled=N timeout=500", 1, 1)?;
    run_dmatest(&mut link.ep, "polled=N", TRANSFERS, 0)
}

fn one_transfer(effect: Effect, skip: u64) -> Rule {
    Rule {
        on: Target::Dma,
        effect,
        skip,
        count: Some(1),
    }
}

/// Runs dmatest (Documentation/driver-api/dmaengine/dmatest.rst of the kernel) on the channel that copies,
/// and sees how many transfers failed. Its own way to wait can be over before it begins.
fn run_dmatest(ep: &mut Guest, options: &str, transfers: u32, failures: u32) -> Result<()> {
    ep.mark("dmatest begins")?;
    ep.sh(&format!(
        "modprobe dmatest iterations={transfers} {options} run=1"
    ))?;
    ep.wait_for_message(DMATEST_BOUND, "summary")?;
    modules::unload(ep, &["dmatest"])?;
    let log = ep.mark("dmatest is over")?;
    let expected = format!("summary {transfers} tests, {failures} failures");
    let told = log.iter().any(|line| line.contains(&expected));
    ensure!(told, "expected '{expected}', dmatest said {log:?}");
    Ok(())
}

fn pci_endpoint_test(
    link: &mut Link,
    record: &mut Record,
    attributes: &[(&str, &str)],
    (engine, choice): (Engine, &str),
    required: &[&str],
) -> Result<()> {
    let attributes = [upstream::ATTRIBUTES, attributes].concat();
    let parts = upstream::run_on_link(link, &attributes, engine, choice)?;
    let missing = upstream::not_passed(&parts, required);
    record.parts(parts);
    ensure!(missing.is_empty(), "did not pass: {missing:?}");
    Ok(())
}
