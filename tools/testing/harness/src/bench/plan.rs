// SPDX-License-Identifier: GPL-2.0
//! What is measured of each peer: transfers that are counted, and loads that are timed.

use crate::workload::disk::Load;
use crate::workload::network::Direction;
use crate::workload::packets::Traffic;

/// Transfers that are counted at a time; a multiple of the largest batch.
pub const TRANSFERS: u32 = 64;

/// Bytes of a frame that is counted.
pub const FRAME: u32 = 1514;

/// Bytes of a stream that are taken for one transfer: the largest segment.
pub const SEGMENT: u32 = 64 << 10;

/// The batch in which transfers are counted, besides one at a time.
const BATCH: u32 = 32;

/// Bytes of the smallest frame.
const SMALL_FRAME: u32 = 60;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Runs of each load, of which the median counts.
    pub runs: u32,
    /// How long each takes.
    pub seconds: u32,
    /// Echo requests of a run.
    pub round_trips: u32,
    /// Whether loads are left out that tell little more than others.
    pub fewer: bool,
}

impl Plan {
    /// What takes some minutes.
    pub const QUICK: Self = Self {
        runs: 1,
        seconds: 1,
        round_trips: 100,
        fewer: true,
    };

    /// What can be told to others.
    pub const FULL: Self = Self {
        runs: 5,
        seconds: 3,
        round_trips: 500,
        fewer: false,
    };
}

/// Transfers that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What is transferred.
    pub what: What,
    /// How many are on their way at a time.
    pub batch: u32,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The RC reads a block of 4 KiB.
    Read,
    /// The RC writes one.
    Write,
    /// A frame of [`FRAME`] bytes goes from the RC to the EP.
    ToEp,
    /// One goes from the EP to the RC.
    ToRc,
    /// [`SEGMENT`] bytes of a TCP stream go from the RC to the EP, in frames as large as both can.
    StreamToEp,
    /// They go from the EP to the RC.
    StreamToRc,
    /// An echo request goes from the RC to the EP, and its answer back.
    RoundTrip,
}

impl Transfer {
    /// All that are counted of a disk.
    pub const OF_DISK: [Self; 4] = both_batches([What::Read, What::Write]);
    /// All that are counted of a network.
    pub const OF_NETWORK: [Self; 4] = both_batches([What::ToEp, What::ToRc]);
    /// What one waits for.
    pub const ROUND_TRIP: Self = Self {
        what: What::RoundTrip,
        batch: 1,
    };
    /// Streams, in which many are on their way.
    pub const STREAMS: [Self; 2] = [
        Self {
            what: What::StreamToEp,
            batch: BATCH,
        },
        Self {
            what: What::StreamToRc,
            batch: BATCH,
        },
    ];

    /// In words.
    pub fn name(self) -> String {
        let what = match self.what {
            What::Read => "4 KiB read",
            What::Write => "4 KiB written",
            What::ToEp => "1514 bytes to the EP",
            What::ToRc => "1514 bytes to the RC",
            What::StreamToEp => return "64 KiB of TCP to the EP".to_owned(),
            What::StreamToRc => return "64 KiB of TCP to the RC".to_owned(),
            What::RoundTrip => return "round trip".to_owned(),
        };
        match self.batch {
            1 => format!("{what}, alone"),
            batch => format!("{what}, batch of {batch}"),
        }
    }
}

const fn both_batches([first, second]: [What; 2]) -> [Transfer; 4] {
    [
        Transfer {
            what: first,
            batch: 1,
        },
        Transfer {
            what: second,
            batch: 1,
        },
        Transfer {
            what: first,
            batch: BATCH,
        },
        Transfer {
            what: second,
            batch: BATCH,
        },
    ]
}

/// A load that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// On a disk.
    Disk(Load),
    /// On a network.
    Network(Direction, Traffic),
    /// Echo requests, one after the other.
    RoundTrips,
}

impl Plan {
    /// What is timed of a disk.
    pub fn of_disk(self) -> Vec<Timed> {
        let random: &[(u32, u32)] = match self.fewer {
            true => &[(1, 1), (32, 1)],
            false => &[(1, 1), (32, 1), (32, 4)],
        };
        let large: &[u32] = match self.fewer {
            true => &[512],
            false => &[128, 512],
        };
        let mut loads = Vec::new();
        for mode in ["randread", "randwrite"] {
            loads.extend(random.iter().map(|&(depth, jobs)| Load {
                mode,
                kib: 4,
                depth,
                jobs,
            }));
        }
        for mode in ["read", "write"] {
            loads.extend(large.iter().map(|&kib| Load {
                mode,
                kib,
                depth: 4,
                jobs: 1,
            }));
        }
        loads.into_iter().map(Timed::Disk).collect()
    }

    /// What is timed of a network.
    pub fn of_network(self) -> Vec<Timed> {
        let mut loads = vec![Timed::RoundTrips];
        for traffic in [
            Traffic::Stream,
            Traffic::Datagrams(FRAME),
            Traffic::Datagrams(SMALL_FRAME),
        ] {
            for direction in [Direction::Away, Direction::Back] {
                loads.push(Timed::Network(direction, traffic));
            }
        }
        loads
    }
}

impl Timed {
    /// In words.
    pub fn name(self) -> String {
        match self {
            Self::Disk(Load {
                mode,
                kib,
                depth,
                jobs,
            }) => {
                let mode = match mode {
                    "randread" => "random read",
                    "randwrite" => "random write",
                    other => other,
                };
                let jobs = if jobs == 1 {
                    String::new()
                } else {
                    format!(" x {jobs} jobs")
                };
                format!("{kib} KiB {mode}, depth {depth}{jobs}")
            }
            Self::Network(direction, traffic) => {
                let to = match direction {
                    Direction::Away => "to the EP",
                    Direction::Back => "to the RC",
                };
                match traffic {
                    Traffic::Stream => format!("TCP {to}"),
                    Traffic::Datagrams(bytes) => format!("UDP, frames of {bytes}, {to}"),
                }
            }
            Self::RoundTrips => "round trips".to_owned(),
        }
    }
}
