// SPDX-License-Identifier: GPL-2.0
//! Which interrupts vhost_vdpa offers to a hypervisor: those of a queue alone.

use anyhow::{ensure, Result};

use super::machines::{LinkWithIommu, DISK};
use crate::commands::served::{Instance, ServedTo};
use crate::commands::vhost_vdpa::VhostVdpa;
use crate::guest::Guest;
use crate::runner::{Case, Record};
use crate::workload::blkio;

/// Where the kernel counts calls of one of its functions.
const TRACING: &str = "/sys/kernel/tracing";

/// What is done with a disk while it is watched.
const COMMANDS: [&str; 1] = ["read 0 4k"];

pub fn cases() -> Vec<Case<LinkWithIommu>> {
    vec![Case {
        name: "queues_offer_their_own_interrupts",
        about: "the interrupt of a queue is offered to a hypervisor, unless it is shared",
        run: queues_offer_their_own_interrupts,
    }]
}

fn queues_offer_their_own_interrupts(bench: &mut LinkWithIommu, record: &mut Record) -> Result<()> {
    for (vectors, is_shared) in [("2", false), ("1", true)] {
        let attributes = [("../msix_interrupts", vectors)];
        let disk = Instance::Disk(&DISK);
        let served = ServedTo::<VhostVdpa>::start_with(&mut bench.link, disk, &attributes)?;
        let rc = &mut bench.link.rc;
        let offered = offered_interrupts(rc, &served.vdpa.node)?;
        let of_the_queue =
            rc.sh("grep epf_vdpa /proc/interrupts | tail -n 1 | sed 's/:.*//;s/ //g'")?;
        let expected = if is_shared { "" } else { &of_the_queue };
        ensure!(
            offered == expected,
            "{vectors} vectors: expected interrupt '{expected}', offered is '{offered}'"
        );
        record.note(format!(
            "{vectors} vectors: interrupt '{offered}' is offered"
        ));
        served.stop(&mut bench.link)?;
    }
    Ok(())
}

/// Uses the disk, and returns the interrupts that vhost_vdpa offers meanwhile.
fn offered_interrupts(rc: &mut Guest, node: &str) -> Result<String> {
    rc.sh(&format!(
        "set -e
         [ -e {TRACING}/trace ] || mount -t tracefs tracefs {TRACING}
         cd {TRACING}
         echo 'p:offer irq_bypass_register_producer irq=%dx:s32' >kprobe_events
         echo 1 >events/kprobes/offer/enable"
    ))?;
    blkio::qemu_io(rc, node, &COMMANDS)?;
    rc.sh(&format!(
        "set -e; cd {TRACING}
         sed -n 's/.*offer: .*irq=//p' trace
         echo 0 >events/kprobes/offer/enable
         echo >kprobe_events
         echo >trace"
    ))
}
