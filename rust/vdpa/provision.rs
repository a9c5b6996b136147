// SPDX-License-Identifier: GPL-2.0

//! What the user gives to `vdpa dev add` and `vdpa dev set`, and the device that it makes.
//!
//! `virtio::provision` decides; here it meets the vDPA core.
//!
//! Lock: `provision`, a mutex, taken last. Context: process.

use crate::bindings;
use core::ops::BitOr;
use kernel::{
    device, new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    },
};
use virtio::{
    ids::DeviceId,
    provision::{
        Provision,
        Published,
        QueueMap,
        Refusal,
        Request, //
    },
};

/// Which attributes the user may give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// `device_features`: the features to offer.
    pub const FEATURES: Self = Self(1 << bindings::vdpa_attr_VDPA_ATTR_DEV_FEATURES);
    /// `mac`, of a network device.
    pub const MAC: Self = Self(1 << bindings::vdpa_attr_VDPA_ATTR_DEV_NET_CFG_MACADDR);
    /// `mtu`, of a network device.
    pub const MTU: Self = Self(1 << bindings::vdpa_attr_VDPA_ATTR_DEV_NET_CFG_MTU);
    /// `max_vqp`, of a network device.
    pub const MAX_VQ_PAIRS: Self = Self(1 << bindings::vdpa_attr_VDPA_ATTR_DEV_NET_CFG_MAX_VQP);

    /// Returns those that a [`Provisioned`] device of this type has.
    pub fn of(device: DeviceId) -> Self {
        match device {
            DeviceId::NET => Self::FEATURES | Self::MAC | Self::MTU | Self::MAX_VQ_PAIRS,
            _ => Self::FEATURES,
        }
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Attributes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What the user gave.
pub(crate) fn request(raw: &bindings::vdpa_dev_set_config) -> Request {
    let given = |attribute| Attributes(raw.mask).contains(attribute);
    Request {
        features: given(Attributes::FEATURES).then_some(raw.device_features),
        mac: given(Attributes::MAC).then_some(raw.net.mac),
        mtu: given(Attributes::MTU).then_some(raw.net.mtu),
        max_vq_pairs: given(Attributes::MAX_VQ_PAIRS).then_some(raw.net.max_vq_pairs),
    }
}

/// What the user chose of a device, before the device is made.
pub struct Chosen {
    dev: ARef<device::Device>,
    provision: Provision,
}

impl Chosen {
    /// Checks `request` against what the device publishes; `dev` is the management device.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it cannot be had; a message of `dev` says why.
    pub fn new(dev: &device::Device, published: &Published, request: &Request) -> Result<Self> {
        let provision =
            Provision::new(published, request).map_err(|refusal| refused(dev, refusal))?;
        Ok(Self {
            dev: dev.into(),
            provision,
        })
    }

    /// Returns the virtqueues that the user is shown.
    pub fn queues(&self) -> QueueMap {
        self.provision.queues()
    }

    /// Returns an initialiser of what the device keeps of it.
    pub fn provisioned(self) -> impl PinInit<Provisioned> {
        pin_init!(Provisioned {
            dev: self.dev,
            provision <- new_mutex!(self.provision, "vdpa::Provisioned::provision"),
        })
    }
}

/// What the user chose of a device.
#[pin_data]
pub struct Provisioned {
    /// The management device, for messages.
    dev: ARef<device::Device>,
    #[pin]
    provision: Mutex<Provision>,
}

impl Provisioned {
    /// Returns what is offered of a device that has `features`.
    pub fn offered(&self, features: u64) -> u64 {
        self.provision.lock().offered(features)
    }

    /// Returns the size of the config of a device whose own one has `size` bytes.
    pub fn config_size(&self, size: usize) -> usize {
        self.provision.lock().config_size(size)
    }

    /// Lays what was chosen over `to`, the config of the device from `offset` on.
    pub fn lay_over(&self, offset: usize, to: &mut [u8]) {
        self.provision.lock().lay_over(offset, to);
    }

    /// Returns the generation of the config of a device whose own one has `generation`.
    pub fn generation(&self, generation: u32) -> u32 {
        generation.wrapping_add(self.provision.lock().changes())
    }

    /// Gives the device another MAC address, unless it is in use: drivers read it when they start.
    ///
    /// # Errors
    ///
    /// `EBUSY`: it is in use; `EINVAL`: not the address of one station. A message says so.
    pub fn set_mac(&self, mac: [u8; 6], is_in_use: bool) -> Result {
        if is_in_use {
            dev_err!(
                self.dev,
                "MAC address of a device in use, expected that its driver is unbound first\n"
            );
            return Err(EBUSY);
        }
        let set = self.provision.lock().set_mac(mac);
        set.map_err(|refusal| refused(&self.dev, refusal))
    }
}

fn refused(dev: &device::Device, refusal: Refusal) -> Error {
    dev_err!(dev, "{}\n", format_args!("{refusal}"));
    EINVAL
}
