// SPDX-License-Identifier: GPL-2.0
//! What uses a bridge.

use anyhow::Result;

use super::Machines;
use crate::commands::ntb::{self, End, PERF, PINGPONG, TRANSPORT};
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::workload::network;

/// Rounds of doorbells that each side has to see.
const ROUNDS: u32 = 10;

/// Powers of two of the bytes that `ntb_perf` writes. Those of the RC are trapped, four bytes at a time.
const ORDER_OF_EP: u32 = 26;
const ORDER_OF_RC: u32 = 17;

/// MTU of other network devices; that of `ntb_netdev`, almost 64 KiB, takes the RC half a second a frame.
const MTU: u32 = 1500;

/// `ntb_perf` comes last, since it leaves in the scratchpads what others would take for theirs.
pub fn cases<const POLLED: bool>() -> Vec<Case<Machines<POLLED>>> {
    vec![
        Case {
            name: "ntb_netdev",
            about: "echo requests and TCP streams pass both ways, over ntb_transport",
            run: |machines, record| ntb_netdev(&mut machines.link, record),
        },
        Case {
            name: "ntb_pingpong",
            about: "each side answers the doorbell of the other one, over and over",
            run: |machines, _| ntb_pingpong(&mut machines.link),
        },
        Case {
            name: "ntb_perf",
            about: "each side writes into memory of the other one, as fast as it can",
            run: |machines, record| ntb_perf(&mut machines.link, record),
        },
    ]
}

fn ntb_pingpong(link: &mut Link) -> Result<()> {
    let parameters = |_| "delay_ms=20".to_owned();
    PINGPONG.with_parameters(link, parameters, |link| {
        for end in [End::Ep, End::Rc] {
            PINGPONG.wait_until(link, end, &format!("[ $(cat count) -ge {ROUNDS} ]"))?;
        }
        Ok(())
    })
}

fn ntb_perf(link: &mut Link, record: &mut Record) -> Result<()> {
    let parameters = |end| {
        let order = match end {
            End::Ep => ORDER_OF_EP,
            End::Rc => ORDER_OF_RC,
        };
        format!("total_order={order} chunk_order=14")
    };
    PERF.with_parameters(link, parameters, |link| {
        for end in [End::Ep, End::Rc] {
            let rate = ntb::measure(link, end)?;
            record.note(format!("{end:?} writes {rate:.2} MiB/s"));
        }
        Ok(())
    })
}

fn ntb_netdev(link: &mut Link, record: &mut Record) -> Result<()> {
    TRANSPORT.with(link, |link| {
        let [rc, ep] = ntb::network_nodes(link, MTU)?;
        let [to_ep, to_rc] = network::exchange(link, &rc, &ep)?;
        record.note(format!("RC to EP: {to_ep}"));
        record.note(format!("EP to RC: {to_rc}"));
        Ok(())
    })
}
