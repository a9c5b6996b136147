// SPDX-License-Identifier: GPL-2.0
//! Checksums and segments that one side of a network link leaves to the other: who does, and that data passes
//! as it is.

use std::fmt;
use std::time::Duration;

use anyhow::{ensure, Result};
use virtio::net::{features, offloads};

use super::network::{self, Direction, Node};
use super::Ends;
use crate::guest::Guest;

/// All features of a network device that have to do with it.
pub const FEATURES: u64 = offloads::HOST | offloads::GUEST | features::CTRL_GUEST_OFFLOADS;

/// Those of them that there are with queues that are pushed to an endpoint without a DMA engine.
pub const PUSHED_FEATURES: u64 = FEATURES & !offloads::HOST_SEGMENTS;

/// For the kernel to follow what was negotiated.
const FOLLOWING: Duration = Duration::from_secs(20);

/// The longest frame that is not segmented, in bytes, at an MTU of 1500.
const FRAME: f64 = 1514.0;

/// Directory with the file that is sent.
const SENT: &str = "/run/sent";
/// MiB of it.
const MIB: u32 = 8;
/// Port where it is to be had.
const PORT: u16 = 5202;

/// Which side of a link segments what it sends itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Whether the driver leaves it to the backend.
    pub by_driver: bool,
    /// Whether the backend leaves it to the driver.
    pub by_backend: bool,
}

/// Each does it itself.
pub const NEITHER: Left = Left {
    by_driver: false,
    by_backend: false,
};

/// Mean lengths of the frames of a TCP stream, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    to_backend: f64,
    to_driver: f64,
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "frames of {:.0} bytes to the backend, of {:.0} to the driver",
            self.to_backend, self.to_driver
        )
    }
}

/// Waits until both kernels say that they leave segments to the other side, or not; then sends both ways: data
/// that has to arrive as it is, and streams, whose frames are larger than the MTU if segments are left undone.
/// Returns how long they were.
pub fn expect(ends: &mut impl Ends, driver: &Node, backend: &Node, left: Left) -> Result<Lengths> {
    shows(ends.driver(), driver, left.by_driver)?;
    shows(ends.backend(), backend, left.by_backend)?;
    carry_intact(ends, driver, backend)?;
    let lengths = Lengths {
        to_backend: frame_length(ends, driver, backend, Direction::Away)?,
        to_driver: frame_length(ends, driver, backend, Direction::Back)?,
    };
    for (length, is_left) in [
        (lengths.to_backend, left.by_driver),
        (lengths.to_driver, left.by_backend),
    ] {
        ensure!(
            (length > FRAME) == is_left,
            "expected {left:?}, sent {lengths}"
        );
    }
    Ok(lengths)
}

/// Sends segments to a driver with these features, and back if they let it; then the driver takes none for a while,
/// by its control queue. Returns what was seen, in words.
pub fn change(
    ends: &mut impl Ends,
    driver: &Node,
    backend: &Node,
    negotiated: u64,
) -> Result<String> {
    let left = Left {
        by_driver: negotiated & features::HOST_TSO4 != 0,
        by_backend: true,
    };
    let both = expect(ends, driver, backend, left)?;
    receive_segments(ends.driver(), driver, false)?;
    let none_to_driver = Left {
        by_backend: false,
        ..left
    };
    let one = expect(ends, driver, backend, none_to_driver)?;
    receive_segments(ends.driver(), driver, true)?;
    shows(ends.backend(), backend, true)?;
    Ok(format!("{both}; while the driver takes none, {one}"))
}

/// Fails unless a driver found just these of them.
pub fn expect_offered(features: u64, expected: u64) -> Result<()> {
    ensure!(
        features & FEATURES == expected,
        "expected offloads {expected:#x} among the features, the driver has {features:#x}"
    );
    Ok(())
}

/// Has the driver take no segments larger than the MTU, by its control queue, and take them again.
fn receive_segments(guest: &mut Guest, driver: &Node, is_on: bool) -> Result<()> {
    let state = if is_on { "on" } else { "off" };
    let command = format!("ethtool -K {} rx-gro-hw {state}", driver.device);
    driver.run(guest, &command).map(drop)
}

/// Waits until a network device leaves segments of TCP to the other side, or not.
fn shows(guest: &mut Guest, node: &Node, is_left: bool) -> Result<()> {
    let state = if is_left { "on" } else { "off" };
    let shown = format!(
        "ethtool -k {} | grep -q \"^tcp-segmentation-offload: {state}\"",
        node.device
    );
    let wait = format!("until {shown}; do sleep 0.05; done");
    let bound = FOLLOWING.as_secs();
    node.run(guest, &format!("timeout {bound} sh -c '{wait}'"))
        .map(drop)
}

/// Sends a file each way, which has to be the same on the other side; returns how many MiB it has.
pub fn carry_intact(ends: &mut impl Ends, driver: &Node, backend: &Node) -> Result<u32> {
    let sent = offer(ends.driver(), driver)?;
    let found = fetch(ends.backend(), backend, driver)?;
    withdraw(ends.driver(), driver)?;
    ensure!(found == sent, "the backend got other data than was sent");
    let sent = offer(ends.backend(), backend)?;
    let found = fetch(ends.driver(), driver, backend)?;
    withdraw(ends.backend(), backend)?;
    ensure!(found == sent, "the driver got other data than was sent");
    Ok(MIB)
}

/// Serves a file of random data, once it listens, in state 0A; returns its sum.
fn offer(guest: &mut Guest, node: &Node) -> Result<String> {
    let sum = guest.sh(&format!(
        "set -e; mkdir {SENT}; cd {SENT}
         dd if=/dev/urandom of=data bs=1M count={MIB} 2>/dev/null; sha256sum <data"
    ))?;
    let serve = format!("httpd -f -p {}:{PORT} -h {SENT}", node.address);
    let listens = format!("grep -q \":{PORT:04X} [0-9A-F]*:0000 0A\" /proc/net/tcp*");
    node.run(
        guest,
        &format!(
            "sh -c '{serve} </dev/null >/dev/null 2>&1 & echo $! >{SENT}/pid
             until {listens}; do sleep 0.05; done'"
        ),
    )?;
    Ok(sum)
}

fn withdraw(guest: &mut Guest, node: &Node) -> Result<()> {
    node.run(
        guest,
        &format!("sh -c 'kill $(cat {SENT}/pid) && rm -r {SENT}'"),
    )
    .map(drop)
}

/// The sum of the file that a node serves, as another one gets it.
fn fetch(guest: &mut Guest, to: &Node, from: &Node) -> Result<String> {
    let get = format!("wget -q -O - http://{}:{PORT}/data", from.address);
    to.run(
        guest,
        &format!("sh -c 'set -o pipefail; {get} | sha256sum'"),
    )
}

/// The mean length of the frames of a stream, as the backend's device counts them.
fn frame_length(
    ends: &mut impl Ends,
    driver: &Node,
    backend: &Node,
    direction: Direction,
) -> Result<f64> {
    let before = Counted::read(ends.backend(), backend, direction)?;
    backend.serve(ends.backend())?;
    network::iperf(ends.driver(), driver, backend, direction, "-t 2")?;
    backend.stop_serving(ends.backend())?;
    let after = Counted::read(ends.backend(), backend, direction)?;
    Ok((after.bytes - before.bytes) / (after.frames - before.frames))
}

/// What a device of the backend has carried in one direction.
struct Counted {
    bytes: f64,
    frames: f64,
}

impl Counted {
    fn read(guest: &mut Guest, backend: &Node, direction: Direction) -> Result<Self> {
        let side = match direction {
            Direction::Away => "rx",
            Direction::Back => "tx",
        };
        let mut count = |what: &str| {
            let file = format!("{side}_{what}");
            let text = backend.run(
                guest,
                &format!("cat /sys/class/net/{}/statistics/{file}", backend.device),
            )?;
            anyhow::Ok(text.parse()?)
        };
        Ok(Self {
            bytes: count("bytes")?,
            frames: count("packets")?,
        })
    }
}
