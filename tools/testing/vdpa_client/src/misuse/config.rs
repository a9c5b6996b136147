// SPDX-License-Identifier: GPL-2.0
//! Parts of the device config that there are not.

use anyhow::{ensure, Result};
use rustix::io::Errno;
use vhost::vdpa::VhostVdpa;

use super::Misuse;
use crate::node::{refused, Node};

pub fn catalogue() -> Vec<Misuse> {
    vec![
        Misuse {
            name: "config_out_of_range",
            about: "the device config is neither read nor written beyond its end",
            run: config_out_of_range,
        },
        Misuse {
            name: "config_is_the_devices",
            about: "what a process writes over a capacity or an address stays as it was",
            run: config_is_the_devices,
        },
    ]
}

fn config_out_of_range(node: &Node) -> Result<()> {
    node.negotiate()?;
    let device = node.device();
    let size = device.get_config_size()?;
    let before = read(node, size)?;
    for (offset, length) in [
        (0, 0),
        (size + 1, 1),
        (u32::MAX, 1),
        (u32::MAX, size),
        (size, 1),
        (1, size),
        (0, size + 1),
        (size - 1, 1 << 20),
    ] {
        let mut bytes = vec![0xff; length as usize];
        let what = format!("{length} bytes of config at {offset}");
        refused(&what, device.set_config(offset, &bytes), Errno::INVAL)?;
        refused(&what, device.get_config(offset, &mut bytes), Errno::INVAL)?;
    }
    ensure!(read(node, size)? == before, "the device config changed");
    Ok(())
}

/// The first eight bytes: the capacity of a disk, address and status of a network device.
fn config_is_the_devices(node: &Node) -> Result<()> {
    node.negotiate()?;
    let before = read(node, 8)?;
    let bytes: Vec<u8> = before.iter().map(|byte| !byte).collect();
    node.device().set_config(0, &bytes)?;
    ensure!(read(node, 8)? == before, "the device config changed");
    Ok(())
}

fn read(node: &Node, length: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    node.device().get_config(0, &mut bytes)?;
    Ok(bytes)
}
