// SPDX-License-Identifier: GPL-2.0

//! The management device: `vdpa dev add name NAME mgmtdev pci/ADDRESS`.
//!
//! Locks: `vdpa_dev_lock` is held in all callbacks. No other lock is taken.

use crate::{
    config_ops::EpfDevice,
    interrupt::{
        Interrupts,
        Signals, //
    },
    link::Link,
    takeover::Takeover, //
};
use kernel::{
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Full,
            Release, //
        },
        Arc, //
    }, //
};
use vdpa::{
    Attributes,
    Capabilities,
    Device,
    DeviceConfig,
    Management,
    ManagementRegistration,
    Memory,
    Options,
    Unregistered, //
};

/// Makes the one device of an endpoint function.
pub(crate) struct EpfManagement {
    pdev: ARef<pci::Device>,
    link: Arc<Link>,
    signals: Arc<Signals>,
    interrupts: Arc<Interrupts>,
    takeover: Arc<Takeover>,
    is_added: Atomic<bool>,
}

impl EpfManagement {
    /// Registers the management device of `pdev`.
    pub(crate) fn register(
        pdev: &pci::Device,
        link: &Arc<Link>,
        signals: &Arc<Signals>,
        interrupts: &Arc<Interrupts>,
        takeover: &Arc<Takeover>,
    ) -> Result<Pin<KBox<ManagementRegistration<Self>>>> {
        let identity = link.identity();
        let capabilities = Capabilities {
            device_ids: &[identity.device_id()],
            attributes: Attributes::FEATURES,
            features: identity.device_features(),
            max_vqs: identity.num_queues().into(),
        };
        let management = Self {
            pdev: pdev.into(),
            link: link.clone(),
            signals: signals.clone(),
            interrupts: interrupts.clone(),
            takeover: takeover.clone(),
            is_added: Atomic::new(false),
        };
        KBox::pin_init(
            ManagementRegistration::new(pdev.as_ref(), capabilities, management),
            GFP_KERNEL,
        )
    }

    /// The features that the user wants the device to offer.
    fn choose_features(&self, config: &DeviceConfig) -> Result<u64> {
        let all = self.link.identity().device_features();
        match config.features {
            None => Ok(all),
            Some(chosen) if chosen & !all == 0 => Ok(chosen | transport::feature::OFFERED),
            Some(chosen) => {
                dev_err!(
                    self.link.dev(),
                    "Features {:#x} are not all among {:#x}, which the endpoint offers\n",
                    chosen,
                    all
                );
                Err(EINVAL)
            }
        }
    }

    fn make(&self, name: &CStr, offered: u64) -> Result<Unregistered<EpfDevice>> {
        let options = Options {
            name: Some(name),
            parent: (*self.pdev).as_ref(),
            queues: self.link.identity().num_queues().into(),
            memory: Memory::Dma((*self.pdev).as_ref()),
            can_suspend: self.link.can_suspend(),
        };
        let device = EpfDevice::new(
            self.link.clone(),
            self.signals.clone(),
            self.interrupts.clone(),
            self.takeover.clone(),
            offered,
        );
        Unregistered::new(&options, device)
    }
}

impl Management for EpfManagement {
    type Ops = EpfDevice;

    fn dev_add(&self, name: &CStr, config: &DeviceConfig) -> Result<Unregistered<EpfDevice>> {
        let offered = self.choose_features(config)?;
        if self.is_added.xchg(true, Full) {
            dev_err!(
                self.link.dev(),
                "The function has one vDPA device already; delete that first\n"
            );
            return Err(EBUSY);
        }
        self.make(name, offered)
            .inspect_err(|_| self.is_added.store(false, Release))
    }

    fn dev_leaves(&self, _device: &Device<EpfDevice>) {
        self.link.expect_end();
    }

    fn dev_del(&self, _device: &Device<EpfDevice>) {
        self.link.expect_no_end();
        self.is_added.store(false, Release);
    }
}
