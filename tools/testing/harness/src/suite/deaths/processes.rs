// SPDX-License-Identifier: GPL-2.0
//! What a process of the RC does when the endpoint dies, which drives the device itself.

use anyhow::Result;

use super::activities::{switch_on, Activity, DISK, NIC, WAIT_BOUND};
use crate::commands::served::{Instance, ServedTo};
use crate::commands::vhost_vdpa::VhostVdpa;
use crate::guest::Guest;
use crate::link::Link;
use crate::workload::blkio;
use crate::workload::network::Node;

/// A process writes blocks.
pub struct ProcessBlocks;

impl Activity for ProcessBlocks {
    const INSTANCE: Instance = Instance::Disk(&DISK);
    const RESETS: bool = true;
    type Device = VhostVdpa;

    fn begin(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        blkio::start_load(link, &served.vdpa.node, &DISK.file())
    }

    /// It does not look at the device status, and has to be ended; then the device is reset.
    fn wait_for_end(link: &mut Link, _: &ServedTo<VhostVdpa>) -> Result<()> {
        blkio::kill_load(&mut link.rc)
    }

    fn works(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        let commands = ["write -P 7 0 64k", "flush", "read -P 7 0 64k"];
        soon(
            &mut link.rc,
            &blkio::qemu_io_script(&served.vdpa.node, &commands),
        )
    }
}

/// A process sends frames, each of which is answered by one.
pub struct ProcessFrames;

impl Activity for ProcessFrames {
    const INSTANCE: Instance = Instance::Nic(&NIC);
    const RESETS: bool = true;
    type Device = VhostVdpa;

    fn begin(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        let address = answer(&mut link.ep)?;
        start_client(&mut link.rc, &format!("ask {} {address}", served.vdpa.node))
    }

    fn wait_for_end(link: &mut Link, _: &ServedTo<VhostVdpa>) -> Result<()> {
        wait_for_end_of_client(&mut link.rc)
    }

    fn works(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        let address = answer(&mut link.ep)?;
        let client = format!("vdpa-client ask {} {address} --count 20", served.vdpa.node);
        soon(&mut link.rc, &client)
    }
}

/// A process gives commands to a network device by its control queue.
pub struct ProcessCommands;

impl Activity for ProcessCommands {
    const INSTANCE: Instance = Instance::Nic(&NIC);
    const RESETS: bool = true;
    type Device = VhostVdpa;

    fn begin(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        start_client(&mut link.rc, &format!("command {}", served.vdpa.node))
    }

    fn wait_for_end(link: &mut Link, _: &ServedTo<VhostVdpa>) -> Result<()> {
        wait_for_end_of_client(&mut link.rc)
    }

    fn works(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        let client = format!("vdpa-client command {} --count 20", served.vdpa.node);
        soon(&mut link.rc, &client)
    }
}

/// Has the endpoint answer, and returns by which address.
fn answer(ep: &mut Guest) -> Result<&'static str> {
    let node = Node {
        namespace: "",
        device: NIC.network_device(ep)?,
        address: "10.7.0.2",
    };
    switch_on(ep, &node)?;
    Ok(node.address)
}

/// Runs a program until it succeeds: the RC learns at the next beat that an endpoint goes on which stood still.
fn soon(rc: &mut Guest, program: &str) -> Result<()> {
    rc.wait_until(WAIT_BOUND, program)
}

/// File with what the client says: a line each time that something was done.
const SAID: &str = "/run/client.log";

/// Starts the client, and waits until it has done a few things.
fn start_client(rc: &mut Guest, arguments: &str) -> Result<()> {
    rc.sh(&format!(
        "vdpa-client {arguments} >{SAID} 2>&1 & echo $! >/run/client.pid"
    ))?;
    rc.wait_until(WAIT_BOUND, &format!("[ $(wc -l <{SAID}) -ge 3 ]"))
}

/// It looks at the device status, and ends by itself.
fn wait_for_end_of_client(rc: &mut Guest) -> Result<()> {
    rc.wait_until(WAIT_BOUND, "[ ! -d /proc/$(cat /run/client.pid) ]")?;
    let why = "the device needs a reset";
    rc.sh(&format!(
        "tail -n 1 {SAID} | grep '{why}' || {{ tail -n 1 {SAID}; false; }}"
    ))
    .map(drop)
}
