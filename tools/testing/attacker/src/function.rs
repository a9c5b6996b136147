// SPDX-License-Identifier: GPL-2.0
//! A PCI function without a driver, by its files in sysfs.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{bail, ensure, Context, Result};
use transport::{BarSizes, NUM_BARS};

use crate::bar::Bar;

const COMMAND: u64 = 0x04;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_MASTER: u16 = 1 << 2;
const FIRST_CAPABILITY: u64 = 0x34;
const MSIX: u8 = 0x11;
const MSIX_CONTROL: u64 = 2;
const MSIX_ENABLE: u16 = 1 << 15;
/// What the list of capabilities has at most: one in every four bytes behind the header.
const MAX_CAPABILITIES: usize = 48;

/// The function.
pub struct Function {
    directory: PathBuf,
    config: File,
}

impl Function {
    /// Takes a function that no driver has.
    pub fn open(address: &str) -> Result<Self> {
        let directory = PathBuf::from("/sys/bus/pci/devices").join(address);
        ensure!(
            !directory.join("driver").exists(),
            "{address} has a driver; unbind it first"
        );
        let config = OpenOptions::new()
            .read(true)
            .write(true)
            .open(directory.join("config"))
            .with_context(|| format!("there is no function {address}"))?;
        Ok(Self { directory, config })
    }

    /// Sizes of its memory BARs.
    pub fn bar_sizes(&self) -> Result<BarSizes> {
        let mut sizes = [0; NUM_BARS];
        for (size, (start, end)) in sizes.iter_mut().zip(self.resources()?) {
            *size = if end == 0 { 0 } else { end - start + 1 };
        }
        Ok(sizes)
    }

    /// Address on the RC's bus of a BAR.
    pub fn bar_address(&self, bar: u8) -> Result<u64> {
        let resources = self.resources()?;
        let found = resources.get(usize::from(bar));
        found.map(|(start, _)| *start).context("no such BAR")
    }

    fn resources(&self) -> Result<Vec<(u64, u64)>> {
        let text = fs::read_to_string(self.directory.join("resource"))?;
        let number = |word: Option<&str>| {
            let digits = word.and_then(|word| word.strip_prefix("0x"));
            u64::from_str_radix(digits.unwrap_or_default(), 16)
        };
        let mut resources = Vec::new();
        for line in text.lines().take(NUM_BARS) {
            let mut words = line.split(' ');
            resources.push((number(words.next())?, number(words.next())?));
        }
        Ok(resources)
    }

    /// Maps a BAR.
    pub fn map(&self, bar: usize, size: u64) -> Result<Bar> {
        let resource = self.directory.join(format!("resource{bar}"));
        Bar::map(&resource, size.try_into()?)
    }

    /// Lets it decode its BARs, or not.
    pub fn set_decoding(&self, is_on: bool) -> Result<()> {
        self.set_command(COMMAND_MEMORY, is_on)
    }

    /// Lets it reach memory, or not.
    pub fn set_bus_master(&self, is_on: bool) -> Result<()> {
        self.set_command(COMMAND_MASTER, is_on)
    }

    fn set_command(&self, bit: u16, is_on: bool) -> Result<()> {
        let command = self.read16(COMMAND)?;
        let command = if is_on { command | bit } else { command & !bit };
        self.write16(COMMAND, command)
    }

    /// Resets the function; its registers are as before afterwards.
    pub fn reset(&self) -> Result<()> {
        fs::write(self.directory.join("reset"), "1").context("the function cannot be reset")
    }

    /// Uses MSI-X, or not.
    pub fn set_msix(&self, is_on: bool) -> Result<()> {
        let control = self.capability(MSIX)? + MSIX_CONTROL;
        let value = self.read16(control)?;
        let value = if is_on {
            value | MSIX_ENABLE
        } else {
            value & !MSIX_ENABLE
        };
        self.write16(control, value)
    }

    fn capability(&self, id: u8) -> Result<u64> {
        let mut pointer = FIRST_CAPABILITY;
        for _ in 0..MAX_CAPABILITIES {
            let at = self.read16(pointer)? & 0xfc;
            if at == 0 {
                break;
            }
            if self.read16(at.into())?.to_le_bytes()[0] == id {
                return Ok(at.into());
            }
            pointer = u64::from(at) + 1;
        }
        bail!("the function has no capability {id:#x}")
    }

    /// Reads two bytes, at any place.
    fn read16(&self, at: u64) -> Result<u16> {
        let mut bytes = [0; 2];
        self.config.read_exact_at(&mut bytes, at)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn write16(&self, at: u64, value: u16) -> Result<()> {
        Ok(self.config.write_all_at(&value.to_le_bytes(), at)?)
    }
}
