// SPDX-License-Identifier: GPL-2.0
//! A process that uses the device node wrongly, in each way that tools/testing/vdpa_client knows.

use std::time::Duration;

use anyhow::Result;
use vdpa_client::misuse;

use super::cases::with_node;
use super::machines::Offers;
use crate::ktap::{Part, Verdict};
use crate::runner::{Case, Record};
use crate::workload::blkio;

/// For one way, with several sessions of a device.
const MISUSE_BOUND: Duration = Duration::from_secs(60);

pub fn case<B: Offers>() -> Case<B> {
    Case {
        name: "misuse_is_refused",
        about:
            "what a process gets wrong is refused or has no effect, and the next one has the disk",
        run: misuse_is_refused,
    }
}

fn misuse_is_refused<B: Offers>(bench: &mut B, record: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        for misuse in misuse::catalogue() {
            let command = format!("vdpa-client misuse {} {node}", misuse.name);
            let outcome = bench.driver().sh_within(MISUSE_BOUND, &command);
            record.parts([Part {
                name: misuse.name.to_owned(),
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
