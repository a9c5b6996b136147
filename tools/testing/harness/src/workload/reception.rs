// SPDX-License-Identifier: GPL-2.0
//! Which frames of the backend the driver receives: its address, its tables, its modes.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::network::{self, Node};
use super::Ends;
use crate::guest::Guest;

/// An address that the driver has later.
const OTHER: &str = "02:00:00:00:00:66";
/// An address that it never has.
const STRANGER: &str = "02:00:00:00:00:99";
/// A group that it joins.
const GROUP: &str = "01:00:5e:00:00:42";
/// A group that it does not join.
const OTHER_GROUP: &str = "01:00:5e:00:00:43";

/// How many frames are sent to an address at a time.
const FRAMES: u32 = 4;

/// For the driver to tell the device what it has been told: it does so by a work item.
const SETTLE_BOUND: Duration = Duration::from_secs(20);

/// Has the driver change what it receives, and sees that the backend sends it that, and nothing else.
///
/// `shown` tells the address that the backend knows the driver by.
pub fn follows_the_driver<E: Ends>(
    ends: &mut E,
    driver: &Node,
    backend: &Node,
    mut shown: impl FnMut(&mut E) -> Result<String>,
) -> Result<()> {
    network::acquaint(ends, driver, backend)?;
    let own = shown(ends)?;
    let device = &driver.device;
    let steps: [(String, &[(&str, bool)]); 7] = [
        (
            format!("ip link set {device} promisc off"),
            &[(&own, true), (STRANGER, false), (GROUP, false)],
        ),
        (
            format!("ip link set {device} promisc on"),
            &[(STRANGER, true), (OTHER_GROUP, true)],
        ),
        (
            format!("ip link set {device} promisc off"),
            &[(&own, true), (STRANGER, false), (OTHER_GROUP, false)],
        ),
        (
            format!("ip maddr add {GROUP} dev {device}"),
            &[(GROUP, true), (OTHER_GROUP, false), (STRANGER, false)],
        ),
        (
            format!("ip link set {device} allmulticast on"),
            &[(OTHER_GROUP, true), (STRANGER, false)],
        ),
        (
            format!("ip maddr del {GROUP} dev {device}; ip link set {device} allmulticast off"),
            &[(GROUP, false), (OTHER_GROUP, false), (&own, true)],
        ),
        (
            format!("ip link set {device} address {OTHER}"),
            &[(OTHER, true), (&own, false)],
        ),
    ];
    for (command, expected) in steps {
        ends.driver().sh(&command)?;
        for (address, passes) in expected {
            expect(ends, driver, backend, address, *passes)
                .map_err(|error| error.context(format!("after '{command}'")))?;
        }
    }
    let found = shown(ends)?;
    ensure!(
        found == OTHER,
        "expected that the backend shows {OTHER}, found '{found}'"
    );
    ends.driver()
        .sh(&format!("ip link set {device} address {own}"))?;
    expect(ends, driver, backend, &own, true)
}

/// Sends frames to an address until it is as expected, which must be soon.
fn expect(
    ends: &mut impl Ends,
    driver: &Node,
    backend: &Node,
    address: &str,
    passes: bool,
) -> Result<()> {
    let end = Instant::now() + SETTLE_BOUND;
    loop {
        let arrived = send_to(ends, driver, backend, address)?;
        if arrived == if passes { FRAMES } else { 0 } {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "{arrived} of {FRAMES} frames to {address} arrived, expected all: {passes}"
        );
    }
}

/// Sends frames to an address, and returns how many arrived before an echo request that came behind them.
fn send_to(ends: &mut impl Ends, driver: &Node, backend: &Node, address: &str) -> Result<u32> {
    let own = driver.hardware(ends.driver())?;
    let before = received(ends.driver(), driver)?;
    let lost = |passes: bool| if passes { "" } else { "; [ $? -le 1 ]" };
    for (to, count, is_answered) in [(address, FRAMES, false), (&own, 1, true)] {
        backend.learn(ends.backend(), driver, to)?;
        let ping = format!("ping -n -q -c {count} -i 0.01 -W 1 {}", driver.address);
        let script = format!("sh -c '{ping}{}'", lost(is_answered));
        backend.run(ends.backend(), &script)?;
    }
    let arrived = received(ends.driver(), driver)? - before;
    Ok(arrived.saturating_sub(1))
}

fn received(guest: &mut Guest, driver: &Node) -> Result<u32> {
    let counter = format!("/sys/class/net/{}/statistics/rx_packets", driver.device);
    Ok(guest.sh(&format!("cat {counter}"))?.parse()?)
}
