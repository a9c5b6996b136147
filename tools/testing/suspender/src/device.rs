// SPDX-License-Identifier: GPL-2.0
//! The ioctls of a vhost-vdpa device (the kernel's include/uapi/linux/vhost.h).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::ioctl::{ioctl, opcode, Getter, Ioctl, NoArg, Opcode, Setter};

const GROUP: u8 = 0xaf;
const GET_FEATURES: Opcode = opcode::read::<u64>(GROUP, 0x00);
const SET_FEATURES: Opcode = opcode::write::<u64>(GROUP, 0x00);
const SET_OWNER: Opcode = opcode::none(GROUP, 0x01);
const GET_STATUS: Opcode = opcode::read::<u8>(GROUP, 0x71);
const SET_STATUS: Opcode = opcode::write::<u8>(GROUP, 0x72);
const SUSPEND: Opcode = opcode::none(GROUP, 0x7d);
const RESUME: Opcode = opcode::none(GROUP, 0x7e);

/// The status of a device whose features are settled.
pub const SETTLED: u8 = 0x0b;
/// The status of a device at work.
pub const RUNNING: u8 = 0x0f;

/// A device.
pub struct Device(OwnedFd);

impl Device {
    /// Opens one that no process has.
    pub fn open(node: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).open(node);
        let file = file.with_context(|| format!("cannot open {}", node.display()))?;
        let device = Self(file.into());
        // SAFETY: it takes no argument.
        device.call("SET_OWNER", unsafe { NoArg::<SET_OWNER>::new() })?;
        Ok(device)
    }

    /// Takes one that another process has opened.
    pub fn of(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Accepts all features that the device offers, which a device does before it is at work.
    pub fn negotiate(&self) -> Result<()> {
        self.set_status(SETTLED & 0x03)?;
        // SAFETY: it writes 64 bits.
        let offered = self.call("GET_FEATURES", unsafe {
            Getter::<GET_FEATURES, u64>::new()
        })?;
        // SAFETY: it reads 64 bits.
        self.call("SET_FEATURES", unsafe {
            Setter::<SET_FEATURES, u64>::new(offered)
        })?;
        self.set_status(SETTLED)
    }

    /// Returns the device status.
    pub fn status(&self) -> Result<u8> {
        // SAFETY: it writes 8 bits.
        self.call("GET_STATUS", unsafe { Getter::<GET_STATUS, u8>::new() })
    }

    /// Sets the device status.
    pub fn set_status(&self, status: u8) -> Result<()> {
        // SAFETY: it reads 8 bits.
        self.call("SET_STATUS", unsafe {
            Setter::<SET_STATUS, u8>::new(status)
        })
    }

    /// Suspends the device.
    pub fn suspend(&self) -> Result<()> {
        // SAFETY: it takes no argument.
        self.call("SUSPEND", unsafe { NoArg::<SUSPEND>::new() })
    }

    /// Resumes the device.
    pub fn resume(&self) -> Result<()> {
        // SAFETY: it takes no argument.
        self.call("RESUME", unsafe { NoArg::<RESUME>::new() })
    }

    fn call<I: Ioctl>(&self, name: &str, operation: I) -> Result<I::Output> {
        // SAFETY: each operation above is defined by the kernel for these opcodes and arguments.
        let result: Result<_, Errno> = unsafe { ioctl(&self.0, operation) };
        result.with_context(|| name.to_owned())
    }
}
