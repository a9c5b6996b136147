// SPDX-License-Identifier: GPL-2.0
//! The endpoint dies under what the RC does, cause by cause and activity by activity. What is outstanding ends
//! in time, and the device can be had back.

use std::time::{Duration, Instant};

use anyhow::Result;
use epc_emulator::link::BusError;

use crate::commands::backend::{Disk, Nic};
use crate::commands::served::{Instance, Served, ServedTo};
use crate::commands::vdpa::{self, RcDevice, VdpaDevice};
use crate::commands::vhost_vdpa::{self, VhostVdpa};
use crate::commands::{endpoint, modules};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::runner::{AnySuite, Bench, Case, Record, Suite};
use crate::workload::blkio;
use crate::workload::disk::{self, Pattern};
use crate::workload::network::Node;

/// For what is outstanding to end: 6 s where only the heartbeat tells, on machines that may be busy.
const END_BOUND: Duration = Duration::from_secs(30);

static DISK: Disk = Disk {
    name: "disk0",
    mib: 32,
};
static NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
};

struct Machines {
    link: Link,
}

impl Bench for Machines {
    fn set_up(layout: &Layout) -> Result<Self> {
        let mut link = Link::boot(layout, Model::Rc, Bars::Mapped)?;
        modules::load(&mut link.rc, &["epf_vdpa"])?;
        vdpa::load_drivers(&mut link.rc)?;
        vhost_vdpa::load_driver(&mut link.rc)?;
        Ok(Self { link })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        self.link.guests()
    }
}

/// The suite: a table of causes, with each activity.
pub fn suite() -> impl AnySuite {
    Suite::<Machines> {
        name: "deaths",
        about: "the endpoint dies under blocks, frames and a process of the root complex",
        cases: vec![
            case::<Blocks, NoPower>("blocks_without_power"),
            case::<Frames, NoPower>("frames_without_power"),
            case::<Process, NoPower>("process_without_power"),
            case::<Frames, NoLink>("frames_without_link"),
            case::<Process, NoLink>("process_without_link"),
            case::<Frames, Frozen>("frames_while_frozen"),
            case::<Process, Frozen>("process_while_frozen"),
            case::<Frames, FailedBus>("frames_on_a_failed_bus"),
            case::<Process, FailedBus>("process_on_a_failed_bus"),
            case::<Frames, Reset>("frames_through_a_reset"),
            case::<Process, Reset>("process_through_a_reset"),
        ],
    }
}

fn case<A: Activity, C: Cause>(name: &'static str) -> Case<Machines> {
    Case {
        name,
        about: "what is outstanding ends in time, and the device can be had back",
        run: dies::<A, C>,
    }
}

fn dies<A: Activity, C: Cause>(machines: &mut Machines, record: &mut Record) -> Result<()> {
    let link = &mut machines.link;
    let served = ServedTo::<A::Device>::start(link, A::INSTANCE)?;
    A::begin(link, &served)?;
    C::happen(link, &served.address)?;
    let happened = Instant::now();
    A::wait_for_end(link, &served)?;
    record.note(format!("ended after {:.1?}", happened.elapsed()));
    C::mend(link)?;
    let served = match C::LEFT {
        Left::Device => served.replace_vdpa(link)?,
        Left::Function => {
            endpoint::finish_stop(link)?;
            served.clean_up(link)?;
            ServedTo::start(link, A::INSTANCE)?
        }
        Left::Nothing => {
            endpoint::finish_stop(link)?;
            ServedTo::start(link, A::INSTANCE)?
        }
    };
    A::works(link, &served)?;
    served.stop(link)
}

/// What is left on the endpoint when the cause is over.
enum Left {
    /// All of it: the RC only needs another vDPA device.
    Device,
    /// The function, without a link.
    Function,
    /// A machine that boots anew.
    Nothing,
}

/// Why the endpoint is dead.
trait Cause: 'static {
    const LEFT: Left;

    fn happen(link: &mut Link, address: &str) -> Result<()>;

    /// Does what ends it.
    fn mend(_: &mut Link) -> Result<()> {
        Ok(())
    }
}

struct NoPower;

impl Cause for NoPower {
    const LEFT: Left = Left::Nothing;

    fn happen(link: &mut Link, _: &str) -> Result<()> {
        link.ep.switch_off()
    }

    fn mend(link: &mut Link) -> Result<()> {
        link.restart_ep()
    }
}

struct NoLink;

impl Cause for NoLink {
    const LEFT: Left = Left::Function;

    fn happen(link: &mut Link, _: &str) -> Result<()> {
        endpoint::begin_stop(link)
    }
}

struct Frozen;

impl Cause for Frozen {
    const LEFT: Left = Left::Device;

    fn happen(link: &mut Link, _: &str) -> Result<()> {
        link.ep.freeze()
    }

    fn mend(link: &mut Link) -> Result<()> {
        link.ep.thaw()
    }
}

struct FailedBus;

impl Cause for FailedBus {
    const LEFT: Left = Left::Device;

    fn happen(link: &mut Link, _: &str) -> Result<()> {
        link.report(BusError::Fatal)
    }
}

struct Reset;

impl Cause for Reset {
    const LEFT: Left = Left::Device;

    fn happen(link: &mut Link, address: &str) -> Result<()> {
        let reset = format!("echo 1 >/sys/bus/pci/devices/{address}/reset");
        link.rc.sh(&reset).map(drop)
    }
}

/// What the RC does meanwhile.
trait Activity: 'static {
    const INSTANCE: Instance;
    type Device: RcDevice;

    /// Begins, and waits until it is under way.
    fn begin(link: &mut Link, served: &ServedTo<Self::Device>) -> Result<()>;

    /// Waits until nothing waits for the endpoint any more.
    fn wait_for_end(link: &mut Link, served: &ServedTo<Self::Device>) -> Result<()>;

    /// Does some of it, to the end.
    fn works(link: &mut Link, served: &ServedTo<Self::Device>) -> Result<()>;
}

struct Blocks;

impl Activity for Blocks {
    const INSTANCE: Instance = Instance::Disk(&DISK);
    type Device = VdpaDevice;

    fn begin(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::start_load(&mut link.rc, &path)
    }

    fn wait_for_end(link: &mut Link, _: &Served) -> Result<()> {
        disk::wait_for_end_of_load(&mut link.rc, END_BOUND)
    }

    fn works(link: &mut Link, served: &Served) -> Result<()> {
        let path = served.vdpa.disk(&mut link.rc)?;
        disk::verify(&mut link.rc, &path, Pattern::Random, 4).map(drop)
    }
}

struct Frames;

impl Activity for Frames {
    const INSTANCE: Instance = Instance::Nic(&NIC);
    type Device = VdpaDevice;

    fn begin(link: &mut Link, served: &Served) -> Result<()> {
        let address = answers(link, served)?;
        let flood = format!("ping -f -q {address} >/dev/null 2>&1 & echo $! >/run/ping.pid");
        link.rc.sh(&flood).map(drop)
    }

    /// To switch the device off waits for whatever it has.
    fn wait_for_end(link: &mut Link, _: &Served) -> Result<()> {
        link.rc.sh_within(
            END_BOUND,
            "for device in /sys/class/net/eth*; do
                 [ ! -e $device ] || ip link set ${device##*/} down || [ ! -e $device ] || exit 1
             done
             kill $(cat /run/ping.pid) && rm /run/ping.pid",
        )?;
        Ok(())
    }

    fn works(link: &mut Link, served: &Served) -> Result<()> {
        answers(link, served).map(drop)
    }
}

/// Switches both ends on, and returns the address of the endpoint once it answers.
fn answers(link: &mut Link, served: &Served) -> Result<&'static str> {
    let [driver, backend] = served.nodes(link)?;
    switch_on(&mut link.rc, &driver)?;
    switch_on(&mut link.ep, &backend)?;
    let ping = format!("ping -c 1 -W 1 -q {}", backend.address);
    link.rc.wait_until(END_BOUND, &ping)?;
    Ok(backend.address)
}

fn switch_on(guest: &mut Guest, node: &Node) -> Result<()> {
    let (address, device) = (node.address, &node.device);
    guest
        .sh(&format!(
            "ip addr replace {address}/24 dev {device} && ip link set {device} up"
        ))
        .map(drop)
}

struct Process;

impl Activity for Process {
    const INSTANCE: Instance = Instance::Disk(&DISK);
    type Device = VhostVdpa;

    fn begin(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        blkio::start_load(link, &served.vdpa.node, &DISK.file())
    }

    /// It is told of the loss by the device status alone, and has to be ended.
    fn wait_for_end(link: &mut Link, _: &ServedTo<VhostVdpa>) -> Result<()> {
        blkio::kill_load(&mut link.rc)
    }

    fn works(link: &mut Link, served: &ServedTo<VhostVdpa>) -> Result<()> {
        let commands = ["write -P 7 0 64k", "flush", "read -P 7 0 64k"];
        blkio::qemu_io(&mut link.rc, &served.vdpa.node, &commands)
    }
}
