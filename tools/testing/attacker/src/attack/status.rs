// SPDX-License-Identifier: GPL-2.0
//! Status and features in an order, or with bits, that make no sense.

use anyhow::{ensure, Result};
use transport::{feature, Command, CommandError, DeviceStatus, Reply};

use super::{Attack, Device};
use crate::block;
use crate::driver::{EARLY, RUNNING, SETTLED};
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "status_bits_are_cleared",
            about: "a status lacks bits of the one before, is 0, or has unknown bits",
            device: Device::Disk,
            run: status_bits_are_cleared,
        },
        Attack {
            name: "status_bits_out_of_order",
            about: "FEATURES_OK comes first, FAILED in between, DRIVER_OK at last",
            device: Device::Disk,
            run: status_bits_out_of_order,
        },
        Attack {
            name: "needs_reset_is_written",
            about: "the driver sets the bit that belongs to the device",
            device: Device::Disk,
            run: needs_reset_is_written,
        },
        Attack {
            name: "features_not_offered",
            about: "features are accepted that were not offered, each of them alone",
            device: Device::Disk,
            run: features_not_offered,
        },
        Attack {
            name: "features_that_are_required",
            about: "VERSION_1 or ACCESS_PLATFORM is not accepted: FEATURES_OK stays clear",
            device: Device::Disk,
            run: features_that_are_required,
        },
        Attack {
            name: "driver_ok_without_queues",
            about: "the device begins without a queue, is kicked, and gets its queues later",
            device: Device::Disk,
            run: driver_ok_without_queues,
        },
    ]
}

fn status_bits_are_cleared(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let bad = |status| (Command::SetStatus(status), CommandError::BadArgument);
    for status in [0, 0x10, 0x20, 0x30] {
        let (command, error) = bad(status);
        driver.refused(&command, error)?;
    }
    driver.bring_up(0)?;
    for status in [0, 1, EARLY, SETTLED, RUNNING & !1, RUNNING | 0x10] {
        let (command, error) = bad(status);
        driver.refused(&command, error)?;
    }
    driver.expect_working()
}

fn status_bits_out_of_order(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let features_ok = DeviceStatus::FEATURES_OK.bits();
    let failed = DeviceStatus::FAILED.bits();
    // Without the features that are required, whatever else is set.
    let reply = driver.command(&Command::SetStatus(features_ok))?;
    ensure!(
        reply == Reply::Status(DeviceStatus::RESET),
        "FEATURES_OK without features: {reply:?}"
    );
    driver.refused(
        &Command::SetStatus(features_ok | DeviceStatus::DRIVER_OK.bits()),
        CommandError::BadState,
    )?;
    driver.command(&Command::SetFeatures(feature::OFFERED))?;
    driver.command(&Command::SetStatus(features_ok))?;
    driver.command(&Command::SetStatus(features_ok | failed))?;
    // Each answer is allowed: a driver that failed may be refused to begin.
    let _ = driver.answer(&Command::SetStatus(RUNNING | failed))?;
    let mut driver = target.driver()?;
    driver.command(&Command::SetFeatures(feature::OFFERED))?;
    driver.command(&Command::SetStatus(features_ok))?;
    for queue in 0..driver.identity().num_queues() {
        driver.add_queue(queue)?;
    }
    driver.command(&Command::SetStatus(
        features_ok | DeviceStatus::DRIVER_OK.bits(),
    ))?;
    block::expect_queue_works(&mut driver, 0)
}

fn needs_reset_is_written(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let needs_reset = DeviceStatus::DEVICE_NEEDS_RESET.bits();
    driver.refused(&Command::SetStatus(needs_reset), CommandError::BadArgument)?;
    let reply = driver.command(&Command::SetStatus(EARLY | needs_reset))?;
    ensure!(
        reply == Reply::Status(DeviceStatus::from_bits(EARLY)),
        "the bit of the device was taken: {reply:?}"
    );
    Ok(())
}

fn features_not_offered(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    let offered = driver.identity().device_features();
    driver.command(&Command::SetStatus(EARLY))?;
    let bits = (0..64).map(|bit| 1 << bit);
    for bit in bits.filter(|bit| offered & bit == 0) {
        let features = Command::SetFeatures(feature::OFFERED | bit);
        driver.refused(&features, CommandError::BadArgument)?;
    }
    driver.refused(&Command::SetFeatures(u64::MAX), CommandError::BadArgument)
}

fn features_that_are_required(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.command(&Command::SetStatus(EARLY))?;
    for features in [0, feature::VERSION_1, feature::ACCESS_PLATFORM] {
        driver.command(&Command::SetFeatures(features))?;
        let reply = driver.command(&Command::SetStatus(SETTLED))?;
        ensure!(
            reply == Reply::Status(DeviceStatus::from_bits(EARLY)),
            "features {features:#x} were accepted: {reply:?}"
        );
        driver.refused(&Command::SetStatus(RUNNING), CommandError::BadState)?;
    }
    driver.command(&Command::SetFeatures(feature::REQUIRED))?;
    driver.command(&Command::SetStatus(SETTLED))?;
    Ok(())
}

fn driver_ok_without_queues(target: &Target) -> Result<()> {
    let mut driver = target.driver()?;
    driver.negotiate(0)?;
    driver.start()?;
    super::doorbells::write_all(target, 1)?;
    for queue in 0..driver.identity().num_queues() {
        driver.add_queue(queue)?;
        block::expect_queue_works(&mut driver, queue)?;
    }
    driver.expect_working()
}
