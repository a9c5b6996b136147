// SPDX-License-Identifier: GPL-2.0

//! The device status field as a state machine (VIRTIO 1.2, sections 2.1 and 3.1).
//!
//! It decides what a write of the driver side means and what is in the field afterwards. It calls
//! nobody; `control` does what it decides.
//!
//! ```text
//!   RESET -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK
//!                                     (can be vetoed) (starts the backend)
//!   any state but RESET, on an error of the device side:  + DEVICE_NEEDS_RESET
//!   any state, on a write of zero:  RESET
//! ```

use kernel::prelude::*;
use virtio::{
    features,
    status::Status, //
};

/// The bits that are the driver side's to set, each with those that have to be set with it or before.
const ORDER: [(Status, Status); 3] = [
    (Status::DRIVER, Status::ACKNOWLEDGE),
    (Status::FEATURES_OK, Status::DRIVER),
    (Status::DRIVER_OK, Status::FEATURES_OK),
];

/// What a write of the status field asks for, besides the new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Publish,
    /// The backend is to start with these features.
    Start(u64),
}

/// The status and the features that the driver side accepted.
#[derive(Default)]
pub(crate) struct Machine {
    status: Status,
    accepted: Option<u64>,
}

impl Machine {
    /// Returns what is in the status field.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// The driver side accepts `features` of those `offered`; `check` may veto them.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the features are settled already; `EINVAL`: some were not offered, or `VERSION_1` is
    /// missing; else that of `check`. Then `FEATURES_OK` will be vetoed.
    pub(crate) fn accept(
        &mut self,
        offered: u64,
        features: u64,
        check: impl FnOnce(u64) -> Result,
    ) -> Result {
        if self.status.contains(Status::FEATURES_OK) {
            return Err(EBUSY);
        }
        self.accepted = None;
        if features & !offered != 0 || features & features::VERSION_1 == 0 {
            return Err(EINVAL);
        }
        check(features)?;
        self.accepted = Some(features);
        Ok(())
    }

    /// The driver side writes `written`, which is not zero.
    ///
    /// Without accepted features `FEATURES_OK` stays clear, which is how the driver side learns of
    /// the veto (section 3.1.1, step 6), and so does a `DRIVER_OK` that comes along.
    ///
    /// # Errors
    ///
    /// `EINVAL`: bits are cleared or set out of order, or only a reset helps any more. The status is
    /// unchanged.
    pub(crate) fn write(&mut self, written: Status) -> Result<Step> {
        let mut new = self.checked(written)?;
        if self.accepted.is_none() {
            new = new.without(Status::FEATURES_OK | Status::DRIVER_OK);
        }
        let starts = new.contains(Status::DRIVER_OK) && !self.status.contains(Status::DRIVER_OK);
        self.status = new;
        Ok(match self.accepted {
            Some(features) if starts => Step::Start(features),
            _ => Step::Publish,
        })
    }

    /// Returns the status with the bits that the driver side sets, when it may set them.
    fn checked(&self, written: Status) -> Result<Status> {
        // The driver side writes back what it read, so the device's own bit may be in it or not.
        let written = written.without(Status::DEVICE_NEEDS_RESET);
        let before = self.status.without(Status::DEVICE_NEEDS_RESET);
        let is_in_order = ORDER
            .iter()
            .all(|&(bit, needs)| !written.contains(bit) || written.contains(needs));
        let starts = written.contains(Status::DRIVER_OK) && !before.contains(Status::DRIVER_OK);
        if !written.contains(before) || !is_in_order || (starts && self.needs_reset()) {
            return Err(EINVAL);
        }
        Ok(self.status | written)
    }

    /// The device met an error; returns whether that is news to the driver side.
    ///
    /// After a reset it is not: the error belongs to the life before.
    pub(crate) fn fail(&mut self) -> bool {
        let is_news = !self.status.is_reset() && !self.needs_reset();
        if is_news {
            self.status = self.status | Status::DEVICE_NEEDS_RESET;
        }
        is_news
    }

    /// Back to the beginning.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn needs_reset(&self) -> bool {
        self.status.contains(Status::DEVICE_NEEDS_RESET)
    }
}

#[kunit_tests(vhost_bus_status)]
mod tests {
    use super::*;

    const OFFERED: u64 = features::VERSION_1 | 0b11;
    const ACCEPTED: u64 = features::VERSION_1 | 0b01;
    const EARLY: Status = Status::from_bits(0x3);
    const SETTLED: Status = Status::from_bits(0xb);
    const RUNNING: Status = Status::from_bits(0xf);

    fn settled() -> Result<Machine> {
        let mut machine = Machine::default();
        machine.accept(OFFERED, ACCEPTED, |_| Ok(()))?;
        machine.write(SETTLED)?;
        Ok(machine)
    }

    #[test]
    fn bit_by_bit() -> Result {
        let mut machine = Machine::default();
        machine.accept(OFFERED, ACCEPTED, |_| Ok(()))?;
        for written in [0x1, 0x3, 0xb] {
            assert!(machine.write(Status::from_bits(written)) == Ok(Step::Publish));
            assert_eq!(machine.status().bits(), written);
        }
        assert!(machine.write(RUNNING) == Ok(Step::Start(ACCEPTED)));
        // Written again, nothing starts again.
        assert!(machine.write(RUNNING) == Ok(Step::Publish));
        Ok(())
    }

    #[test]
    fn all_at_once() -> Result {
        let mut machine = Machine::default();
        machine.accept(OFFERED, ACCEPTED, |_| Ok(()))?;
        assert!(machine.write(RUNNING) == Ok(Step::Start(ACCEPTED)));
        Ok(())
    }

    #[test]
    fn order_matters() {
        let mut machine = Machine::default();
        for written in [0x2, 0x4, 0x8, 0x9, 0xa, 0x5] {
            assert!(machine.write(Status::from_bits(written)) == Err(EINVAL));
            assert!(machine.status().is_reset());
        }
    }

    #[test]
    fn bits_stay() -> Result {
        let mut machine = settled()?;
        assert!(machine.write(EARLY) == Err(EINVAL));
        assert!(machine.status() == SETTLED);
        assert!(machine.write(SETTLED | Status::FAILED) == Ok(Step::Publish));
        Ok(())
    }

    #[test]
    fn features_are_vetoed() {
        let mut machine = Machine::default();
        assert!(machine.accept(OFFERED, OFFERED | 1 << 5, |_| Ok(())) == Err(EINVAL));
        assert!(machine.accept(OFFERED, 0b01, |_| Ok(())) == Err(EINVAL));
        assert!(machine.accept(OFFERED, ACCEPTED, |_| Err(ENOTSUPP)) == Err(ENOTSUPP));
        assert!(machine.write(RUNNING) == Ok(Step::Publish));
        assert!(machine.status() == EARLY);
    }

    #[test]
    fn veto_forgets_what_was_accepted() {
        let mut machine = Machine::default();
        assert!(machine.accept(OFFERED, ACCEPTED, |_| Ok(())) == Ok(()));
        assert!(machine.accept(OFFERED, OFFERED, |_| Err(ENOTSUPP)) == Err(ENOTSUPP));
        assert!(machine.write(SETTLED) == Ok(Step::Publish));
        assert!(machine.status() == EARLY);
    }

    #[test]
    fn settled_features_stay() -> Result {
        let mut machine = settled()?;
        assert!(machine.accept(OFFERED, OFFERED, |_| Ok(())) == Err(EBUSY));
        assert!(machine.write(RUNNING) == Ok(Step::Start(ACCEPTED)));
        Ok(())
    }

    #[test]
    fn fault_is_told_once() -> Result {
        let mut machine = Machine::default();
        assert!(!machine.fail());
        let mut settled = settled()?;
        assert!(settled.fail());
        assert!(!settled.fail());
        assert_eq!(settled.status().bits(), 0x4b);
        // The driver side may or may not write the device's bit back; it cannot clear it.
        assert!(settled.write(SETTLED) == Ok(Step::Publish));
        assert_eq!(settled.status().bits(), 0x4b);
        Ok(())
    }

    #[test]
    fn only_a_reset_helps() -> Result {
        let mut machine = settled()?;
        machine.fail();
        assert!(machine.write(RUNNING) == Err(EINVAL));
        machine.reset();
        assert!(machine.status().is_reset());
        assert!(machine.write(SETTLED) == Ok(Step::Publish));
        assert!(machine.status() == EARLY);
        Ok(())
    }
}
