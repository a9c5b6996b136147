// SPDX-License-Identifier: GPL-2.0

//! When an endpoint is lost, and what is done at once.
//!
//! Locks: `Link::port` is held while `is_lost` changes. Context: process, unless stated.

use super::Link;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Full,
            Relaxed,
            Release, //
        },
        MutexGuard, //
    }, //
};
use transport::{
    time,
    DeviceStatus,
    Health,
    RootComplexPort, //
};

/// No time that comes.
pub(super) const NEVER: u64 = u64::MAX;

/// Why an endpoint is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It has shown no heartbeat for too long.
    Silent,
    /// The link is dead.
    LinkDead,
    /// It is in another session.
    Restarted,
    /// It shows `DEVICE_NEEDS_RESET`.
    NeedsReset,
    /// It did not do what cannot go without.
    Failed,
    /// A user of the RC took bus mastering away: it can neither reach memory nor interrupt.
    CutOff,
    /// The bus failed on the way to it.
    BusError,
    /// Its function is reset, by a user of the RC.
    FunctionReset,
    /// It did not end its requests within `QUIESCE` when the device was deleted.
    Unfinished,
}

impl Loss {
    /// Whether the device can be had back as soon as the endpoint is there again.
    pub(super) const fn ends_by_itself(self) -> bool {
        match self {
            // The endpoint was dead, or the way to it.
            Self::Silent
            | Self::LinkDead
            | Self::Restarted
            | Self::BusError
            | Self::FunctionReset => true,
            // It is there, and would be lost again at once.
            Self::NeedsReset | Self::Failed | Self::Unfinished => false,
            // A user wants it so.
            Self::CutOff => false,
        }
    }
}

impl Link {
    /// Has the endpoint end all requests in time, as the driver side waits for that without a bound.
    /// Context: any.
    pub(crate) fn expect_end(&self) {
        self.ends_by
            .store(self.now_ms() + time::QUIESCE_MS, Relaxed);
    }

    /// Nobody waits for that any more. Context: any.
    pub(crate) fn expect_no_end(&self) {
        self.ends_by.store(NEVER, Relaxed);
    }

    /// Whether the endpoint is lost. Context: any.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Acquire)
    }

    /// Gives the endpoint up, as it did not do what the device cannot go without.
    pub(crate) fn give_up(&self) {
        self.lose(&mut self.port.lock(), Loss::Failed);
    }

    /// Gives the endpoint up at the next beat. Context: any.
    pub(crate) fn give_up_soon(&self) {
        self.has_failed.store(true, Relaxed);
    }

    /// Takes [`give_up_soon`](Self::give_up_soon) back.
    pub(super) fn keep(&self) {
        self.has_failed.store(false, Relaxed);
    }

    /// Cuts the endpoint off for a reason that is not the driver's.
    pub(crate) fn cut_off(&self, why: Loss) {
        self.lose(&mut self.port.lock(), why);
    }

    /// Cuts the endpoint off, unless that is done (H2).
    pub(super) fn lose(&self, port: &mut MutexGuard<'_, RootComplexPort>, why: Loss) {
        if !self.is_lost() {
            self.cut(port, why);
        }
        self.notice.lock().lost(why);
    }

    fn cut(&self, _port: &mut MutexGuard<'_, RootComplexPort>, why: Loss) {
        pci_host::set_bus_master(&self.pdev, false);
        // After the endpoint is cut off: whoever sees it may use the rings.
        self.is_lost.store(true, Release);
        dev_err!(
            self.dev(),
            "Endpoint lost ({:?}); the device needs a reset\n",
            why
        );
    }

    /// Lets the endpoint access memory again, which after a reset it does only when told to.
    pub(super) fn find(&self, _port: &mut MutexGuard<'_, RootComplexPort>) {
        if self.is_lost.xchg(false, Full) {
            pci_host::set_bus_master(&self.pdev, true);
            dev_info!(self.dev(), "Endpoint is back\n");
        }
    }

    /// Shows the endpoint that the RC is alive, and loses it if it is not (H1, H2).
    pub(crate) fn watch(&self) {
        let mut port = self.port.lock();
        let regs = self.bars.registers();
        let loss = match port.watch(regs, self.silent_ms, self.now_ms()) {
            Health::Alive => port
                .device_status(regs)
                .filter(|status| status.contains(DeviceStatus::DEVICE_NEEDS_RESET))
                .map(|_| Loss::NeedsReset)
                .or_else(|| self.is_overdue().then_some(Loss::Unfinished))
                .or_else(|| self.has_failed.xchg(false, Relaxed).then_some(Loss::Failed))
                .or_else(|| self.is_cut_off().then_some(Loss::CutOff)),
            Health::Silent => Some(Loss::Silent),
            Health::LinkDead => Some(Loss::LinkDead),
            Health::Restarted => Some(Loss::Restarted),
        };
        if let Some(loss) = loss {
            self.lose(&mut port, loss);
        }
    }

    /// An endpoint that has nothing to do would not notice, and one whose last interrupt was lost by it would be
    /// waited for.
    fn is_cut_off(&self) -> bool {
        !self.is_lost() && !pci_host::is_bus_master(&self.pdev)
    }

    fn is_overdue(&self) -> bool {
        self.now_ms() >= self.ends_by.load(Relaxed)
    }
}
