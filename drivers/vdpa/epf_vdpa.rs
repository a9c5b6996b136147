// SPDX-License-Identifier: GPL-2.0

//! The RC side of virtio over PCIe: a vDPA device in front of a Linux endpoint.
//!
//! `driver` binds to the PCI function, `hw` is the only part that touches its BARs, `identify` and
//! `link` speak the protocol of `Documentation/transport.rst`, `config_ops` translates the operations of a vDPA
//! device to it, and `mgmtdev` lets the user add and delete that device. `monitor` notices when the
//! endpoint is gone, `recovery` is told that the bus failed or is reset, and `takeover` then finishes what
//! the endpoint left. `push` copies what queues have to memory of an endpoint that offers some. `process` is the
//! memory of a process, where the platform cannot translate its addresses for the endpoint.
//!
//! Limits: one vDPA device per function; MSI-X or MSI, not INTx; split virtqueues.

mod config_ops;
mod driver;
mod driver_memory;
mod hw;
mod identify;
mod interrupt;
mod last_config;
mod link;
mod mgmtdev;
mod monitor;
mod orphan;
mod process;
mod push;
mod queue;
mod recovery;
mod takeover;

kernel::module_driver!(<T>, pci_host::Adapter<T>, {
    type: driver::EpfVdpa,
    name: "epf_vdpa",
    authors: ["The epf-vhost developers"],
    description: "vDPA device in front of a PCI endpoint running pci_epf_vhost",
    license: "GPL",
    params: {
        auto_add: u8 {
            default: 0,
            description: "Not 0: each function has its vDPA device at once, named vdpa- and its PCI address",
        },
        silent_ms: u32 {
            default: 1500,
            description: "How long an endpoint may show no heartbeat before it is lost, in ms, 1500 at least",
        },
    },
});
