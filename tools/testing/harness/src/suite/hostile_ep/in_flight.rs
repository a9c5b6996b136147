// SPDX-License-Identifier: GPL-2.0
//! A disk that holds on to requests, and what ends them.

use anyhow::{ensure, Result};
use transport::{offset, DeviceStatus, Offset, Opcode};

use super::answers::never;
use super::attack::{Attack, Attacked, Course};
use super::block::reads_fail;
use super::life::IN_USE;
use crate::commands::forger::{Lie, Word};

const fn shows(offset: Offset, value: u32) -> Lie {
    Lie::Hold(Word::Identity(offset), value)
}

const fn in_flight(
    name: &'static str,
    act: fn(&mut Attacked) -> Result<()>,
    message: &'static str,
) -> Attack {
    Attack {
        name,
        lies: &[Lie::Stall],
        course: Course::During(act, message),
    }
}

const GIVES_UP: u32 = IN_USE | DeviceStatus::DEVICE_NEEDS_RESET.bits() as u32;

pub const ATTACKS: &[Attack] = &[
    in_flight(
        "epoch_changes_with_requests_in_flight",
        |attacked| lies_end_reads(attacked, &[shows(offset::EPOCH, 0x1234_5678)]),
        "Endpoint lost (Restarted)",
    ),
    in_flight(
        "link_dies_with_requests_in_flight",
        |attacked| lies_end_reads(attacked, &[shows(offset::EPOCH, u32::MAX)]),
        "Endpoint lost (LinkDead)",
    ),
    in_flight(
        "heartbeat_stops_with_requests_in_flight",
        |attacked| lies_end_reads(attacked, &[shows(offset::HEARTBEAT, 7)]),
        "Endpoint lost (Silent)",
    ),
    in_flight(
        "device_gives_up_with_requests_in_flight",
        |attacked| lies_end_reads(attacked, &[shows(offset::DEVICE_STATUS, GIVES_UP)]),
        "Endpoint lost (NeedsReset)",
    ),
    in_flight(
        "requests_are_held_for_ever",
        |attacked| deletion_ends_reads(attacked, &[]),
        "Endpoint lost (Unfinished)",
    ),
    in_flight(
        "requests_are_held_and_resets_not_answered",
        |attacked| deletion_ends_reads(attacked, &[never(Opcode::Reset)]),
        "Reset was not answered",
    ),
];

/// Lies that lose the endpoint end what is in flight, and what comes then.
fn lies_end_reads(attacked: &mut Attacked, lies: &[Lie]) -> Result<()> {
    start_reads(attacked)?;
    attacked.tell(lies)?;
    expect_end_of_reads(attacked)?;
    reads_fail(attacked)
}

/// Whatever the endpoint does, the user gets rid of the device.
fn deletion_ends_reads(attacked: &mut Attacked, lies: &[Lie]) -> Result<()> {
    start_reads(attacked)?;
    attacked.tell(lies)?;
    attacked.rc("vdpa dev del vdpa0")?;
    expect_end_of_reads(attacked)
}

/// How the reads ended.
const STATUS: &str = "/tmp/reads.status";

/// Starts reads in the background, and waits until 16 are in flight.
fn start_reads(attacked: &mut Attacked) -> Result<()> {
    attacked.rc(&format!(
        "(fio --name=reads --filename=/dev/vda --rw=randread --bs=4k --size=1m --iodepth=16 \
          --ioengine=libaio --direct=1 >/tmp/reads.log 2>&1; echo $? >{STATUS}) &"
    ))?;
    attacked.wait_until("[ $(awk '{ print $1 }' /sys/block/vda/inflight) -eq 16 ]")
}

fn expect_end_of_reads(attacked: &mut Attacked) -> Result<()> {
    attacked.wait_until(&format!("[ -s {STATUS} ]"))?;
    let status = attacked.rc(&format!("cat {STATUS}; rm {STATUS} /tmp/reads.log"))?;
    ensure!(status != "0", "reads that nobody answered succeeded");
    Ok(())
}
