// SPDX-License-Identifier: GPL-2.0

//! Binds to the PCI function of the endpoint.

use crate::{
    interrupt::{
        Interrupts,
        Signals, //
    },
    link::Link,
    mgmtdev::EpfManagement,
    module_parameters,
    monitor::Monitor,
    takeover::Takeover, //
};
use concurrency::Queue;
use kernel::{
    device::Core,
    pci,
    prelude::*,
    str::CString,
    sync::Arc, //
};
use vdpa::ManagementRegistration;

/// The PCI device ID of `pci_epf_vhost`, out of the experimental range of vendor 0x1af4.
const DEVICE_ID: u32 = 0x10f0;

/// The PCI driver.
pub(crate) struct EpfVdpa;

/// What the driver keeps for a function; dropped in the order of the fields.
pub(crate) struct Bound {
    // First: its devices use all the rest.
    _management: Pin<KBox<ManagementRegistration<EpfManagement>>>,
    pub(crate) monitor: Monitor,
    pub(crate) link: Arc<Link>,
}

kernel::pci_device_table!(
    PCI_TABLE,
    MODULE_PCI_TABLE,
    <EpfVdpa as pci::Driver>::IdInfo,
    [(
        pci::DeviceId::from_id(pci::Vendor::REDHAT_QUMRANET, DEVICE_ID),
        ()
    )]
);

impl pci::Driver for EpfVdpa {
    type IdInfo = ();
    type Data<'bound> = Bound;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: &'bound Self::IdInfo,
    ) -> impl PinInit<Bound, Error> + 'bound {
        Bound::new(pdev)
    }
}

impl Bound {
    fn new(pdev: &pci::Device<Core<'_>>) -> Result<Self> {
        pdev.enable_device_mem()?;
        // Without access to memory, so after a reset there is none before the driver wants it.
        pci_host::save_config(pdev)?;
        pdev.set_master();
        pci_host::reach_64_bits(pdev)?;

        let silent_ms = (*module_parameters::silent_ms.value()).into();
        let link = Arc::pin_init(Link::new(pdev, silent_ms)?, GFP_KERNEL)?;
        let identity = link.identity();
        let signals = Signals::new(identity.num_queues())?;
        let interrupts = Interrupts::new(pdev, identity.num_queues(), &signals)?;
        let interrupts = Arc::new(interrupts, GFP_KERNEL)?;
        link.reset()?;
        dev_info!(
            pdev,
            "virtio device {}, {} queues, protocol {}.{}, {:?} doorbells\n",
            identity.device_id(),
            identity.num_queues(),
            identity.version().major,
            identity.version().minor,
            identity.layout().doorbells().kind
        );
        let queue = Arc::new(Queue::new(c"epf_vdpa")?, GFP_KERNEL)?;
        let takeover = Takeover::new(&queue, &link, &signals)?;
        let monitor = Monitor::new(&queue, &link, &signals, &takeover)?;
        let management = EpfManagement::register(pdev, &link, &signals, &interrupts, &takeover)?;
        if *module_parameters::auto_add.value() != 0 {
            add_device(pdev, &management);
        }
        Ok(Self {
            monitor,
            _management: management,
            link,
        })
    }
}

/// Adds a vDPA device, named after the function. If that fails, the user can still do it.
fn add_device(pdev: &pci::Device<Core<'_>>, management: &ManagementRegistration<EpfManagement>) {
    let name = CString::try_from_fmt(fmt!("vdpa-{}", pdev.as_ref().name()));
    if let Err(error) = name.and_then(|name| management.add(&name)) {
        dev_err!(
            pdev,
            "No vDPA device was added ({:?}); 'vdpa dev add' may do it\n",
            error
        );
    }
}
