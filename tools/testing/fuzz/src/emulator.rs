// SPDX-License-Identifier: GPL-2.0
//! Any two guests against the PCI endpoint emulator: messages on both vfio-user sockets, well formed or not,
//! that write registers, configuration spaces, BARs and windows, start transfers, and give memory and take
//! it away.
//!
//! Checked: no panic; a request that wants a reply gets one of its own number, and no other; the status
//! register is one that the driver knows.

mod guest;
mod message;
mod peer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use epc_emulator::controller::Controller;
use epc_emulator::endpoint::Endpoint;
use epc_emulator::fabric::{Fabric, Settings, WindowMode};
use epc_emulator::link::LinkHandle;
use epc_emulator::profile::{Profile, BUILTIN};
use epc_emulator::trace::Trace;

use crate::tape::Tape;

use self::peer::Peer;

/// Most steps of one run; longer ones find nothing new.
const STEPS: usize = 48;

/// Functions that the RC uses at most: more find nothing new.
const FUNCTIONS: usize = 2;

/// Messages of all runs of this process, which executions do not tell.
static MESSAGES: AtomicU64 = AtomicU64::new(0);

/// Messages between two reports of their number.
const REPORT: u64 = 1_000_000;

/// Plays the two guests that the bytes describe.
pub fn run(bytes: &[u8]) {
    let tape = Tape::new(bytes);
    peer::clear_memory();
    let fabric = Fabric::new(settings(&tape), Trace::off());
    let endpoint = Arc::new(Endpoint::new(&fabric));
    let (link, _inputs) = LinkHandle::new();
    let controller = Arc::new(Controller::new(fabric.clone(), Arc::clone(&endpoint), link));
    let mut ep = Peer::new(controller);
    let functions = endpoint.functions().iter().take(FUNCTIONS);
    let mut rcs: Vec<_> = functions
        .map(|one| Peer::new(Arc::clone(one) as Arc<_>))
        .collect();
    for _ in 0..STEPS {
        if tape.is_over() {
            break;
        }
        match tape.below(8) {
            0 => drop(endpoint.attached()),
            1..=4 => guest::endpoint_step(&tape, &mut ep),
            5 if rcs.len() > 1 => guest::root_complex_step(&tape, &mut rcs[1]),
            _ => guest::root_complex_step(&tape, &mut rcs[0]),
        }
        if tape.once_in(2) {
            fabric.dma.run_waiting();
        }
    }
    count(ep.sent + rcs.iter().map(|rc| rc.sent).sum::<u64>());
}

/// A board; its window and its BARs are trapped, as there is no monitor that maps anything.
fn settings(tape: &Tape<'_>) -> Settings {
    let board = BUILTIN[tape.below(BUILTIN.len() as u32) as usize];
    Settings {
        profile: Profile::load(board.name).expect("profile of the program"),
        window_mode: WindowMode::Trapped,
        trap_bars: tape.once_in(2),
    }
}

fn count(sent: u64) {
    let before = MESSAGES.fetch_add(sent, Ordering::Relaxed);
    if (before + sent) / REPORT > before / REPORT {
        eprintln!("messages: {}", before + sent);
    }
}
