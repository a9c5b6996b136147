// SPDX-License-Identifier: GPL-2.0
//! Why the endpoint is dead.

use anyhow::Result;
use epc_emulator::link::BusError;

use crate::commands::endpoint;
use crate::commands::served::ServedTo;
use crate::link::Link;

/// What is left on the endpoint when the cause is over.
pub enum Left {
    /// All of it: the RC only needs another vDPA device.
    Device,
    /// The function, without a link.
    Function,
    /// A machine that boots anew.
    Nothing,
}

/// Why the endpoint is dead.
pub trait Cause: 'static {
    /// What the RC finds afterwards.
    const LEFT: Left;

    /// Does it.
    fn happen<D>(link: &mut Link, served: &ServedTo<D>) -> Result<()>;

    /// Does what ends it.
    fn mend(_: &mut Link) -> Result<()> {
        Ok(())
    }
}

/// The EP loses its power, and boots anew.
pub struct NoPower;

impl Cause for NoPower {
    const LEFT: Left = Left::Nothing;

    fn happen<D>(link: &mut Link, _: &ServedTo<D>) -> Result<()> {
        link.ep.switch_off()
    }

    fn mend(link: &mut Link) -> Result<()> {
        link.restart_ep()
    }
}

/// The EP stops its link: reads answer all-ones, then the slot is empty.
pub struct NoLink;

impl Cause for NoLink {
    const LEFT: Left = Left::Function;

    fn happen<D>(link: &mut Link, _: &ServedTo<D>) -> Result<()> {
        endpoint::begin_stop(&mut link.ep)
    }
}

/// The EP stands still.
pub struct Frozen;

impl Cause for Frozen {
    const LEFT: Left = Left::Device;

    fn happen<D>(link: &mut Link, _: &ServedTo<D>) -> Result<()> {
        link.ep.freeze()
    }

    fn mend(link: &mut Link) -> Result<()> {
        link.ep.thaw()
    }
}

/// The bus reports a fatal error, and is reset.
pub struct FailedBus;

impl Cause for FailedBus {
    const LEFT: Left = Left::Device;

    fn happen<D>(link: &mut Link, _: &ServedTo<D>) -> Result<()> {
        link.report(BusError::Fatal)
    }
}

/// A user of the RC resets the function.
pub struct Reset;

impl Cause for Reset {
    const LEFT: Left = Left::Device;

    fn happen<D>(link: &mut Link, served: &ServedTo<D>) -> Result<()> {
        let reset = format!("echo 1 >/sys/bus/pci/devices/{}/reset", served.address);
        link.rc.sh(&reset).map(drop)
    }
}

/// A user of the RC takes bus mastering away.
pub struct CutOff;

impl Cause for CutOff {
    const LEFT: Left = Left::Device;

    fn happen<D>(link: &mut Link, served: &ServedTo<D>) -> Result<()> {
        let cut = format!("setpci -s {} COMMAND=0:4", served.address);
        link.rc.sh(&cut).map(drop)
    }
}
