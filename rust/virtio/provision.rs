// SPDX-License-Identifier: GPL-2.0
//! What an administrator of the driver side chooses of a device, beyond what the device publishes.
//!
//! Features can be left out of any device. A network device can have another MAC address, a smaller
//! MTU and fewer pairs of queues: these exist on the driver side alone, the device is not told of them.

use core::fmt;

use crate::features::{
    ACCESS_PLATFORM,
    ORDER_PLATFORM,
    VERSION_1, //
};
use crate::ids::DeviceId;
use crate::net::{
    self,
    features::{CTRL_RX, MAC, MQ, MTU}, //
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
    /// The number of its queues.
    pub queues: u16,
    /// The features that it offers.
    pub features: u64,
    /// Those of them that are left out unless they are asked for.
    pub on_request: u64,
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
    /// The device has fewer pairs of virtqueues.
    VqPairs {
        /// What was asked for.
        asked: u16,
        /// What the device has.
        has: u16,
    },
    /// The device has not as many virtqueues as its pairs take.
    Queues {
        /// What the config says.
        pairs: u16,
        /// How many virtqueues there are.
        queues: u16,
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
                write!(f, "{asked} pairs of virtqueues, expected 1 to {has}, which the device has")
            }
            Self::Queues { pairs, queues } => write!(
                f,
                "Device says that it has {pairs} pairs of virtqueues, expected that they fit its {queues} queues"
            ),
            Self::NotNetwork => {
                f.write_str("Attributes of a network device, expected none for another device")
            }
        }
    }
}

/// Which queue of the device a queue of the driver is.
///
/// The driver looks for the control queue behind the pairs that it is shown, the device has it behind
/// all of its own. No other queue moves, also if the driver does without the feature `MQ` and has the
/// control queue at index 2: so does the device then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueMap {
    /// How many queues the driver is shown.
    count: u16,
    /// The control queue's index on the driver side, and that on the device, if they differ.
    moved: Option<(u16, u16)>,
}

impl QueueMap {
    /// All of `count` queues are where they are.
    pub const fn unmoved(count: u16) -> Self {
        Self { count, moved: None }
    }

    /// `chosen` pairs are shown of the `has` that a device of `queues` queues has, and the control queue.
    ///
    /// With one pair the driver has no `MQ`, hence the control queue is at index 2 on both sides.
    fn of_pairs(queues: u16, chosen: u16, has: u16) -> Self {
        let shown = chosen.saturating_mul(2);
        let there = has.saturating_mul(2);
        let left_out = there.saturating_sub(shown);
        Self {
            count: queues.saturating_sub(left_out),
            moved: (chosen > 1 && left_out != 0).then_some((shown, there)),
        }
    }

    /// Returns how many queues the driver is shown.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Returns the index on the device of the driver's queue `index`, or one that no device has.
    #[inline]
    pub fn on_device(&self, index: u16) -> u16 {
        match self.moved {
            Some((here, there)) if index == here => there,
            _ if index < self.count => index,
            _ => u16::MAX,
        }
    }

    /// Whether the driver's queue `index` has another one on the device.
    pub fn is_moved(&self, index: u16) -> bool {
        self.moved.is_some_and(|(here, _)| index == here)
    }
}

/// What was chosen of a device, and can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provision {
    /// The features of the device that may be offered.
    allowed: u64,
    mac: Option<[u8; 6]>,
    mtu: Option<u16>,
    /// The number of pairs of virtqueues, if it is not that of the device.
    pairs: Option<u16>,
    queues: QueueMap,
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
        let mut pairs = None;
        let mut queues = QueueMap::unmoved(published.queues);
        if published.device == DeviceId::NET {
            check_network(published, request)?;
            if let Some((chosen, has)) = fewer_pairs(published, request)? {
                pairs = Some(chosen);
                queues = QueueMap::of_pairs(published.queues, chosen, has);
            }
        } else if request.mac.is_some() || request.depends_on_config() {
            return Err(Refusal::NotNetwork);
        }
        let provision = Self {
            allowed: request.features.unwrap_or(!published.on_request),
            mac: request.mac,
            mtu: request.mtu,
            pairs,
            queues,
            changes: 0,
        };
        provision.check_features(published.features, request.features)?;
        Ok(provision)
    }

    fn check_features(&self, published: u64, asked: Option<u64>) -> Result<(), Refusal> {
        let possible = published & !self.missing_features() | self.own_features();
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

    /// The features of the device that cannot be offered with what was chosen.
    ///
    /// A device that was not told of an address would filter out what is sent to it. One pair of queues
    /// is none of several: see [`QueueMap`].
    fn missing_features(&self) -> u64 {
        let filter = self.mac.map_or(0, |_| CTRL_RX);
        let several = self.pairs.filter(|pairs| *pairs == 1).map_or(0, |_| MQ);
        filter | several
    }

    /// Returns what is to be offered of a device that has `features`.
    pub fn offered(&self, features: u64) -> u64 {
        features & self.allowed & !self.missing_features() | self.own_features()
    }

    /// Returns which queues the driver is shown.
    pub fn queues(&self) -> QueueMap {
        self.queues
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
            max_virtqueue_pairs: self.pairs.unwrap_or_default(),
            ..net::Config::default()
        }
    }

    /// Ones where something was chosen.
    fn mask(&self) -> [u8; net::Config::LEN] {
        let chosen = net::Config {
            mac: self.mac.map_or([0; 6], |_| [u8::MAX; 6]),
            mtu: self.mtu.map_or(0, |_| u16::MAX),
            max_virtqueue_pairs: self.pairs.map_or(0, |_| u16::MAX),
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
    Ok(())
}

/// Returns the pairs of virtqueues that were asked for and those that there are, if that is more.
fn fewer_pairs(published: &Published, request: &Request) -> Result<Option<(u16, u16)>, Refusal> {
    let Some(asked) = request.max_vq_pairs else {
        return Ok(None);
    };
    let has = match published.features & MQ {
        0 => 1,
        _ => published.net.max_virtqueue_pairs,
    };
    if !(1..=has).contains(&asked) {
        return Err(Refusal::VqPairs { asked, has });
    }
    // The device may say what it likes; there is a control queue behind the pairs of several.
    if asked < has && u32::from(has) * 2 >= u32::from(published.queues) {
        return Err(Refusal::Queues {
            pairs: has,
            queues: published.queues,
        });
    }
    Ok((asked < has).then_some((asked, has)))
}

fn checked_mac(mac: [u8; 6]) -> Result<[u8; 6], Refusal> {
    match net::is_station(&mac) {
        true => Ok(mac),
        false => Err(Refusal::Mac(mac)),
    }
}
