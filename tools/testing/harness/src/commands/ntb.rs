// SPDX-License-Identifier: GPL-2.0
//! The kernel's own non-transparent bridge: `pci_epf_vntb` on the EP, `ntb_hw_epf` on the RC
//! (Documentation/PCI/endpoint/pci-vntb-howto.rst of the kernel), and its clients on both.
//!
//! A bridge is there as long as its machines: what `pci_epf_vntb` makes on the EP, a PCI bus with a
//! device, it does not take away again, and a second binding would find it.

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use super::endpoint::{self, Function};
use super::modules;
use crate::guest::Guest;
use crate::link::Link;
use crate::workload::network::Node;

const FUNCTION: Function = Function {
    driver: "pci_epf_vntb",
    name: "ntb",
};

/// Module of the RC's driver.
const DRIVER: &str = "ntb_hw_epf";

/// Bytes of the memory window.
pub const WINDOW_SIZE: u32 = 1 << 20;

/// Scratchpads of each side.
pub const SCRATCHPADS: u32 = 64;

/// Doorbells of each side: what is left of the 16 vectors that the function has.
pub const DOORBELLS: u32 = 14;

/// Vectors that ring no doorbell: that of the link, and one that was never used.
const OTHER_VECTORS: u32 = 2;

/// The function as the kernel's document has it, with the BARs where the RC's driver looks for them in a
/// function with these identifiers (`mx8_map`).
const ATTRIBUTES: &[(&str, &str)] = &[
    ("vendorid", "0x1957"),
    ("deviceid", "0x0809"),
    ("pci_epf_vntb.0/num_mws", "1"),
    ("pci_epf_vntb.0/ctrl_bar", "0"),
    ("pci_epf_vntb.0/db_bar", "2"),
    ("pci_epf_vntb.0/mw1_bar", "4"),
    ("pci_epf_vntb.0/vntb_vid", "0x1957"),
    ("pci_epf_vntb.0/vntb_pid", "0x080a"),
    ("pci_epf_vntb.0/vbus_number", "0x10"),
];

/// For the two sides to find each other: clients look every 100 ms, and the EP takes a command every 500 ms.
const HANDSHAKE_BOUND: Duration = Duration::from_secs(60);

/// For one run of `ntb_perf`.
const PERF_BOUND: Duration = Duration::from_secs(120);

/// One side of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The virtual bridge of the EP.
    Ep,
    /// The function that the RC sees.
    Rc,
}

impl End {
    /// The other one.
    pub fn peer(self) -> Self {
        match self {
            Self::Ep => Self::Rc,
            Self::Rc => Self::Ep,
        }
    }

    /// Its machine.
    pub fn guest(self, link: &mut Link) -> &mut Guest {
        match self {
            Self::Ep => &mut link.ep,
            Self::Rc => &mut link.rc,
        }
    }
}

/// Makes a bridge.
pub fn start(link: &mut Link) -> Result<()> {
    let [window, scratchpads, vectors] =
        [WINDOW_SIZE, SCRATCHPADS, DOORBELLS + OTHER_VECTORS].map(|count| count.to_string());
    let sizes = [
        ("pci_epf_vntb.0/mw1", &*window),
        ("pci_epf_vntb.0/spad_count", &*scratchpads),
        ("pci_epf_vntb.0/db_count", &*vectors),
    ];
    FUNCTION.create(&mut link.ep, &[ATTRIBUTES, &sizes].concat())?;
    FUNCTION.bind(&mut link.ep)?;
    modules::load(&mut link.rc, &[DRIVER])?;
    endpoint::start(link)?;
    link.rc
        .wait_until(HANDSHAKE_BOUND, "[ -n \"$(ls /sys/bus/ntb/devices)\" ]")
}

/// A client of the bridge, which has it for itself.
pub struct Client {
    module: &'static str,
    /// What it needs, which is loaded after it.
    user: Option<&'static str>,
}

/// The kernel's tool to try a bridge register by register.
pub const TOOL: Client = Client {
    module: "ntb_tool",
    user: None,
};

/// Doorbells that are answered.
pub const PINGPONG: Client = Client {
    module: "ntb_pingpong",
    user: None,
};

/// Writes into the peer's memory.
pub const PERF: Client = Client {
    module: "ntb_perf",
    user: None,
};

/// Queues, and a network device on them.
pub const TRANSPORT: Client = Client {
    module: "ntb_transport",
    user: Some("ntb_netdev"),
};

impl Client {
    /// Loads it on both sides, does something, and unloads it.
    pub fn with(&self, link: &mut Link, run: impl FnOnce(&mut Link) -> Result<()>) -> Result<()> {
        self.with_parameters(link, |_| String::new(), run)
    }

    /// The same, with parameters of the module.
    pub fn with_parameters(
        &self,
        link: &mut Link,
        parameters: impl Fn(End) -> String,
        run: impl FnOnce(&mut Link) -> Result<()>,
    ) -> Result<()> {
        self.load(link, parameters)?;
        run(link)?;
        let modules: Vec<_> = self.user.into_iter().chain([self.module]).collect();
        for end in [End::Rc, End::Ep] {
            modules::unload(end.guest(link), &modules)?;
        }
        Ok(())
    }

    /// Loads it on both sides, with parameters of the module.
    pub fn load(&self, link: &mut Link, parameters: impl Fn(End) -> String) -> Result<()> {
        for end in [End::Ep, End::Rc] {
            let load = format!("modprobe {} {}", self.module, parameters(end));
            end.guest(link).sh_within(HANDSHAKE_BOUND, &load)?;
            if let Some(user) = self.user {
                modules::load(end.guest(link), &[user])?;
            }
        }
        Ok(())
    }

    /// Runs a command in the client's directory in debugfs.
    pub fn sh(&self, link: &mut Link, end: End, script: &str) -> Result<String> {
        let script = format!("{} && {script}", self.enter());
        end.guest(link).sh_within(HANDSHAKE_BOUND, &script)
    }

    /// Waits until a condition holds there.
    pub fn wait_until(&self, link: &mut Link, end: End, condition: &str) -> Result<()> {
        let script = format!("{} && until {condition}; do sleep 0.05; done", self.enter());
        end.guest(link)
            .sh_within(HANDSHAKE_BOUND, &script)
            .map(drop)
    }

    fn enter(&self) -> String {
        format!("cd /sys/kernel/debug/{}/*:*", self.module)
    }
}

/// Has `ntb_perf` write into the peer's memory; returns MiB per second.
pub fn measure(link: &mut Link, end: End) -> Result<f64> {
    let script = format!("{} && echo 0 >run && cat run", PERF.enter());
    let told = end.guest(link).sh_within(PERF_BOUND, &script)?;
    // 0: copied 1048576 bytes in 1234 usecs, 849 MBytes/s
    let number_after = |words: &str| -> Option<f64> {
        let (_, rest) = told.split_once(words)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let bytes = number_after("copied ").with_context(|| format!("nothing measured: {told}"))?;
    let microseconds = number_after("bytes in ").with_context(|| format!("no time: {told}"))?;
    ensure!(bytes > 0.0 && microseconds > 0.0, "nothing copied: {told}");
    Ok(bytes / f64::from(1 << 20) / (microseconds / 1e6))
}

/// Switches the network devices on with this MTU, and waits until each has its carrier. Returns that of the RC,
/// then that of the EP.
pub fn network_nodes(link: &mut Link, mtu: u32) -> Result<[Node; 2]> {
    let nodes = [(End::Rc, "10.8.0.1"), (End::Ep, "10.8.0.2")];
    let mut made = Vec::new();
    for (end, address) in nodes {
        let device = end.guest(link).sh("basename /sys/class/net/eth*")?;
        ensure!(
            device.lines().count() == 1,
            "expected one network device, found '{device}'"
        );
        let script = format!("ip link set {device} mtu {mtu} && ip link set {device} up");
        end.guest(link).sh(&script)?;
        made.push(Node {
            namespace: "",
            device,
            address,
        });
    }
    for ((end, _), node) in nodes.iter().zip(&made) {
        let carrier = format!("[ $(cat /sys/class/net/{}/carrier) = 1 ]", node.device);
        end.guest(link).wait_until(HANDSHAKE_BOUND, &carrier)?;
    }
    made.try_into().ok().context("two nodes")
}
