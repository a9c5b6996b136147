// SPDX-License-Identifier: GPL-2.0
//! Sends over a network link and measures.
//!
//! A node is a network stack: a guest, or a name space of it when both ends are in one guest.

use std::fmt;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use serde::{Deserialize, Serialize};

use super::Ends;
use crate::guest::Guest;

/// How long one transfer of iperf3 takes.
const TRANSFER_SECONDS: u32 = 4;

/// For a transfer with its preparation.
const TRANSFER_BOUND: Duration = Duration::from_secs(60);

/// File with the process number of a server, as long as there is one.
const SERVER: &str = "/run/iperf3.pid";

/// How many echo requests are sent, 10 ms apart.
const PINGS: u32 = 50;

/// Seconds between two frames that are sent alone: more than one takes where each access is trapped.
const FRAME_INTERVAL: &str = "0.05";

/// Bytes that ping may have on their way when it sends a batch. By itself it has room for one frame.
const BATCH_BUFFER: u32 = 1 << 18;

/// Bytes of the longest frame of a link whose MTU is 1500.
const FULL_FRAME: u32 = 1514;

/// Bytes of the headers of Ethernet, IPv4 and an echo request.
const ECHO_HEADERS: u32 = 14 + 20 + 8;

/// One end of a link.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name space; the first one of the guest when empty.
    pub namespace: &'static str,
    /// Network device.
    pub device: String,
    /// Address on the link.
    pub address: &'static str,
}

impl Node {
    /// Runs a command in the stack.
    pub fn run(&self, guest: &mut Guest, command: &str) -> Result<String> {
        self.run_within(TRANSFER_BOUND, guest, command)
    }

    /// The same with another bound.
    fn run_within(&self, bound: Duration, guest: &mut Guest, command: &str) -> Result<String> {
        guest.sh_within(bound, &format!("{}{command}", self.prefix()))
    }

    /// What runs a command where the node is.
    fn prefix(&self) -> String {
        match self.namespace {
            "" => String::new(),
            name => format!("ip netns exec {name} "),
        }
    }

    /// Waits until the kernel knows that all bytes which it sent left the first queue, and returns how many it lets wait
    /// there by now (byte queue limits).
    pub fn byte_limit(&self, guest: &mut Guest) -> Result<u32> {
        let limits = format!(
            "/sys/class/net/{}/queues/tx-0/byte_queue_limits",
            self.device
        );
        let prefix = self.prefix();
        let is_idle = format!("[ $({prefix}cat {limits}/inflight) -eq 0 ]");
        guest.wait_until(TRANSFER_BOUND, &is_idle)?;
        Ok(self.run(guest, &format!("cat {limits}/limit"))?.parse()?)
    }

    /// Gives the device its address and switches it on.
    pub fn set_up(&self, guest: &mut Guest) -> Result<()> {
        self.enter(guest)?;
        self.switch_on(guest)
    }

    /// Makes the name space and puts the device into it.
    fn enter(&self, guest: &mut Guest) -> Result<()> {
        if !self.namespace.is_empty() {
            let (namespace, device) = (self.namespace, &self.device);
            guest.sh(&format!(
                "ip netns add {namespace} && ip link set {device} netns {namespace}"
            ))?;
        }
        Ok(())
    }

    fn switch_on(&self, guest: &mut Guest) -> Result<()> {
        self.run(
            guest,
            &format!("ip addr add {}/24 dev {}", self.address, self.device),
        )?;
        self.run(guest, &format!("ip link set {} up", self.device))
            .map(drop)
    }

    /// Answers no echo request from now on.
    fn fall_silent(&self, guest: &mut Guest) -> Result<()> {
        self.ignore_echoes(guest, "1")
    }

    /// Answers each of them again.
    pub fn answer_echoes(&self, guest: &mut Guest) -> Result<()> {
        self.ignore_echoes(guest, "0")
    }

    fn ignore_echoes(&self, guest: &mut Guest, switch: &str) -> Result<()> {
        let ignore = format!("sh -c 'echo {switch} >/proc/sys/net/ipv4/icmp_echo_ignore_all'");
        self.run(guest, &ignore).map(drop)
    }

    /// Gives the device its address and switches it on, without IPv6, and with a queue that drops no frame because
    /// it waits: what is counted is slow.
    fn set_up_quiet(&self, guest: &mut Guest) -> Result<()> {
        let discipline = "/proc/sys/net/core/default_qdisc";
        guest.sh(&format!(
            "[ ! -e {discipline} ] || echo pfifo_fast >{discipline}"
        ))?;
        self.enter(guest)?;
        let ipv6 = format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", self.device);
        self.run(guest, &format!("sh -c '[ ! -e {ipv6} ] || echo 1 >{ipv6}'"))?;
        self.switch_on(guest)
    }

    /// Its hardware address.
    pub fn hardware(&self, guest: &mut Guest) -> Result<String> {
        self.run(
            guest,
            &format!("cat /sys/class/net/{}/address", self.device),
        )
    }

    /// Knows a neighbour from now on.
    pub fn learn(&self, guest: &mut Guest, other: &Node, hardware: &str) -> Result<()> {
        let (device, address) = (&self.device, other.address);
        let entry = format!("{address} lladdr {hardware} dev {device} nud permanent");
        self.run(guest, &format!("ip neigh replace {entry}"))
            .map(drop)
    }

    /// Answers one transfer; a server of more than one does not listen for a moment between two.
    /// Returns once it listens, in state 0A at port 5201.
    pub(super) fn serve(&self, guest: &mut Guest) -> Result<()> {
        self.run(
            guest,
            &format!(
                "sh -c \"iperf3 -s -1 -D -I {SERVER} &&
                 until grep -q ':1451 [0-9A-F]*:0000 0A' /proc/net/tcp*; do sleep 0.05; done\""
            ),
        )
        .map(drop)
    }

    /// Waits until the server of a transfer that is over has ended.
    pub(super) fn stop_serving(&self, guest: &mut Guest) -> Result<()> {
        guest.wait_until(TRANSFER_BOUND, &format!("[ ! -e {SERVER} ]"))
    }
}

/// What was measured in one direction.
#[derive(Clone, Debug, Serialize)]
pub struct OneWay {
    /// Echo requests that were sent this way.
    pub round_trips: RoundTrips,
    /// TCP stream.
    pub mbit_per_s: f64,
}

impl fmt::Display for OneWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:.0} Mbit/s", self.round_trips, self.mbit_per_s)
    }
}

/// Switches the nodes on, and sends echo requests and TCP streams both ways. Returns what was
/// measured towards the backend, and towards the driver.
pub fn exchange(ends: &mut impl Ends, driver: &Node, backend: &Node) -> Result<[OneWay; 2]> {
    driver.set_up(ends.driver())?;
    backend.set_up(ends.backend())?;
    let to_backend = ping(ends.driver(), driver, backend)?;
    let to_driver = ping(ends.backend(), backend, driver)?;
    let [away, back] = streams(ends, driver, backend, 1)?;
    Ok([
        OneWay {
            round_trips: to_backend,
            mbit_per_s: away,
        },
        OneWay {
            round_trips: to_driver,
            mbit_per_s: back,
        },
    ])
}

/// Bits per second of each of several streams: a share that machines under emulation have to spare. With
/// more, iperf3 does not get to end in time.
const SHARE: &str = "512K";

/// How much one of several streams writes and reads at once. By itself iperf3 takes 128 KiB, and counts no part of that
/// as received, which a stream may not complete on a machine that does other work too.
const BLOCK: &str = "8K";

/// Sends so many TCP streams at once to the backend, then to the driver, and returns what arrived of them
/// all, in Mbit/s. Several streams are limited to [`SHARE`] each.
pub fn streams(
    ends: &mut impl Ends,
    driver: &Node,
    backend: &Node,
    count: u32,
) -> Result<[f64; 2]> {
    let mut send = |direction| {
        backend.serve(ends.backend())?;
        let rate = transfer(ends.driver(), driver, backend, direction, count)?;
        backend.stop_serving(ends.backend())?;
        anyhow::Ok(rate)
    };
    Ok([send(Direction::Away)?, send(Direction::Back)?])
}

/// Switches the nodes on as [`acquaint`] does; then neither answers an echo request.
pub fn introduce(ends: &mut impl Ends, driver: &Node, backend: &Node) -> Result<()> {
    acquaint(ends, driver, backend)?;
    driver.fall_silent(ends.driver())?;
    backend.fall_silent(ends.backend())
}

/// Switches the nodes on, such that neither says anything that it is not asked to: no neighbour to be
/// found, no IPv6.
pub fn acquaint(ends: &mut impl Ends, driver: &Node, backend: &Node) -> Result<()> {
    driver.set_up_quiet(ends.driver())?;
    backend.set_up_quiet(ends.backend())?;
    let (from, to) = (
        driver.hardware(ends.driver())?,
        backend.hardware(ends.backend())?,
    );
    driver.learn(ends.driver(), backend, &to)?;
    backend.learn(ends.backend(), driver, &from)
}

/// For a stream of which each access is trapped.
const STREAM_BOUND: Duration = Duration::from_secs(300);

/// Segments of a frame that a fast link has: TCP makes frames as large as what it sends in a millisecond, and here that
/// is little.
const FAST_SEGMENTS: u32 = 44;

/// Sends so many bytes of a TCP stream to the second node, or back from it, in frames as large as a fast link has them,
/// and waits until they have arrived.
pub fn stream(
    ends: &mut impl Ends,
    [driver, backend]: [&Node; 2],
    direction: Direction,
    bytes: u32,
) -> Result<()> {
    let segments = format!("sh -c 'echo {FAST_SEGMENTS} >/proc/sys/net/ipv4/tcp_min_tso_segs'");
    driver.run(ends.driver(), &segments)?;
    backend.run(ends.backend(), &segments)?;
    backend.serve(ends.backend())?;
    let options = format!("-n {bytes}");
    iperf_within(
        STREAM_BOUND,
        ends.driver(),
        driver,
        backend,
        direction,
        &options,
    )?;
    backend.stop_serving(ends.backend())
}

/// Sends so many frames of 1514 bytes, `batch` of them at a time, and waits until all have arrived, and nothing
/// else has.
pub fn send_frames(
    from: (&mut Guest, &Node),
    to: (&mut Guest, &Node),
    count: u32,
    batch: u32,
) -> Result<()> {
    send_frames_of(FULL_FRAME, from, to, count, batch)
}

/// The same with frames of so many bytes, 60 or more.
pub fn send_frames_of(
    bytes: u32,
    from: (&mut Guest, &Node),
    to: (&mut Guest, &Node),
    count: u32,
    batch: u32,
) -> Result<()> {
    let received = format!("/sys/class/net/{}/statistics/rx_packets", to.1.device);
    let before: u32 = to.0.sh(&format!("cat {received}"))?.parse()?;
    let (rounds, at_once) = match batch {
        1 => (1, String::new()),
        _ => (count / batch, format!("-l {batch} -S {BATCH_BUFFER}")),
    };
    // Nothing is answered, of which ping tells by status 1.
    let ping = format!(
        "ping -n -q -c {} -i {FRAME_INTERVAL} {at_once} -W 1 -s {} {}",
        count / rounds,
        bytes - ECHO_HEADERS,
        to.1.address
    );
    for round in 1..=rounds {
        from.1
            .run(from.0, &format!("sh -c '{ping}; [ $? -eq 1 ]'"))?;
        let arrived = before + round * (count / rounds);
        let condition = format!("[ $(cat {received}) -eq {arrived} ]");
        to.0.wait_until(TRANSFER_BOUND, &condition)?;
    }
    Ok(())
}

/// Round trips of echo requests, all of which came back.
#[derive(Clone, Debug, Serialize)]
pub struct RoundTrips {
    /// How many there were.
    pub count: u32,
    /// Mean.
    pub mean_ms: f64,
}

impl fmt::Display for RoundTrips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} round trips, {:.2} ms each", self.count, self.mean_ms)
    }
}

/// Sends echo requests, all of which must be answered.
fn ping(guest: &mut Guest, from: &Node, to: &Node) -> Result<RoundTrips> {
    let text = from.run(
        guest,
        &format!("ping -n -q -c {PINGS} -i 0.01 -W 5 {}", to.address),
    )?;
    ensure!(
        text.contains(" 0% packet loss"),
        "echo requests got lost: {text}"
    );
    Ok(RoundTrips {
        count: PINGS,
        mean_ms: mean_ms(&text)?,
    })
}

/// The mean of what ping measured.
pub(super) fn mean_ms(text: &str) -> Result<f64> {
    // rtt min/avg/max/mdev = 0.1/0.2/0.3/0.0 ms
    text.split_once("mdev = ")
        .and_then(|(_, times)| times.split('/').nth(1)?.parse().ok())
        .with_context(|| format!("no round trip times in '{text}'"))
}

/// Which end of a transfer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The one that asked for the transfer.
    Away,
    /// The one that serves.
    Back,
}

#[derive(Deserialize)]
struct IperfOutput {
    end: IperfEnd,
}

#[derive(Deserialize)]
struct IperfEnd {
    sum_received: IperfSum,
}

/// What arrived of a transfer.
#[derive(Deserialize)]
pub(super) struct IperfSum {
    pub(super) seconds: f64,
    pub(super) bits_per_second: f64,
}

/// Sends TCP streams, and returns what arrived, in Mbit/s.
fn transfer(
    guest: &mut Guest,
    from: &Node,
    to: &Node,
    direction: Direction,
    streams: u32,
) -> Result<f64> {
    let limit = match streams {
        1 => String::new(),
        _ => format!(" -b {SHARE} -l {BLOCK}"),
    };
    let options = format!("-t {TRANSFER_SECONDS} -P {streams}{limit}");
    Ok(iperf(guest, from, to, direction, &options)?.bits_per_second / 1e6)
}

/// Sends as `options` of iperf3 have it to, or from, a node that serves.
pub(super) fn iperf(
    guest: &mut Guest,
    from: &Node,
    to: &Node,
    direction: Direction,
    options: &str,
) -> Result<IperfSum> {
    iperf_within(TRANSFER_BOUND, guest, from, to, direction, options)
}

fn iperf_within(
    bound: Duration,
    guest: &mut Guest,
    from: &Node,
    to: &Node,
    direction: Direction,
    options: &str,
) -> Result<IperfSum> {
    let reverse = match direction {
        Direction::Away => "",
        Direction::Back => " -R",
    };
    let command = format!("iperf3 -c {} {options} -J{reverse}", to.address);
    let text = from.run_within(bound, guest, &command)?;
    // It warns of datagrams that fill a frame.
    let json = text.find('{').map_or("", |start| &text[start..]);
    let output: IperfOutput =
        serde_json::from_str(json).with_context(|| format!("iperf3 printed no figures: {text}"))?;
    let received = output.end.sum_received;
    ensure!(received.bits_per_second > 0.0, "nothing arrived: {text}");
    Ok(received)
}
