// SPDX-License-Identifier: GPL-2.0
//! What tools/testing/vdpa_client does with the device node of a disk, one part after the other: each operation
//! as it is meant, and each way to use the node wrongly.

use std::time::Duration;

use anyhow::Result;
use vdpa_client::{misuse, operations};

use super::cases::with_node;
use super::machines::Offers;
use crate::ktap::{Part, Verdict};
use crate::runner::{Case, Record};
use crate::workload::blkio;

/// For one part, with several sessions of a device.
const PART_BOUND: Duration = Duration::from_secs(60);

pub fn cases<B: Offers>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "operations_keep_their_promises",
            about: "what a disk says of itself is so, its queue starts, stops and moves, and signals arrive",
            run: operations_keep_their_promises,
        },
        Case {
            name: "misuse_is_refused",
            about:
                "what a process gets wrong is refused or has no effect, and the next one has the disk",
            run: misuse_is_refused,
        },
    ]
}

fn operations_keep_their_promises<B: Offers>(bench: &mut B, record: &mut Record) -> Result<()> {
    let names = operations::catalogue().into_iter();
    parts(bench, record, "operation", names.map(|it| it.name))
}

fn misuse_is_refused<B: Offers>(bench: &mut B, record: &mut Record) -> Result<()> {
    let names = misuse::catalogue().into_iter();
    parts(bench, record, "misuse", names.map(|it| it.name))
}

/// Has the client do all that these are the names of, and sees that the next process has the disk.
fn parts<B: Offers>(
    bench: &mut B,
    record: &mut Record,
    action: &str,
    names: impl Iterator<Item = &'static str>,
) -> Result<()> {
    with_node(bench, |bench, node| {
        for name in names {
            let command = format!("vdpa-client {action} {name} {node}");
            let outcome = bench.driver().sh_within(PART_BOUND, &command);
            record.parts([Part {
                name: name.to_owned(),
                verdict: match outcome {
                    Ok(_) => Verdict::Passed,
                    Err(error) => Verdict::Failed(format!("{error:#}")),
                },
            }]);
        }
        let commands = ["write -P 0x3c 0 64k", "flush", "read -P 0x3c 0 64k"];
        blkio::qemu_io(bench.driver(), node, &commands)
    })
}
