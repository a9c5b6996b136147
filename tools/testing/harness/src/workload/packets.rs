// SPDX-License-Identifier: GPL-2.0
//! How many packets a network link carries, and how fast one is answered.
//!
//! Packets are counted where they arrive, by the kernel, whatever the sender says.

use anyhow::{ensure, Result};

use super::disk::Achieved;
use super::network::{self, Direction, Node};
use super::Ends;
use crate::guest::Guest;

/// Bytes of Ethernet, IPv4 and UDP headers.
pub const HEADERS: u32 = 14 + 20 + 8;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A TCP stream.
    Stream,
    /// UDP, in frames of so many bytes, as many as can be sent.
    Datagrams(u32),
}

/// Sends for some seconds to the second node, or back from it. Returns the frames that arrived.
pub fn measure(
    ends: &mut impl Ends,
    [driver, backend]: &[Node; 2],
    direction: Direction,
    traffic: Traffic,
    seconds: u32,
) -> Result<Achieved> {
    let options = match traffic {
        Traffic::Stream => format!("-t {seconds}"),
        Traffic::Datagrams(bytes) => format!("-t {seconds} -u -b 0 -l {}", bytes - HEADERS),
    };
    let before = arrived(ends, [driver, backend], direction)?;
    backend.serve(ends.backend())?;
    let received = network::iperf(ends.driver(), driver, backend, direction, &options)?;
    backend.stop_serving(ends.backend())?;
    let operations = arrived(ends, [driver, backend], direction)? - before;
    Ok(Achieved {
        operations,
        per_second: operations as f64 / received.seconds,
    })
}

/// Frames that have arrived where this direction leads.
fn arrived(
    ends: &mut impl Ends,
    [driver, backend]: [&Node; 2],
    direction: Direction,
) -> Result<u64> {
    let (guest, node) = match direction {
        Direction::Away => (ends.backend(), backend),
        Direction::Back => (ends.driver(), driver),
    };
    let file = format!("/sys/class/net/{}/statistics/rx_packets", node.device);
    Ok(node.run(guest, &format!("cat {file}"))?.parse()?)
}

/// Sends `count` echo requests, each as soon as the one before is answered.
pub fn round_trips(guest: &mut Guest, from: &Node, to: &Node, count: u32) -> Result<Achieved> {
    let text = from.run(
        guest,
        &format!("ping -n -q -A -c {count} -W 5 {}", to.address),
    )?;
    ensure!(
        text.contains(" 0% packet loss"),
        "echo requests got lost: {text}"
    );
    Ok(Achieved {
        operations: count.into(),
        per_second: 1e3 / network::mean_ms(&text)?,
    })
}
