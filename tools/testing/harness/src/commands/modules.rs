// SPDX-License-Identifier: GPL-2.0
//! Loading and unloading modules.

use anyhow::Result;

use crate::guest::Guest;

/// Loads modules with what they depend on. The guests have no udev, which does it elsewhere.
pub fn load(guest: &mut Guest, modules: &[&str]) -> Result<()> {
    guest
        .sh(&format!("modprobe -a {}", modules.join(" ")))
        .map(drop)
}

/// The orders in which three modules can come or go.
pub fn orders([a, b, c]: [&str; 3]) -> [[&str; 3]; 6] {
    [
        [a, b, c],
        [a, c, b],
        [b, a, c],
        [b, c, a],
        [c, a, b],
        [c, b, a],
    ]
}

/// Unloads modules in the given order, and nothing else.
pub fn unload(guest: &mut Guest, modules: &[&str]) -> Result<()> {
    guest.sh(&format!("rmmod {}", modules.join(" "))).map(drop)
}
