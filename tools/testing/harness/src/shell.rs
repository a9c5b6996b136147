// SPDX-License-Identifier: GPL-2.0
//! Machines to try things on: runs each line of standard input on the side it names.

use std::io::{self, BufRead};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};

/// For one line; long enough for any workload, so that a guest that hangs still comes to an end.
const LINE_BOUND: Duration = Duration::from_secs(600);

/// What to boot.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Machines {
    /// The endpoint alone
    Ep,
    /// The root complex alone
    Rc,
    /// Both, with the emulator between them
    Link,
    /// The same, with a root complex of arm64
    LinkArm64,
}

/// Boots and serves until the input ends.
pub fn run(layout: &Layout, machines: Machines) -> Result<()> {
    match machines {
        Machines::Ep => serve(&mut [&mut Guest::boot(layout, Model::EP)?]),
        Machines::Rc => serve(&mut [&mut Guest::boot(layout, Model::RC)?]),
        Machines::Link => serve_link(layout, Model::RC),
        Machines::LinkArm64 => serve_link(layout, Model::RC_ARM64),
    }
}

fn serve_link(layout: &Layout, rc: Model) -> Result<()> {
    let mut link = Link::boot(layout, rc, Bars::Mapped)?;
    serve(&mut [&mut link.ep, &mut link.rc])
}

fn serve(guests: &mut [&mut Guest]) -> Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (side, script) = line.split_once(' ').unwrap_or((&line, ""));
        let guest = guests
            .iter_mut()
            .find(|guest| guest.side().name() == side)
            .with_context(|| format!("no machine '{side}' here; begin each line with its name"))?;
        guest.rest_of_log()?;
        match guest.try_sh_within(LINE_BOUND, script) {
            Ok(output) => {
                print!("{}", String::from_utf8_lossy(&output.bytes));
                println!("[{}: status {}]", guest.side(), output.status);
            }
            Err(error) => println!("{error:#}"),
        }
        for line in guest.rest_of_log()? {
            println!("{}: {line}", guest.side());
        }
    }
    Ok(())
}
