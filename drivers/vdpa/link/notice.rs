// SPDX-License-Identifier: GPL-2.0

//! Word to user space that a lost endpoint can be had back: one uevent for each loss that ends by itself.
//!
//! The driver replaces nothing. What is to become of a device whose requests failed is for its user to say,
//! for instance by the rules of `tools/udev`.
//!
//! Locks: `Link::notice` is held while registers are read and the event is sent. Context: process.

use super::{
    Link,
    Loss, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use transport::Comeback;

/// The variable of the event `change` (`Documentation/ABI/testing/sysfs-bus-pci-drivers-epf_vdpa`).
const BACK: &CStr = c"EPF_VDPA=back";

/// What user space is to know of an endpoint that may be lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Nothing.
    None,
    /// That it is there again, as soon as it is.
    Due(Comeback),
    /// Nothing more: it was told, and has not reset the device since.
    Given,
}

impl Notice {
    /// To be called when the endpoint is lost for a reason, and for each further reason that is found.
    pub(super) fn lost(&mut self, why: Loss) {
        if *self == Self::None && why.ends_by_itself() {
            *self = Self::Due(Comeback::default());
        }
    }
}

impl Link {
    /// Tells user space if a lost endpoint is there again, once; to be called once per beat.
    pub(crate) fn tell_if_back(&self) {
        let mut notice = self.notice.lock();
        let Notice::Due(comeback) = &mut *notice else {
            return;
        };
        if !self.is_back(comeback) {
            return;
        }
        match pci_host::tell_change(&self.pdev, BACK) {
            Ok(()) => {
                dev_info!(self.dev(), "Endpoint can be had back\n");
                *notice = Notice::Given;
            }
            // It is due at the next beat as well.
            Err(error) => dev_err!(self.dev(), "No uevent could be sent: {:?}\n", error),
        }
    }

    /// Whether a reset of the device finds what it needs. Nothing is touched while accesses may not arrive.
    fn is_back(&self, comeback: &mut Comeback) -> bool {
        let regs = self.bars.registers();
        let is_reachable = !self.is_in_reset.load(Relaxed) && pci_host::is_reachable(&self.pdev);
        is_reachable
            && comeback
                .look(regs, regs.number(), &self.sizes)
                .is_some_and(|identity| self.is_same_device(&identity))
    }

    /// To be called when a reset of the function begins, and when it is over. Context: any.
    pub(crate) fn set_in_reset(&self, is_in_reset: bool) {
        self.is_in_reset.store(is_in_reset, Relaxed);
    }
}

#[kunit_tests(epf_vdpa_notice)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_when_the_loss_ends_by_itself() {
        for why in [
            Loss::Silent,
            Loss::LinkDead,
            Loss::Restarted,
            Loss::BusError,
            Loss::FunctionReset,
        ] {
            assert!(is_due_after(&[why]));
        }
        for why in [
            Loss::NeedsReset,
            Loss::Failed,
            Loss::Unfinished,
            Loss::CutOff,
        ] {
            assert!(!is_due_after(&[why]));
        }
    }

    #[test]
    fn one_reason_that_ends_by_itself_is_enough() {
        assert!(is_due_after(&[Loss::NeedsReset, Loss::Restarted]));
        assert!(is_due_after(&[Loss::Silent, Loss::Failed]));
    }

    #[test]
    fn it_is_given_once() {
        let mut notice = Notice::Given;
        // As each beat finds.
        notice.lost(Loss::LinkDead);
        assert_eq!(notice, Notice::Given);
    }

    fn is_due_after(losses: &[Loss]) -> bool {
        let mut notice = Notice::None;
        for why in losses {
            notice.lost(*why);
        }
        matches!(notice, Notice::Due(_))
    }
}
