// SPDX-License-Identifier: GPL-2.0

//! The time bounds of the protocol, in milliseconds; the reasons are in "Time bounds" of
//! `Documentation/transport.rst`.

/// `READY`: how long the RC waits for the EP to become ready.
pub const READY_MS: u64 = 5_000;
/// `COMMAND`: how long the RC waits for the answer to a command that need not quiesce.
pub const COMMAND_MS: u64 = 2_000;
/// `QUIESCE`: how long the RC waits for the answer to a command that waits for requests.
pub const QUIESCE_MS: u64 = 10_000;
/// `CONFIG`: how long the RC waits for a stable device config.
pub const CONFIG_MS: u64 = 100;
/// `POLL`: longest sleep of the EP between two looks at `cmd` and at polled doorbells.
pub const POLL_MS: u64 = 10;
/// `BEAT`: period of the heartbeats.
pub const BEAT_MS: u64 = 250;
/// `EP_SILENT`: the RC takes an EP without heartbeat for dead after this time, or a longer one.
pub const EP_SILENT_MS: u64 = 1_500;
/// `RC_SILENT`: the EP takes an RC without heartbeat for dead after this time.
pub const RC_SILENT_MS: u64 = 30_000;
/// `INTERRUPT`: longest time between two tries of an interrupt that the controller did not take.
pub const INTERRUPT_MS: u64 = 10;
/// First sleep of the RC between two reads of `answer`, in microseconds.
pub const ANSWER_SLEEP_MIN_US: u64 = 10;
/// Longest sleep of the RC between two reads of `answer`, in microseconds.
pub const ANSWER_SLEEP_MAX_US: u64 = 1_000;
