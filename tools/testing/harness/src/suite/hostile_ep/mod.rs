// SPDX-License-Identifier: GPL-2.0
//! Attacks of an endpoint on the RC's driver: nothing hangs, the kernel log has nothing but what the
//! driver promises to say, and an honest endpoint works afterwards.
//!
//! Each attack is a line of a table: what the endpoint lies about, and what becomes of it.

mod answers;
mod attack;
mod block;
mod identity;
mod in_flight;
mod life;
mod rings;
mod stopping;
mod versions;

use anyhow::Result;

use super::prepared::{Preparation, Prepared};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::link::Link;
use crate::runner::{AnySuite, Bench, Case, Suite};

/// The same machines as those of the suite `link`.
type Machines = Prepared<Unchecked>;

struct Unchecked;

impl Preparation for Unchecked {
    fn prepare(layout: &Layout) -> Result<Link> {
        let mut link = Link::set_up(layout)?;
        if link.rc.kernels().check_mappings() {
            do_not_check_mappings(&mut link.rc)?;
        }
        Ok(link)
    }
}

/// Has the kernel report wrong uses of DMA mappings by no driver but one that there is not: virtio_net
/// synchronises as many bytes of a buffer as the device says that it used, before it checks.
fn do_not_check_mappings(rc: &mut Guest) -> Result<()> {
    rc.sh("echo nobody >/sys/kernel/debug/dma-api/driver_filter")
        .map(drop)
}

/// The suite with its cases; the attacks are their parts.
pub fn suite() -> impl AnySuite {
    Suite::<Machines> {
        name: "hostile_ep",
        about: "an endpoint that lies, in front of a stock Debian root complex",
        cases: vec![
            Case {
                name: "identity",
                about: "registers that are not legal are refused, and the driver says why",
                run: identity::run,
            },
            Case {
                name: "versions",
                about: "another major version is refused, a newer minor one works",
                run: versions::run,
            },
            Case {
                name: "answers",
                about: "commands are not answered, too late, too early, for others, with nonsense",
                run: answers::run,
            },
            Case {
                name: "life",
                about:
                    "sessions, heartbeats, status, config space and interrupts of a device in use",
                run: life::run,
            },
            Case {
                name: "rings",
                about: "used rings and frames of a network device that no device may write",
                run: rings::run,
            },
            Case {
                name: "block",
                about: "a disk that answers nonsense, changes its size, and holds on to requests",
                run: block::run,
            },
        ],
    }
}
