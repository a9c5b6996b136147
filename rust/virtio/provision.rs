// SPDX-License-Identifier: GPL-2.0
//! What an administrator of the driver side chooses of a device, beyond what the device publishes.
//!
//! Features can be left out of any device. A network device can have another MAC address and a
//! smaller MTU: these exist on the driver side alone, the device is not told of them.

use core::fmt;

use crate::features::{
    ACCESS_PLATFORM,
    ORDER_PLATFORM,
    VERSION_1, //
};
use crate::ids::DeviceId;
use crate::net::{
    self,
    features::{MAC, MQ, MTU}, //
};

/// The features without which a device is of no use to a driver that reaches it through the platform.
pub const REQUIRED_FEATURES: u64 = VERSION_1 | ACCESS_PLATFORM | ORDER_PLATFORM;

/// What the administrator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The features to offer, a part of those that the device can have.
    pub features: Option<u64>,
    /// The MAC address.
    pub mac: Option<[u8; 6]>,
    /// The MTU in bytes.
    pub mtu: Option<u16>,
    /// The number of pairs of virtqueues.
    pub max_vq_pairs: Option<u16>,
}

impl Request {
    /// Whether the device config has to be read before an answer can be given.
    pub fn depends_on_config(&self) -> bool {
        self.mtu.is_some() || self.max_vq_pairs.is_some()
    }
}

/// What a device publishes.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Its type.
    pub device: DeviceId,
    /// The features that it offers.
    pub features: u64,
    /// The config of a network device; not looked at otherwise.
    pub net: net::Config,
}

/// Returns the features that a device with `features` can be made to offer.
pub fn possible_features(device: DeviceId, features: u64) -> u64 {
    match device {
        DeviceId::NET => features | MAC | MTU,
        _ => features,
    }
}

/// Why a request cannot be fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Features that cannot be offered, or one of [`REQUIRED_FEATURES`] is missing.
    Features {
        /// What was asked for.
        asked: u64,
        /// What can be offered.
        possible: u64,
    },
    /// The address is zero or one of a group.
    Mac([u8; 6]),
    /// The MTU is out of range.
    Mtu {
        /// What was asked for.
        asked: u16,
        /// The MTU of the device.
        max: u16,
    },
    /// The device has another number of pairs of virtqueues.
    VqPairs {
        /// What was asked for.
        asked: u16,
        /// What the device has.
        has: u16,
    },
    /// An attribute of network devices, for another device.
    NotNetwork,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features { asked, possible } => write!(
                f,
                "Features {asked:#x} cannot be offered, expected a part of {possible:#x} with {REQUIRED_FEATURES:#x}"
            ),
            Self::Mac([a, b, c, d, e, g]) => write!(
                f,
                "MAC address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}, expected that of one station"
            ),
            Self::Mtu { asked, max } => write!(
                f,
                "MTU {asked}, expected {} to {max}, which is that of the device",
                net::MIN_MTU
            ),
            Self::VqPairs { asked, has } => {
                write!(f, "{asked} pairs of virtqueues, expected {has} as the device has")
            }
            Self::NotNetwork => {
                f.write_str("Attributes of a network device, expected none for another device")
            }
        }
    }
}

/// What was chosen of a device, and can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provision {
    /// The features of the device that may be offered.
    allowed: u64,
    mac: Option<[u8; 6]>,
    mtu: Option<u16>,
    /// How often it was changed.
    changes: u32,
}

impl Provision {
    /// Checks `request` against what the device publishes.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`].
    pub fn new(published: &Published, request: &Request) -> Result<Self, Refusal> {
        if published.device == DeviceId::NET {
            check_network(published, request)?;
        } else if request.mac.is_some() || request.depends_on_config() {
            return Err(Refusal::NotNetwork);
        }
        let provision = Self {
            allowed: request.features.unwrap_or(u64::MAX),
            mac: request.mac,
            mtu: request.mtu,
            changes: 0,
        };
        provision.check_features(published.features, request.features)?;
        Ok(provision)
    }

    fn check_features(&self, published: u64, asked: Option<u64>) -> Result<(), Refusal> {
        let possible = published | self.own_features();
        match asked {
            Some(asked) if asked & !possible != 0 || !asked & REQUIRED_FEATURES != 0 => {
                Err(Refusal::Features { asked, possible })
            }
            _ => Ok(()),
        }
    }

    /// The features that are met on the driver side.
    fn own_features(&self) -> u64 {
        let mac = self.mac.map_or(0, |_| MAC);
        let mtu = self.mtu.map_or(0, |_| MTU);
        mac | mtu
    }

    /// Returns what is to be offered of a device that has `features`.
    pub fn offered(&self, features: u64) -> u64 {
        features & self.allowed | self.own_features()
    }

    /// Returns the size of the config of a device whose own one has `size` bytes.
    pub fn config_size(&self, size: usize) -> usize {
        let ours = self.mask().iter().rposition(|mask| *mask != 0);
        ours.map_or(size, |last| size.max(last + 1))
    }

    /// Lays what was chosen over `bytes`, the config of the device from `offset` on.
    pub fn lay_over(&self, offset: usize, bytes: &mut [u8]) {
        let values = self.net_config().to_bytes();
        let ours = values.iter().zip(self.mask()).skip(offset);
        for (byte, (value, mask)) in bytes.iter_mut().zip(ours) {
            *byte = *byte & !mask | value & mask;
        }
    }

    /// What was chosen, in its place in the config.
    fn net_config(&self) -> net::Config {
        net::Config {
            mac: self.mac.unwrap_or_default(),
            mtu: self.mtu.unwrap_or_default(),
            ..net::Config::default()
        }
    }

    /// Ones where something was chosen.
    fn mask(&self) -> [u8; net::Config::LEN] {
        let chosen = net::Config {
            mac: self.mac.map_or([0; 6], |_| [u8::MAX; 6]),
            mtu: self.mtu.map_or(0, |_| u16::MAX),
            ..net::Config::default()
        };
        chosen.to_bytes()
    }

    /// Chooses another MAC address, also where there was none.
    ///
    /// # Errors
    ///
    /// [`Refusal::Mac`].
    pub fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), Refusal> {
        self.mac = Some(checked_mac(mac)?);
        self.changes = self.changes.wrapping_add(1);
        Ok(())
    }

    /// Returns how often another MAC address was chosen, modulo 2^32.
    pub fn changes(&self) -> u32 {
        self.changes
    }
}

fn check_network(published: &Published, request: &Request) -> Result<(), Refusal> {
    request.mac.map(checked_mac).transpose()?;
    let max = match published.features & MTU {
        0 => net::DEFAULT_MTU,
        _ => published.net.mtu,
    };
    if let Some(asked) = request.mtu {
        if !(net::MIN_MTU..=max).contains(&asked) {
            return Err(Refusal::Mtu { asked, max });
        }
    }
    let has = match published.features & MQ {
        0 => 1,
        _ => published.net.max_virtqueue_pairs,
    };
    match request.max_vq_pairs {
        // Not fewer either: the place of the control queue is told by the number of pairs.
        Some(asked) if asked != has => Err(Refusal::VqPairs { asked, has }),
        _ => Ok(()),
    }
}

/// The address of one station has its lowest bit clear.
fn checked_mac(mac: [u8; 6]) -> Result<[u8; 6], Refusal> {
    let [first, ..] = mac;
    match first & 1 == 0 && mac != [0; 6] {
        true => Ok(mac),
        false => Err(Refusal::Mac(mac)),
    }
}
