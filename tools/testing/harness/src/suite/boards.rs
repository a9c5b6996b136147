// SPDX-License-Identifier: GPL-2.0
//! The kernel's own endpoint function on controllers with the limits of real ones: profiles of the
//! emulator (tools/testing/emulator/README.md, "Board profiles").
//!
//! What a board lacks, its tests skip, and those that cannot skip are not chosen; what is skipped is
//! compared with what the board lacks.

use anyhow::{ensure, Context, Result};

use crate::commands::upstream::{self, Engine};
use crate::guest::{Guest, Model};
use crate::ktap::{Part, Verdict};
use crate::layout::Layout;
use crate::link::Link;
use crate::runner::{AnySuite, Bench, Case, Record, Suite};

/// What the kselftest finds on a board.
struct Board {
    /// Name of the case.
    case: &'static str,
    /// Name of the emulator's profile.
    profile: &'static str,
    /// Tests that fail, and do not skip, without an interrupt that the board lacks.
    left_out: &'static [&'static str],
    /// BARs that functions do not have there, whose tests skip.
    no_bars: &'static [u8],
}

/// Tests that take BARs which move while the link is up; the suite `upstream_dynamic` has them.
const DYNAMIC: &[&str] = &["BAR_SUBRANGE_TEST", "DOORBELL_TEST"];

/// The first one lacks the most, the second one has a DMA engine that copies, and no other.
const BOARDS: &[Board] = &[
    Board {
        case: "rcar_gen3",
        profile: "rcar-gen3",
        left_out: &["MSIX_TEST"],
        no_bars: &[1, 3, 5],
    },
    Board {
        case: "j721e",
        profile: "j721e",
        left_out: &[],
        no_bars: &[],
    },
    Board {
        case: "rk3588",
        profile: "rk3588",
        left_out: &["LEGACY_IRQ_TEST"],
        no_bars: &[4],
    },
    Board {
        case: "rcar_gen4",
        profile: "rcar-gen4",
        left_out: &["LEGACY_IRQ_TEST", "MSIX_TEST"],
        no_bars: &[1, 3, 5],
    },
    Board {
        case: "imx8mp",
        profile: "imx8mp",
        left_out: &["LEGACY_IRQ_TEST", "MSIX_TEST"],
        no_bars: &[1, 3, 5],
    },
    Board {
        case: "imx95",
        profile: "imx95",
        left_out: &["LEGACY_IRQ_TEST", "MSIX_TEST"],
        no_bars: &[],
    },
    Board {
        case: "tegra234",
        profile: "tegra234",
        left_out: &["MSIX_TEST"],
        no_bars: &[1, 2, 3, 4, 5],
    },
];

/// Tests that pass on every board, besides transfers.
const REQUIRED: &[&str] = &[
    "BAR0.BAR_TEST",
    "CONSECUTIVE_BAR_TEST",
    "pci_ep_basic.MSI_TEST",
];

/// Machines that are joined anew for each board.
struct Machines {
    layout: Layout,
    link: Option<Link>,
}

impl Bench for Machines {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            layout: layout.clone(),
            link: None,
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        self.link.iter_mut().flat_map(Link::guests).collect()
    }
}

impl Machines {
    fn join(&mut self, profile: &str) -> Result<&mut Link> {
        // The sockets of the new link are those of the old one.
        self.link = None;
        let link = Link::boot_board(&self.layout, Model::RC_WITH_MANY_VECTORS, profile)?;
        Ok(self.link.insert(link))
    }
}

/// The suite with two boards that are not alike.
pub fn suite() -> impl AnySuite {
    of_boards(
        "boards",
        "the same, with the limits of real controllers",
        &BOARDS[..2],
    )
}

/// The suite with all boards.
pub fn all_suite() -> impl AnySuite {
    of_boards(
        "all_boards",
        "the same, with the limits of each board that the emulator knows",
        BOARDS,
    )
}

fn of_boards(name: &'static str, about: &'static str, boards: &[Board]) -> impl AnySuite {
    let case = |board: &Board| Case {
        name: board.case,
        about: "the kselftest of pci-epf-test skips what the board lacks, and passes",
        run: kselftest,
    };
    Suite::<Machines> {
        name,
        about,
        cases: boards.iter().map(case).collect(),
    }
}

fn kselftest(machines: &mut Machines, record: &mut Record) -> Result<()> {
    let case = record.case();
    let board = BOARDS.iter().find(|board| board.case == case);
    let board = board.context("the table has no such board")?;
    let link = machines.join(board.profile)?;
    let left_out: Vec<_> = DYNAMIC
        .iter()
        .chain(board.left_out)
        .map(|test| format!("-T {test}"))
        .collect();
    let engine = Engine::of_board(board.profile)?;
    let left_out = left_out.join(" ");
    let parts = upstream::run_on_link(link, upstream::ATTRIBUTES, engine, &left_out)?;
    let result = check(board, engine, &parts);
    record.parts(parts);
    result
}

/// Compares what was skipped with what the board lacks.
fn check(board: &Board, engine: Engine, parts: &[Part]) -> Result<()> {
    for name in REQUIRED.iter().chain(engine.transfers()) {
        let passed = parts
            .iter()
            .any(|part| part.name.contains(name) && part.verdict == Verdict::Passed);
        ensure!(passed, "{name} did not pass");
    }
    let skipped: Vec<_> = parts
        .iter()
        .filter(|part| matches!(part.verdict, Verdict::Skipped(_)))
        .map(|part| part.name.as_str())
        .collect();
    let expected = board.no_bars.iter().map(|bar| format!("BAR{bar}.BAR_TEST"));
    let as_expected = expected.len() == skipped.len()
        && expected
            .clone()
            .all(|test| skipped.iter().any(|name| name.contains(&test)));
    ensure!(
        as_expected,
        "the board lacks {:?}, skipped were {skipped:?}",
        expected.collect::<Vec<_>>()
    );
    Ok(())
}
