// SPDX-License-Identifier: GPL-2.0
//! What the RC does when the endpoint dies.

use std::time::Duration;

use anyhow::{ensure, Result};

use crate::commands::backend::{Disk, KeptDisk, Nic};
use crate::commands::served::{Instance, Served, ServedTo};
use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::link::Link;
use crate::workload::disk::{self, Pattern};
use crate::workload::network::Node;

/// For a command of the harness to end at all.
pub(super) const WAIT_BOUND: Duration = Duration::from_secs(30);

/// For what waits for the endpoint to end: 2 s (Documentation/transport.rst, "Time bounds"), and what the harness
/// needs to see it, on machines that are emulated.
const END_BOUND: Duration = Duration::from_secs(3);

pub(super) static DISK: Disk = Disk {
    name: "disk0",
    mib: 32,
};
static KEPT_DISK: KeptDisk = KeptDisk { name: "disk0" };
pub(super) static NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 2,
};

/// What the RC does meanwhile.
pub trait Activity: 'static {
    /// What the EP serves.
    const INSTANCE: Instance;
    /// For what is outstanding to end.
    const END_BOUND: Duration = END_BOUND;
    /// Who does it again resets the device, and has it back by that.
    const RESETS: bool = false;
    /// What drives it on the RC.
    type Device: RcDevice;

    /// Begins, and waits until it is under way.
    fn begin(link: &mut Link, served: &ServedTo<Self::Device>) -> Result<()>;

    /// Waits until nothing waits for the endpoint any more.
    fn wait_for_end(link: &mut Link, served: &ServedTo<Self::Device>) -> Result<()>;

    /// Does some of it, to the end.
    fn works(link: &mut Link, served: &ServedTo<Self::Device>) -> Result<()>;
}

/// A virtio driver writes and reads blocks.
pub struct Blocks;

impl Activity for Blocks {
    const INSTANCE: Instance = Instance::Disk(&DISK);
    type Device = VdpaDevice;

    fn begin(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::start_load(&mut link.rc, &path)
    }

    fn wait_for_end(link: &mut Link, _: &Served) -> Result<()> {
        disk::wait_for_end_of_load(&mut link.rc, WAIT_BOUND)
    }

    fn works(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::verify(&mut link.rc, &path, Pattern::Random, 4).map(drop)
    }
}

/// The same by programs that any kernel runs, for one on which fio does not.
pub struct Copies;

impl Activity for Copies {
    const INSTANCE: Instance = Instance::Disk(&DISK);
    type Device = VdpaDevice;

    fn begin(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::start_copies(&mut link.rc, &path)
    }

    fn wait_for_end(link: &mut Link, _: &Served) -> Result<()> {
        disk::wait_for_end_of_copies(&mut link.rc, WAIT_BOUND)
    }

    fn works(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::compare(&mut link.rc, &path, 4)
    }
}

/// A virtio driver sends and receives frames.
pub struct Frames;

impl Activity for Frames {
    const INSTANCE: Instance = Instance::Nic(&NIC);
    type Device = VdpaDevice;

    fn begin(link: &mut Link, served: &Served) -> Result<()> {
        let address = answers(link, served)?;
        let flood = format!("ping -f -q {address} >/dev/null 2>&1 & echo $! >/run/ping.pid");
        link.rc.sh(&flood).map(drop)
    }

    /// To switch the device off waits for whatever it has. If it is gone by itself, the sender may be, too.
    fn wait_for_end(link: &mut Link, _: &Served) -> Result<()> {
        link.rc.sh_within(
            WAIT_BOUND,
            "for device in /sys/class/net/eth*; do
                 [ ! -e $device ] || ip link set ${device##*/} down || [ ! -e $device ] || exit 1
             done
             ping=$(cat /run/ping.pid) && rm /run/ping.pid && { kill $ping || [ ! -e /proc/$ping ]; }",
        )?;
        Ok(())
    }

    fn works(link: &mut Link, served: &Served) -> Result<()> {
        answers(link, served).map(drop)
    }
}

/// Commands of the control queue, one after the other, for whose answers `virtio_net` waits with a processor
/// and the lock of all network devices.
pub struct Commands;

/// File with a line for each round of commands.
const ROUNDS: &str = "/run/rounds.log";
/// File that is there as long as there are to be rounds.
const MORE_ROUNDS: &str = "/run/rounds.wanted";

impl Activity for Commands {
    const INSTANCE: Instance = Instance::Nic(&NIC);
    /// Whole rounds are waited for: six programs are started in each.
    const END_BOUND: Duration = Duration::from_secs(5);
    type Device = VdpaDevice;

    fn begin(link: &mut Link, served: &Served) -> Result<()> {
        answers(link, served)?;
        let device = served.vdpa.network_device(&mut link.rc)?;
        link.rc.sh(&format!(
            "rm -f {ROUNDS}; touch {MORE_ROUNDS} {ROUNDS}
             (while [ -e {MORE_ROUNDS} ]; do
                  ip link set {device} promisc on
                  ip link set {device} address 02:00:00:00:00:02
                  ethtool -L {device} combined 1
                  ip link set {device} promisc off
                  ip link set {device} address 02:00:00:00:00:01
                  ethtool -L {device} combined 2
                  echo >>{ROUNDS}
              done; rm {ROUNDS}) >/dev/null 2>&1 &"
        ))?;
        rounds(link, 3)
    }

    /// Commands that come later fail at once: behind the round that is under way there is one without an
    /// endpoint.
    fn wait_for_end(link: &mut Link, _: &Served) -> Result<()> {
        rounds(link, 2)?;
        link.rc.sh(&format!("rm {MORE_ROUNDS}"))?;
        link.rc
            .wait_until(WAIT_BOUND, &format!("[ ! -e {ROUNDS} ]"))
    }

    fn works(link: &mut Link, served: &Served) -> Result<()> {
        answers(link, served)?;
        let device = served.vdpa.network_device(&mut link.rc)?;
        link.rc.sh(&format!(
            "ip link set {device} address 02:00:00:00:00:02 && ethtool -L {device} combined 1"
        ))?;
        let shown = NIC.driver_mac(&mut link.ep)?;
        ensure!(
            shown == "02:00:00:00:00:02",
            "the endpoint shows {shown}, not the address that the driver chose"
        );
        Ok(())
    }
}

/// Waits for so many rounds more.
fn rounds(link: &mut Link, more: u32) -> Result<()> {
    let count: u32 = link.rc.sh(&format!("wc -l <{ROUNDS}"))?.parse()?;
    let enough = count + more;
    link.rc
        .wait_until(WAIT_BOUND, &format!("[ $(wc -l <{ROUNDS}) -ge {enough} ]"))
}

/// Switches both ends on, and returns the address of the endpoint once it answers.
fn answers(link: &mut Link, served: &Served) -> Result<&'static str> {
    let [driver, backend] = served.nodes(link)?;
    switch_on(&mut link.rc, &driver)?;
    switch_on(&mut link.ep, &backend)?;
    let ping = format!("ping -c 1 -W 1 -q {}", backend.address);
    link.rc.wait_until(WAIT_BOUND, &ping)?;
    Ok(backend.address)
}

pub(super) fn switch_on(guest: &mut Guest, node: &Node) -> Result<()> {
    let (address, device) = (node.address, &node.device);
    guest
        .sh(&format!(
            "ip addr replace {address}/24 dev {device} && ip link set {device} up"
        ))
        .map(drop)
}

/// Blocks are written and flushed one after the other, to a disk that keeps what was flushed whatever happens to
/// the endpoint; it works if it has them all afterwards.
pub struct Flushes;

/// File with how many blocks were flushed.
const FLUSHED: &str = "/run/flushed";

/// Blocks that have to be flushed before the endpoint dies.
const ENOUGH: u32 = 20;

/// File with what no other run has written.
const TAG: &str = "/run/flushes.tag";

/// The command that prints block `$block`, whose 4096 bytes are its number and the tag.
const PRINT_BLOCK: &str = "printf '%4060d%36s' $block $tag";

impl Activity for Flushes {
    const INSTANCE: Instance = Instance::Kept(&KEPT_DISK);
    type Device = VdpaDevice;

    /// The disk is opened once: by its name there would be a file when it is gone.
    fn begin(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        link.rc.sh(&format!(
            "cp /proc/sys/kernel/random/uuid {TAG}; tag=$(cat {TAG}); echo 0 >{FLUSHED}
             (block=0
              while {PRINT_BLOCK} | dd bs=4096 conv=fsync; do
                  block=$((block + 1)); echo $block >{FLUSHED}
              done) 1<>{path} 2>/dev/null & echo $! >/run/flushes.pid"
        ))?;
        let enough = format!("[ $(cat {FLUSHED}) -ge {ENOUGH} ]");
        link.rc.wait_until(WAIT_BOUND, &enough)
    }

    fn wait_for_end(link: &mut Link, _: &Served) -> Result<()> {
        let is_over = "[ ! -d /proc/$(cat /run/flushes.pid) ]";
        link.rc.wait_until(WAIT_BOUND, is_over)
    }

    fn works(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        link.rc.sh(&format!(
            "tag=$(cat {TAG})
             for block in $(seq 0 $(($(cat {FLUSHED}) - 1))); do {PRINT_BLOCK}; done >/tmp/flushed
             cmp -n $(($(cat {FLUSHED}) * 4096)) /tmp/flushed {path} && rm /tmp/flushed"
        ))?;
        Ok(())
    }
}

/// 'vdpa dev add' and 'vdpa dev del', over and over.
pub struct Adding;

impl Activity for Adding {
    const INSTANCE: Instance = Instance::Disk(&DISK);
    /// Of the two commands that are under way each resets the device.
    const END_BOUND: Duration = END_BOUND.saturating_mul(2);
    type Device = ComesAndGoes;

    fn begin(link: &mut Link, served: &ServedTo<ComesAndGoes>) -> Result<()> {
        let (name, address) = (served.vdpa.name(), &served.address);
        link.rc.sh(&format!(
            "rm -f /run/adding.*
             while [ ! -e /run/adding.stop ]; do
                 vdpa dev del {name}; vdpa dev add name {name} mgmtdev pci/{address}; echo >>/run/adding.rounds
             done >/tmp/adding.log 2>&1 & echo $! >/run/adding.pid"
        ))?;
        let goes_on = "[ -e /run/adding.rounds ] && [ $(wc -l </run/adding.rounds) -ge 2 ]";
        link.rc.wait_until(WAIT_BOUND, goes_on)
    }

    fn wait_for_end(link: &mut Link, _: &ServedTo<ComesAndGoes>) -> Result<()> {
        link.rc.sh("touch /run/adding.stop")?;
        let is_over = "[ ! -d /proc/$(cat /run/adding.pid) ]";
        link.rc.wait_until(WAIT_BOUND, is_over)
    }

    fn works(link: &mut Link, served: &ServedTo<ComesAndGoes>) -> Result<()> {
        let path = served.vdpa.0.disk(&mut link.rc)?;
        disk::verify(&mut link.rc, &path, Pattern::Random, 4).map(drop)
    }
}

/// A vDPA device that need not be there when it is deleted.
pub struct ComesAndGoes(VdpaDevice);

impl RcDevice for ComesAndGoes {
    fn add_with(guest: &mut Guest, name: &str, mgmtdev: &str, attributes: &str) -> Result<Self> {
        VdpaDevice::add_with(guest, name, mgmtdev, attributes).map(Self)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn delete(self, guest: &mut Guest) -> Result<()> {
        let name = self.name();
        let delete = format!("! vdpa dev show {name} >/dev/null 2>&1 || vdpa dev del {name}");
        guest.sh(&delete).map(drop)
    }
}
