// SPDX-License-Identifier: GPL-2.0
//! The registers of a bridge by `ntb_tool`, in the steps of the kernel's ntb_test.sh
//! (tools/testing/selftests/ntb), which drives the other machine by ssh. There are no message registers.

use anyhow::{ensure, Context, Result};

use super::Machines;
use crate::commands::ntb::{End, DOORBELLS, SCRATCHPADS, TOOL, WINDOW_SIZE};
use crate::link::Link;
use crate::runner::Case;

/// How much of a window is compared. The RC reads it by traps.
const COMPARED: u32 = 64 << 10;

pub fn cases<const POLLED: bool>() -> Vec<Case<Machines<POLLED>>> {
    vec![
        Case {
            name: "link_of_the_bridge",
            about: "the RC takes the link of the bridge down and up, and both sides see it",
            run: |machines, _| with_tool(&mut machines.link, link_of_the_bridge),
        },
        Case {
            name: "doorbells",
            about: "each doorbell of each side rings at the other one",
            run: |machines, _| {
                with_tool(&mut machines.link, |link| {
                    doorbells(link, End::Ep, Rung::TheOne)?;
                    let at_ep = if POLLED { Rung::TheOne } else { Rung::All };
                    doorbells(link, End::Rc, at_ep)
                })
            },
        },
        Case {
            name: "scratchpads",
            about: "what one side writes into each scratchpad, the other one reads",
            run: |machines, _| {
                with_tool(&mut machines.link, |link| {
                    scratchpads(link, End::Ep)?;
                    scratchpads(link, End::Rc)
                })
            },
        },
        Case {
            name: "memory_windows",
            about: "each side reads and writes memory of the other one through its window",
            run: |machines, _| {
                with_tool(&mut machines.link, |link| {
                    memory_window(link, End::Ep)?;
                    memory_window(link, End::Rc)
                })
            },
        },
    ]
}

fn with_tool(link: &mut Link, run: impl FnOnce(&mut Link) -> Result<()>) -> Result<()> {
    TOOL.with(link, |link| {
        set_link(link, "Y")?;
        run(link)?;
        set_link(link, "N")
    })
}

fn set_link(link: &mut Link, state: &str) -> Result<()> {
    TOOL.sh(link, End::Rc, &format!("echo {state} >link"))?;
    for end in [End::Rc, End::Ep] {
        TOOL.wait_until(link, end, &format!("[ $(cat peer0/link) = {state} ]"))?;
    }
    Ok(())
}

fn link_of_the_bridge(link: &mut Link) -> Result<()> {
    set_link(link, "N")?;
    set_link(link, "Y")
}

/// What a side is told of by one ring.
#[derive(Clone, Copy)]
enum Rung {
    /// The doorbell that rang.
    TheOne,
    /// All doorbells there are.
    All,
}

/// Rings all doorbells from a side, one after the other.
fn doorbells(link: &mut Link, from: End, rung: Rung) -> Result<()> {
    let all = (1u64 << DOORBELLS) - 1;
    for end in [from, from.peer()] {
        let valid = number(&TOOL.sh(link, end, "cat db_valid_mask")?)?;
        ensure!(
            valid == all,
            "{end:?}: expected doorbells {all:#x}, got {valid:#x}"
        );
    }
    let to = from.peer();
    TOOL.sh(link, to, &format!("echo c {all:#x} >db"))?;
    let mut expected = 0;
    for doorbell in 0..DOORBELLS {
        let bit = 1u64 << doorbell;
        expected |= match rung {
            Rung::TheOne => bit,
            Rung::All => all,
        };
        TOOL.sh(link, from, &format!("echo s {bit:#x} >peer_db"))?;
        let told = format!("[ $(($(cat db))) -eq {expected} ]");
        TOOL.wait_until(link, to, &told)
            .with_context(|| format!("doorbell {doorbell} was rung"))?;
    }
    TOOL.sh(link, to, &format!("echo c {all:#x} >db"))?;
    let left = number(&TOOL.sh(link, to, "cat db")?)?;
    ensure!(
        left == 0,
        "{to:?}: {left:#x} is left after all were cleared"
    );
    Ok(())
}

/// Writes the peer's scratchpads from a side, then has them as other clients expect them.
fn scratchpads(link: &mut Link, from: End) -> Result<()> {
    let salt = match from {
        End::Ep => 0xe000_0000,
        End::Rc => 0x1000_0000,
    };
    write_scratchpads(link, from, salt, 0x1_0001)?;
    write_scratchpads(link, from, 0, 0)
}

/// Writes `base + i * step` into scratchpad `i` of the peer, and compares what that reads.
fn write_scratchpads(link: &mut Link, from: End, base: u32, step: u32) -> Result<()> {
    let each = format!("for i in $(seq 0 {})", SCRATCHPADS - 1);
    let value = format!("$(({base} + i * {step}))");
    let write = format!("{each}; do echo {value} >peer0/spad$i || exit 1; done");
    TOOL.sh(link, from, &write)?;
    let read = format!("{each}; do cat spad$i || exit 1; done");
    let told = TOOL.sh(link, from.peer(), &read)?;
    let values = told.lines().map(number).collect::<Result<Vec<_>>>()?;
    let written = (0..SCRATCHPADS).map(|i| u64::from(base + i * step));
    ensure!(
        written.eq(values),
        "{from:?} wrote {base:#x} and so on in steps of {step:#x}, the peer reads {told}"
    );
    Ok(())
}

/// Gives the peer a window onto memory of a side, and compares what both see there.
///
/// `peer_mw_trans0` takes the address in decimal alone, though its document and ntb_test.sh write it in
/// hexadecimal (tool_peer_mw_trans_write()).
fn memory_window(link: &mut Link, of: End) -> Result<()> {
    let peer = of.peer();
    TOOL.sh(link, of, &format!("echo {WINDOW_SIZE} >peer0/mw_trans0"))?;
    let address = "$(awk '/^DMA Address/ { print $3 }' peer0/mw_trans0)";
    let address = TOOL.sh(link, of, &format!("echo $(({address}))"))?;
    TOOL.sh(
        link,
        peer,
        &format!("echo {address}:{WINDOW_SIZE} >peer0/peer_mw_trans0"),
    )?;
    let (memory, window) = ((of, "peer0/mw0"), (peer, "peer0/peer_mw0"));
    for (writer, reader) in [(memory, window), (window, memory)] {
        fill(link, writer)?;
        let (written, seen) = (digest(link, writer)?, digest(link, reader)?);
        ensure!(
            written == seen,
            "window onto memory of {of:?}: {writer:?} wrote what {reader:?} does not read"
        );
    }
    TOOL.sh(
        link,
        peer,
        &format!("echo {address}:0 >peer0/peer_mw_trans0"),
    )?;
    TOOL.sh(link, of, "echo 0 >peer0/mw_trans0").map(drop)
}

fn fill(link: &mut Link, (end, file): (End, &str)) -> Result<()> {
    let script = format!("head -c {COMPARED} /dev/urandom >{file}");
    TOOL.sh(link, end, &script).map(drop)
}

fn digest(link: &mut Link, (end, file): (End, &str)) -> Result<String> {
    TOOL.sh(link, end, &format!("head -c {COMPARED} {file} | md5sum"))
}

/// Returns a number as these files have them, in hexadecimal with 0x.
fn number(text: &str) -> Result<u64> {
    let digits = text.trim().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).with_context(|| format!("no number: '{text}'"))
}
