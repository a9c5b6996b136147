// SPDX-License-Identifier: GPL-2.0

//! The management devices, one per class of virtio devices, and the module that has them.
//!
//! A class is a line of [`CLASSES`]; nothing else here depends on the device type.

use crate::{
    device::Loop,
    vdpa_ops::LoopOps, //
};
use kernel::{
    device,
    faux,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    ThisModule, //
};
use vdpa::{
    Attributes,
    Capabilities,
    Chosen,
    Management,
    ManagementRegistration,
    Memory,
    Options,
    Unregistered, //
};
use vhost_bus::{
    Device,
    Registration, //
};
use virtio::{
    features::RING_PACKED,
    ids::DeviceId,
    net,
    provision::{
        possible_features,
        Published,
        Request,
        REQUIRED_FEATURES, //
    },
};

/// A class of virtio devices.
struct Class {
    /// The name of the management device.
    name: &'static CStr,
    id: DeviceId,
}

/// The classes there are management devices for.
const CLASSES: &[Class] = &[
    Class {
        name: c"vhost_loop_blk",
        id: DeviceId::BLOCK,
    },
    Class {
        name: c"vhost_loop_net",
        id: DeviceId::NET,
    },
];

/// How many queues `vdpa mgmtdev show` announces; the backend decides.
const MAX_QUEUES: u32 = 64;

/// The management device of a class.
pub(crate) struct LoopManagement {
    pub(crate) id: DeviceId,
    pub(crate) parent: ARef<device::Device>,
}

impl LoopManagement {
    /// Puts a vhost device on the bus for the backend's instance `name`.
    ///
    /// # Errors
    ///
    /// `ENODEV`: no backend took it.
    fn register(&self, transport: &Arc<Loop>, name: &CStr) -> Result<Registration> {
        let registration = Device::register(transport.clone(), self.id, name, Some(&self.parent))?;
        if !registration.device().has_backend() {
            dev_err!(
                self.parent,
                "No backend for {}, expected one loaded and an instance of that name\n",
                name
            );
            return Err(ENODEV);
        }
        Ok(registration)
    }
}

/// What the backend publishes.
fn published(transport: &Loop, device: &Device) -> Result<Published> {
    let mut config = [0; net::Config::LEN];
    transport.read_config(0, &mut config);
    Ok(Published {
        device: device.id(),
        queues: transport.queues().len().try_into()?,
        features: device.device_features(),
        on_request: RING_PACKED,
        net: net::Config::from_bytes(&config),
    })
}

impl Management for LoopManagement {
    type Ops = LoopOps;

    fn dev_add(&self, name: &CStr, request: &Request) -> Result<Unregistered<LoopOps>> {
        let transport = Loop::new()?;
        let registration = self.register(&transport, name)?;
        let published = published(&transport, registration.device())?;
        let chosen = Chosen::new(&self.parent, &published, request)?;
        let options = Options {
            name: Some(name),
            parent: &self.parent,
            queues: chosen.queues(),
            groups: transport.groups(),
            spaces: transport.groups(),
            memory: Memory::Kernel(transport.map().clone()),
            can_suspend: true,
        };
        let ops = LoopOps::new(transport, registration, chosen.provisioned());
        Unregistered::new(&options, ops)
    }

    fn dev_set_mac(&self, device: &vdpa::Device<LoopOps>, mac: [u8; 6]) -> Result {
        device.set_mac(mac)
    }

    /// Not left to the release of the device, which whoever has a reference to it can put off.
    fn dev_del(&self, device: &vdpa::Device<LoopOps>) {
        device.leave_bus();
    }
}

/// A management device, and below it the device that it is named after.
struct RegisteredClass {
    // Dropped first: deletes the vDPA devices.
    _management: Pin<KBox<ManagementRegistration<LoopManagement>>>,
    _parent: faux::Registration,
}

impl RegisteredClass {
    fn new(class: &Class) -> Result<Self> {
        let registration = faux::Registration::new(class.name, None)?;
        let parent: &device::Device = registration.as_ref();
        let capabilities = Capabilities {
            device_ids: &[class.id.get()],
            attributes: Attributes::of(class.id),
            features: possible_features(class.id, REQUIRED_FEATURES),
            max_vqs: MAX_QUEUES,
        };
        let management = LoopManagement {
            id: class.id,
            parent: parent.into(),
        };
        let management = ManagementRegistration::new(parent, capabilities, management);
        Ok(Self {
            _management: KBox::pin_init(management, GFP_KERNEL)?,
            _parent: registration,
        })
    }
}

/// The module: the management devices are there as long as it is loaded.
pub(crate) struct LoopModule {
    _classes: KVec<RegisteredClass>,
}

impl kernel::Module for LoopModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut classes = KVec::with_capacity(CLASSES.len(), GFP_KERNEL)?;
        for class in CLASSES {
            classes.push(RegisteredClass::new(class)?, GFP_KERNEL)?;
        }
        Ok(Self { _classes: classes })
    }
}
