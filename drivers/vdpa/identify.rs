// SPDX-License-Identifier: GPL-2.0

//! Finds the endpoint's registers and learns what it is (I1 to I5).
//!
//! Context: process, may sleep. No lock is taken.

use crate::hw::{
    Bar,
    Bars, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    pci,
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use transport::{
    BarSizes,
    Doorbell,
    Identity,
    IdentityError,
    Registers, //
};

/// How often the RC looks whether the endpoint became ready, in milliseconds.
const READY_POLL_MS: i64 = 10;

/// The first BAR that begins with the magic number (I1).
pub(crate) fn find_registers(pdev: &pci::Device<Bound>, sizes: &BarSizes) -> Result<Bar> {
    for (number, size) in (0..).zip(sizes) {
        if *size == 0 {
            continue;
        }
        let bar = Bar::map(pdev, number)?;
        match bar.read32(transport::offset::MAGIC) {
            transport::MAGIC => return Ok(bar),
            u32::MAX => {
                dev_err!(
                    pdev,
                    "BAR {} reads all-ones; the link to the endpoint is down\n",
                    number
                );
                return Err(EIO);
            }
            _ => {}
        }
    }
    dev_err!(
        pdev,
        "No BAR begins with {:#x}; the endpoint function must be pci_epf_vhost\n",
        transport::MAGIC
    );
    Err(ENODEV)
}

/// Reads the identity as soon as the endpoint is ready, within `bound_ms` (I2 to I5).
pub(crate) fn wait_ready(
    dev: &Device,
    registers: &Bar,
    sizes: &BarSizes,
    bound_ms: u64,
) -> Result<Identity> {
    let since = Instant::<Monotonic>::now();
    // Bounded by `bound_ms`.
    loop {
        match Identity::read(registers, registers.number(), sizes) {
            Ok(identity) => return Ok(identity),
            Err(IdentityError::NotReady) if (since.elapsed().as_millis() as u64) < bound_ms => {
                fsleep(Delta::from_millis(READY_POLL_MS));
            }
            Err(error) => return Err(refuse(dev, error, bound_ms)),
        }
    }
}

/// Says why the endpoint is not used.
fn refuse(dev: &Device, error: IdentityError, bound_ms: u64) -> Error {
    match error {
        IdentityError::NotReady => {
            dev_err!(
                dev,
                "Endpoint not ready within {} ms; start it, then bind the driver again\n",
                bound_ms
            );
            ETIMEDOUT
        }
        IdentityError::LinkDead => {
            dev_err!(dev, "The link to the endpoint is down\n");
            EIO
        }
        IdentityError::Version(version) => {
            dev_err!(
                dev,
                "Endpoint speaks protocol {}.{}, this driver {}.x; update the older side\n",
                version.major,
                version.minor,
                transport::Version::CURRENT.major
            );
            ENODEV
        }
        error => {
            dev_err!(dev, "Endpoint's registers are not legal: {:?}\n", error);
            ENODEV
        }
    }
}

/// The doorbells of all queues, made once while the driver has the device (D2).
pub(crate) fn doorbells(identity: &Identity, bars: &Bars) -> Result<KVec<Doorbell>> {
    let mut doorbells = KVec::with_capacity(identity.num_queues().into(), GFP_KERNEL)?;
    for queue in identity.layout().queues() {
        let slot = identity.layout().doorbells().slot(queue);
        let seen = bars.doorbells().read(slot as usize);
        doorbells.push(identity.doorbell(bars.registers(), queue, seen), GFP_KERNEL)?;
    }
    Ok(doorbells)
}
