// SPDX-License-Identifier: GPL-2.0
//! Several pairs of queues of a network device: that they are used, and change under traffic.

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::network::{self, Node};
use super::Ends;
use crate::commands::vdpa::VdpaDevice;
use crate::guest::Guest;

/// How many TCP streams are sent at once, each way: enough that their hashes are not all alike.
const STREAMS: u32 = 16;

/// For a transfer that changes meanwhile.
const TRANSFER_BOUND: Duration = Duration::from_secs(120);

/// The address that a driver of fewer pairs chooses.
pub const CHOSEN_MAC: &str = "02:00:00:00:00:55";

/// File that is there as long as the pairs are to be changed.
const CHANGER: &str = "/run/pairs.changing";
/// Seconds between two changes: what waits in a queue is dropped with it, and TCP needs time to go on.
const PAUSE: &str = "0.3";
/// File with a line for each change.
const CHANGES: &str = "/run/pairs.log";

/// How often the receive queues of some pairs told the driver of frames, and the driver the transmit queues.
struct Told {
    received: Vec<u64>,
    sent: Vec<u64>,
}

impl Told {
    fn read(guest: &mut Guest, vdpa: &VdpaDevice, pairs: u16) -> Result<Self> {
        let mut told = Self {
            received: Vec::new(),
            sent: Vec::new(),
        };
        for pair in 0..pairs {
            let [_, callbacks] = vdpa.counts(guest, 2 * pair)?;
            let [kicks, _] = vdpa.counts(guest, 2 * pair + 1)?;
            told.received.push(callbacks);
            told.sent.push(kicks);
        }
        Ok(told)
    }

    fn since(&self, before: &Self) -> Self {
        let less = |now: &[u64], before: &[u64]| {
            let pairs = now.iter().zip(before);
            pairs.map(|(now, before)| now - before).collect()
        };
        Self {
            received: less(&self.received, &before.received),
            sent: less(&self.sent, &before.sent),
        }
    }
}

/// Sends streams both ways by so many pairs, which are in use, and sees that each carries something. Returns
/// what was seen, in words.
pub fn spread(
    ends: &mut impl Ends,
    vdpa: &VdpaDevice,
    driver: &Node,
    backend: &Node,
    pairs: u16,
) -> Result<String> {
    let before = Told::read(ends.driver(), vdpa, pairs)?;
    network::streams(ends, driver, backend, STREAMS)?;
    let Told { received, sent } = Told::read(ends.driver(), vdpa, pairs)?.since(&before);
    let used = |counts: &[u64]| counts.iter().filter(|count| **count > 0).count();
    ensure!(
        used(&received) == usize::from(pairs),
        "expected that each queue received frames, its callbacks are {received:?}"
    );
    // The driver's kernel gives each processor queues of its own.
    ensure!(
        used(&sent) >= usize::from(pairs.min(2)),
        "expected that several queues sent frames, their kicks are {sent:?}"
    );
    Ok(format!(
        "callbacks of receive queues {received:?}, kicks of transmit queues {sent:?}"
    ))
}

/// Changes the number of pairs between 1 and `max` again and again while streams are sent, each of which
/// must get through. Returns how often.
pub fn change_under_traffic(
    ends: &mut impl Ends,
    driver: &Node,
    backend: &Node,
    max: u16,
) -> Result<usize> {
    start_changing(ends.driver(), driver, max)?;
    network::streams(ends, driver, backend, STREAMS)?;
    let changes = stop_changing(ends.driver())?;
    ensure!(changes > 2, "expected several changes, got {changes}");
    use_pairs(ends.driver(), driver, max)?;
    Ok(changes)
}

fn start_changing(guest: &mut Guest, driver: &Node, max: u16) -> Result<()> {
    let set = format!("ethtool -L {} combined", driver.device);
    guest
        .sh(&format!(
            "rm -f {CHANGES}; touch {CHANGER}
             (while [ -e {CHANGER} ]; do
                  {set} 1 && sleep {PAUSE} && {set} {max} && echo >>{CHANGES} && sleep {PAUSE} || exit 1
              done; echo done >>{CHANGES}) >/dev/null 2>&1 &"
        ))
        .map(drop)
}

fn stop_changing(guest: &mut Guest) -> Result<usize> {
    guest.sh(&format!("rm {CHANGER}"))?;
    guest.wait_until(TRANSFER_BOUND, &format!("grep -q done {CHANGES}"))?;
    Ok(guest.sh(&format!("grep -c '^$' {CHANGES}"))?.parse()?)
}

/// Has the driver use so many pairs.
pub fn use_pairs(guest: &mut Guest, driver: &Node, pairs: u16) -> Result<()> {
    guest
        .sh(&format!("ethtool -L {} combined {pairs}", driver.device))
        .map(drop)
}

/// Sees that the driver has so many pairs at the most and can use them, and that its commands arrive: it
/// chooses [`CHOSEN_MAC`] for itself. Returns what was seen, in words.
pub fn use_fewer(
    ends: &mut impl Ends,
    vdpa: &VdpaDevice,
    driver: &Node,
    backend: &Node,
    pairs: u16,
) -> Result<String> {
    let found = max_pairs(ends.driver(), driver)?;
    ensure!(
        found == pairs,
        "expected at most {pairs} pairs, the driver has {found}"
    );
    use_pairs(ends.driver(), driver, pairs)?;
    let seen = spread(ends, vdpa, driver, backend, pairs)?;
    let set = format!("ip link set {} address {CHOSEN_MAC}", driver.device);
    ends.driver().sh(&set)?;
    Ok(format!("{pairs} pairs: {seen}"))
}

/// The most pairs that the driver can use.
fn max_pairs(guest: &mut Guest, driver: &Node) -> Result<u16> {
    let text = guest.sh(&format!("ethtool -l {}", driver.device))?;
    let line = text.lines().find(|line| line.starts_with("Combined:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.with_context(|| format!("no number of pairs in '{text}'"))
}
