// SPDX-License-Identifier: GPL-2.0

//! What becomes of the endpoint when the bus fails or the function is reset behind the driver's back.
//!
//! It is lost, as when it died: `takeover` ends what is outstanding, and the device needs a reset, by
//! which it can be had back if the bus works again. There is no `resume` handler: a lost device stays lost
//! until its driver resets it, and the PCI core knows by itself when the bus works (`Link::tell_if_back`).
//!
//! Locks: the device lock is held in all callbacks; `Link::port` is taken inside it. Context: process.

use crate::{
    driver::{
        Bound,
        EpfVdpa, //
    },
    link::Loss, //
};
use kernel::prelude::*;
use pci_host::{
    Channel,
    Recover,
    Verdict, //
};

impl Recover for EpfVdpa {
    fn error_detected(bound: Pin<&Bound>, channel: Channel) -> Verdict {
        match channel {
            Channel::Normal => Verdict::GoOn,
            Channel::Frozen => {
                bound.lose(Loss::BusError);
                Verdict::Reset
            }
            Channel::Dead => {
                bound.lose(Loss::BusError);
                Verdict::GiveUp
            }
        }
    }

    fn reset_prepare(bound: Pin<&Bound>) {
        bound.link.set_in_reset(true);
        bound.lose(Loss::FunctionReset);
    }

    fn reset_done(bound: Pin<&Bound>) {
        bound.link.set_in_reset(false);
    }
}

impl Bound {
    /// Cuts the endpoint off, and has what is outstanding ended at once.
    fn lose(&self, why: Loss) {
        self.link.cut_off(why);
        self.monitor.look();
    }
}
