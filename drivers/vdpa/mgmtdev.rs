// SPDX-License-Identifier: GPL-2.0

//! The management device: `vdpa dev add name NAME mgmtdev pci/ADDRESS`.
//!
//! Locks: `vdpa_dev_lock` is held in all callbacks, but for `dev_add` of a device that the driver adds by
//! itself. No other lock is taken.

use crate::{
    config_ops::EpfDevice,
    interrupt::{
        Interrupts,
        Signals, //
    },
    link::Link,
    process::ProcessMemory,
    push::Pushes,
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
use transport::GroupCounts;
use vdpa::{
    Attributes,
    Capabilities,
    Chosen,
    Device,
    KernelMap,
    Management,
    ManagementRegistration,
    Memory,
    Options,
    Unregistered, //
};
use virtio::{
    ids::DeviceId,
    net,
    provision::{
        possible_features,
        Published,
        Request, //
    },
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
            attributes: Attributes::of(DeviceId::new(identity.device_id())),
            features: possible_features(
                DeviceId::new(identity.device_id()),
                link.device_features(),
            ),
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

    /// What the user chooses of the device.
    fn choose(&self, request: &Request) -> Result<Chosen> {
        let identity = self.link.identity();
        let published = Published {
            device: DeviceId::new(identity.device_id()),
            queues: identity.num_queues(),
            features: self.link.device_features(),
            on_request: 0,
            net: self.net_config(request)?,
        };
        let request = Request {
            features: request.features.map(|f| f | transport::feature::OFFERED),
            ..*request
        };
        Chosen::new(self.link.dev(), &published, &request)
    }

    /// The config of the endpoint, as far as `request` asks for it.
    fn net_config(&self, request: &Request) -> Result<net::Config> {
        let mut bytes = [0; net::Config::LEN];
        if request.depends_on_config() {
            // Finds the session that the endpoint is in by now.
            self.link.reset()?;
            self.link.read_config_inside(0, &mut bytes)?;
        }
        Ok(net::Config::from_bytes(&bytes))
    }

    fn dma(&self) -> &kernel::device::Device {
        (*self.pdev).as_ref()
    }

    /// How many groups of queues and address spaces a process sees: an IOMMU has one for the function.
    fn groups(&self, process: &Option<Arc<ProcessMemory>>) -> GroupCounts {
        match process {
            Some(_) => self.link.identity().groups(),
            None => GroupCounts::ONE,
        }
    }

    /// The memory of a process that drives the device, if the endpoint has to translate its addresses: an
    /// IOMMU does it for nothing.
    fn process_memory(&self) -> Result<Option<Arc<ProcessMemory>>> {
        let is_needed = self.link.can_map() && !vdpa::has_iommu(self.dma());
        is_needed
            .then(|| ProcessMemory::new(&self.link))
            .transpose()
    }

    /// By what the driver reads memory of a process, to push its queues.
    fn readable(&self, process: &Option<Arc<ProcessMemory>>) -> Result<Option<Arc<KernelMap>>> {
        let is_needed = process.is_some() && self.link.identity().layout().push().is_some();
        is_needed
            .then(|| Arc::pin_init(KernelMap::new(), GFP_KERNEL))
            .transpose()
    }

    fn make(&self, name: &CStr, request: &Request) -> Result<Unregistered<EpfDevice>> {
        let process = self.process_memory()?;
        let readable = self.readable(&process)?;
        let pushes = Pushes::new(&self.link, readable.clone())?;
        let groups = self.groups(&process);
        let chosen = self.choose(request)?;
        let options = Options {
            name: Some(name),
            parent: (*self.pdev).as_ref(),
            queues: chosen.queues(),
            groups: groups.groups.into(),
            spaces: groups.spaces.into(),
            memory: match process {
                Some(_) => Memory::Translated {
                    dma: self.dma(),
                    readable,
                },
                None => Memory::Dma(self.dma()),
            },
            can_suspend: self.link.can_suspend(),
        };
        let device = EpfDevice::new(
            self.link.clone(),
            self.signals.clone(),
            self.interrupts.clone(),
            self.takeover.clone(),
            process,
            pushes,
            chosen.provisioned(),
        );
        Unregistered::new(&options, device)
    }
}

impl Management for EpfManagement {
    type Ops = EpfDevice;

    fn dev_add(&self, name: &CStr, request: &Request) -> Result<Unregistered<EpfDevice>> {
        if self.is_added.xchg(true, Full) {
            dev_err!(
                self.link.dev(),
                "The function has one vDPA device already; delete that first\n"
            );
            return Err(EBUSY);
        }
        self.make(name, request)
            .inspect_err(|_| self.is_added.store(false, Release))
    }

    fn dev_set_mac(&self, device: &Device<EpfDevice>, mac: [u8; 6]) -> Result {
        device.set_mac(mac)
    }

    fn dev_leaves(&self, _device: &Device<EpfDevice>) {
        self.link.expect_end();
    }

    fn dev_del(&self, _device: &Device<EpfDevice>) {
        self.link.expect_no_end();
        self.is_added.store(false, Release);
    }
}
