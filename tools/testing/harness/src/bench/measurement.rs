// SPDX-License-Identifier: GPL-2.0
//! Measures one load, or counts one kind of transfer, on machines that run.

use anyhow::{bail, ensure, Context, Result};
use epc_emulator::traffic::Report;
use serde::Serialize;

use super::machines::Machines;
use super::peers::DISK_MIB;
use super::plan::{Plan, Timed, Transfer, What, SEGMENT, TRANSFERS};
use crate::guest::Guest;
use crate::workload::network::{self, Direction, Node};
use crate::workload::{disk, packets, Ends};

/// Ticks of a second in `/proc/stat`.
const TICKS: f64 = 100.0;

/// The device of a peer, as the RC has it.
pub enum Device {
    /// Path of a disk.
    Disk(String),
    /// Nodes on the RC and on the EP.
    Network([Node; 2]),
}

/// Several runs of the same.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

/// What a load achieved, and what it took.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// Requests, frames or round trips in a second.
    pub per_second: Spread,
    /// Time of the RC's processors for each of them, in microseconds.
    pub rc_us: Spread,
    /// The same of the EP's, where there is one.
    pub ep_us: Option<Spread>,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Result<Self> {
        ensure!(!values.is_empty(), "no run was made");
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        Ok(Self {
            median: (values[last / 2] + values[values.len() / 2]) / 2.0,
            least: values[0],
            most: values[last],
        })
    }
}

/// One run.
struct Run {
    per_second: f64,
    rc_us: f64,
    ep_us: Option<f64>,
}

/// Runs a load as often as the plan has it.
pub fn time(machines: &mut Machines, device: &Device, load: Timed, plan: Plan) -> Result<Timing> {
    let runs = (0..plan.runs)
        .map(|_| run(machines, device, load, plan))
        .collect::<Result<Vec<_>>>()?;
    let of = |value: fn(&Run) -> f64| Spread::of(runs.iter().map(value).collect());
    let ep_us: Option<Vec<f64>> = runs.iter().map(|run| run.ep_us).collect();
    Ok(Timing {
        per_second: of(|run| run.per_second)?,
        rc_us: of(|run| run.rc_us)?,
        ep_us: ep_us.map(Spread::of).transpose()?,
    })
}

fn run(machines: &mut Machines, device: &Device, load: Timed, plan: Plan) -> Result<Run> {
    let before = busy(machines)?;
    let achieved = match (load, device) {
        (Timed::Disk(load), Device::Disk(path)) => {
            disk::measure(machines.driver(), path, DISK_MIB, &load, plan.seconds)?
        }
        (Timed::Network(direction, traffic), Device::Network(nodes)) => {
            packets::measure(machines, nodes, direction, traffic, plan.seconds)?
        }
        (Timed::RoundTrips, Device::Network([rc, ep])) => {
            packets::round_trips(machines.driver(), rc, ep, plan.round_trips)?
        }
        _ => bail!("'{}' is not for this device", load.name()),
    };
    let after = busy(machines)?;
    let each = |before: f64, after: f64| (after - before) * 1e6 / achieved.operations as f64;
    Ok(Run {
        per_second: achieved.per_second,
        rc_us: each(before.0, after.0),
        ep_us: before
            .1
            .zip(after.1)
            .map(|(before, after)| each(before, after)),
    })
}

/// Seconds for which the processors of the RC were busy, and those of the EP.
fn busy(machines: &mut Machines) -> Result<(f64, Option<f64>)> {
    let rc = busy_of(machines.driver())?;
    Ok((rc, machines.endpoint().map(busy_of).transpose()?))
}

/// All but idle time and waits for disks.
fn busy_of(guest: &mut Guest) -> Result<f64> {
    let told = guest.sh("awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat")?;
    let ticks: f64 = told
        .parse()
        .with_context(|| format!("no time in '{told}'"))?;
    Ok(ticks / TICKS)
}

/// Makes [`TRANSFERS`] transfers, and returns what crossed the link.
pub fn count(machines: &mut Machines, device: &Device, transfer: Transfer) -> Result<Report> {
    let link = machines.link()?;
    if let (Device::Network([_, ep]), What::RoundTrip) = (device, transfer.what) {
        ep.answer_echoes(&mut link.ep)?;
    }
    link.take_traffic()?;
    match (device, transfer.what) {
        (Device::Disk(path), what) => {
            let mode = if what == What::Read { "read" } else { "write" };
            disk::transfer(&mut link.rc, path, mode, transfer.batch, TRANSFERS)?;
        }
        (Device::Network([rc, ep]), What::StreamToEp) => {
            network::stream(link, [rc, ep], Direction::Away, TRANSFERS * SEGMENT)?;
        }
        (Device::Network([rc, ep]), What::StreamToRc) => {
            network::stream(link, [rc, ep], Direction::Back, TRANSFERS * SEGMENT)?;
        }
        (Device::Network([rc, ep]), What::RoundTrip) => {
            packets::round_trips(&mut link.rc, rc, ep, TRANSFERS)?;
        }
        (Device::Network([rc, ep]), what) => {
            let (from_rc, at_ep) = ((&mut link.rc, rc), (&mut link.ep, ep));
            let (from, to) = match what {
                What::ToRc => (at_ep, from_rc),
                _ => (from_rc, at_ep),
            };
            network::send_frames(from, to, TRANSFERS, transfer.batch)?;
        }
    }
    link.take_traffic()
}

#[cfg(test)]
mod tests {
    use super::Spread;

    fn spread(values: &[f64]) -> (f64, f64, f64) {
        let spread = Spread::of(values.to_vec()).expect("runs");
        (spread.least, spread.median, spread.most)
    }

    #[test]
    fn median_is_in_the_middle() {
        assert_eq!(spread(&[7.0]), (7.0, 7.0, 7.0));
        assert_eq!(spread(&[4.0, 1.0]), (1.0, 2.5, 4.0));
        assert_eq!(spread(&[9.0, 1.0, 2.0]), (1.0, 2.0, 9.0));
    }

    #[test]
    fn no_run_has_no_median() {
        assert!(Spread::of(Vec::new()).is_err());
    }
}
