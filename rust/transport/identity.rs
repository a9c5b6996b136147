// SPDX-License-Identifier: GPL-2.0

//! What the RC knows of the EP: the identity, read and checked (I1 to I5).
//!
//! The EP writes the same words in `endpoint.rs`.

use crate::config::ConfigReadError;
use crate::doorbell::Doorbell;
use crate::feature;
use crate::group::GroupCounts;
use crate::layout::{
    BarSizes,
    DoorbellKind,
    Doorbells,
    Layout,
    LayoutError,
    Msix,
    Region,
    IDENTITY_SIZE, //
};
use crate::offset;
use crate::push::PushAreas;
use crate::queue::{
    QueueIndex,
    QueueSize, //
};
use crate::registers::{
    read64,
    Offset,
    Registers, //
};
use crate::words::{
    Epoch,
    TransportFeatures,
    Version,
    MAGIC, //
};

/// Why the RC does not use the EP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The BAR is too small for an identity.
    BarTooSmall,
    /// Reads answer all-ones (I1).
    LinkDead,
    /// Another first word than [`MAGIC`]: not our device (I1).
    Magic(u32),
    /// Another major version (I2).
    Version(Version),
    /// Not ready yet, or restarting: try again, within
    /// [`time::READY_MS`](crate::time::READY_MS) (I3, I5).
    NotReady,
    /// The virtio device ID is 0.
    DeviceId,
    /// The device does not offer `VERSION_1`, `ACCESS_PLATFORM` and `ORDER_PLATFORM`.
    Features(u64),
    /// Illegal largest queue size.
    QueueSize(u32),
    /// Unknown kind of doorbells.
    DoorbellKind(u32),
    /// Too many groups or address spaces, or none.
    Groups(GroupCounts),
    /// The regions are not legal.
    Layout(LayoutError),
}

/// An EP in a session, checked.
///
/// # Invariants
///
/// The layout passed its checks against the sizes of the BARs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    version: Version,
    epoch: Epoch,
    transport_features: TransportFeatures,
    device_features: u64,
    device_id: u32,
    vendor_id: u32,
    queue_size_max: QueueSize,
    groups: GroupCounts,
    layout: Layout,
}

impl Identity {
    /// Reads and checks the identity in BAR `register_bar` (I1 to I5).
    ///
    /// # Errors
    ///
    /// Whatever [`IdentityError`] names. `Magic` tells to look at the next BAR; `NotReady` to try
    /// again later.
    pub fn read(
        regs: &impl Registers,
        register_bar: u8,
        bars: &BarSizes,
    ) -> Result<Self, IdentityError> {
        check_magic(regs, register_bar, bars)?;
        let version = check_version(regs)?;
        let epoch = read_epoch(regs)?;
        regs.read_barrier();
        let identity = Self::read_words(regs, register_bar, version, epoch);
        regs.read_barrier();
        if read_epoch(regs)? != epoch {
            return Err(IdentityError::NotReady);
        }
        let identity = identity?;
        // INVARIANT: Checked here.
        identity.layout.check(bars).map_err(IdentityError::Layout)?;
        Ok(identity)
    }

    /// The fixed words (I4).
    fn read_words(
        regs: &impl Registers,
        register_bar: u8,
        version: Version,
        epoch: Epoch,
    ) -> Result<Self, IdentityError> {
        let device_features = read64(regs, offset::DEVICE_FEATURES);
        if device_features & feature::OFFERED != feature::OFFERED {
            return Err(IdentityError::Features(device_features));
        }
        let device_id = regs.read32(offset::DEVICE_ID);
        if device_id == 0 {
            return Err(IdentityError::DeviceId);
        }
        let size_max = regs.read32(offset::QUEUE_SIZE_MAX);
        let transport_features =
            TransportFeatures::from_word(regs.read32(offset::TRANSPORT_FEATURES));
        Ok(Self {
            version,
            epoch,
            transport_features,
            device_features,
            device_id,
            vendor_id: regs.read32(offset::VENDOR_ID),
            queue_size_max: QueueSize::new(size_max).ok_or(IdentityError::QueueSize(size_max))?,
            groups: read_groups(regs, transport_features)?,
            layout: Layout::read(regs, register_bar, transport_features)?,
        })
    }

    /// Version of the EP.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Session of the EP.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What the EP implements beyond the basic commands.
    pub fn transport_features(&self) -> TransportFeatures {
        self.transport_features
    }

    /// Features that the device offers.
    pub fn device_features(&self) -> u64 {
        self.device_features
    }

    /// virtio device ID.
    pub fn device_id(&self) -> u32 {
        self.device_id
    }

    /// virtio vendor ID.
    pub fn vendor_id(&self) -> u32 {
        self.vendor_id
    }

    /// Number of queues.
    pub fn num_queues(&self) -> u16 {
        self.layout.num_queues
    }

    /// Largest size of any queue.
    pub fn queue_size_max(&self) -> QueueSize {
        self.queue_size_max
    }

    /// Size of the device config in bytes.
    pub fn config_size(&self) -> u32 {
        self.layout.config.size
    }

    /// How many groups of queues and address spaces there are.
    pub fn groups(&self) -> GroupCounts {
        self.groups
    }

    /// Where the regions are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The queue with the given index.
    pub fn queue(&self, index: u16) -> Option<QueueIndex> {
        QueueIndex::new(index.into(), self.layout.num_queues)
    }

    /// Largest size of `queue`; `None` if the EP wrote an illegal one.
    pub fn queue_size(&self, regs: &impl Registers, queue: QueueIndex) -> Option<QueueSize> {
        let size = regs.read32(self.layout.queue_word(queue, offset::queue::SIZE_MAX));
        QueueSize::new(size).filter(|size| *size <= self.queue_size_max)
    }

    /// The group of `queue`; `None` if the EP wrote one that does not exist.
    pub fn queue_group(&self, regs: &impl Registers, queue: QueueIndex) -> Option<u16> {
        let has_groups = self.transport_features.contains(TransportFeatures::GROUPS);
        let word = self.layout.queue_word(queue, offset::queue::GROUP);
        let group = if has_groups { regs.read32(word) } else { 0 };
        let group = u16::try_from(group).ok()?;
        (group < self.groups.groups).then_some(group)
    }

    /// The doorbell of `queue`; for polled ones, `slot` is the value in the slot.
    ///
    /// To be made once per queue when the driver takes the device over (D2).
    pub fn doorbell(&self, regs: &impl Registers, queue: QueueIndex, slot: u32) -> Doorbell {
        let doorbells = self.layout.doorbells;
        let word = match doorbells.kind {
            DoorbellKind::Polled => slot,
            DoorbellKind::Embedded | DoorbellKind::Msi => {
                regs.read32(self.layout.queue_word(queue, offset::queue::DOORBELL))
            }
        };
        Doorbell::new(doorbells.bar, doorbells.slot(queue), doorbells.kind, word)
    }

    /// Whether the link is up and the EP is still in this session (R5).
    pub(crate) fn check_session(&self, regs: &impl Registers) -> Result<(), SessionLost> {
        match regs.read32(offset::EPOCH) {
            u32::MAX => Err(SessionLost::LinkDead),
            epoch if epoch == self.epoch.get() => Ok(()),
            _ => Err(SessionLost::Restarted),
        }
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SessionLost {
    LinkDead,
    Restarted,
}

impl From<SessionLost> for ConfigReadError {
    fn from(lost: SessionLost) -> Self {
        match lost {
            SessionLost::LinkDead => Self::LinkDead,
            SessionLost::Restarted => Self::Restarted,
        }
    }
}

fn check_magic(
    regs: &impl Registers,
    register_bar: u8,
    bars: &BarSizes,
) -> Result<(), IdentityError> {
    let size = bars.get(usize::from(register_bar)).copied().unwrap_or(0);
    if size < u64::from(IDENTITY_SIZE) {
        return Err(IdentityError::BarTooSmall);
    }
    match regs.read32(offset::MAGIC) {
        MAGIC => Ok(()),
        u32::MAX => Err(IdentityError::LinkDead),
        word => Err(IdentityError::Magic(word)),
    }
}

fn check_version(regs: &impl Registers) -> Result<Version, IdentityError> {
    let version = Version::from_word(regs.read32(offset::VERSION));
    if version.word() == u32::MAX {
        return Err(IdentityError::LinkDead);
    }
    if version.major != Version::CURRENT.major {
        return Err(IdentityError::Version(version));
    }
    Ok(version)
}

/// The epoch of an EP that is ready (I3, I4).
fn read_epoch(regs: &impl Registers) -> Result<Epoch, IdentityError> {
    let is_ready = regs.read32(offset::READY) == 1;
    regs.read_barrier();
    match regs.read32(offset::EPOCH) {
        u32::MAX => Err(IdentityError::LinkDead),
        epoch if is_ready => Epoch::new(epoch).ok_or(IdentityError::NotReady),
        _ => Err(IdentityError::NotReady),
    }
}

fn read_groups(
    regs: &impl Registers,
    features: TransportFeatures,
) -> Result<GroupCounts, IdentityError> {
    if !features.contains(TransportFeatures::GROUPS) {
        return Ok(GroupCounts::ONE);
    }
    // What is too large for 16 bits is not legal either.
    let count = |word| u16::try_from(regs.read32(word)).unwrap_or(u16::MAX);
    let counts = GroupCounts {
        groups: count(offset::NUM_GROUPS),
        spaces: count(offset::NUM_SPACES),
    };
    let is_legal = counts.is_legal();
    is_legal
        .then_some(counts)
        .ok_or(IdentityError::Groups(counts))
}

impl Layout {
    /// Writes the words that say where the regions are.
    pub(crate) fn write(&self, regs: &impl Registers) {
        let msix = self.msix.unwrap_or(Msix {
            bar: 0,
            region: Region::default(),
        });
        regs.write32(offset::NUM_QUEUES, self.num_queues.into());
        write_region(regs, offset::COMMAND_REGION, self.command);
        write_region(regs, offset::QUEUE_TABLE_REGION, self.queue_table);
        regs.write32(offset::QUEUE_STRIDE, self.queue_stride);
        write_region(regs, offset::CONFIG_REGION, self.config);
        regs.write32(offset::DOORBELL_KIND, self.doorbells.kind as u32);
        regs.write32(offset::DOORBELL_BAR, self.doorbells.bar.into());
        write_region(regs, offset::DOORBELL_REGION, self.doorbells.region);
        regs.write32(offset::DOORBELL_STRIDE, self.doorbells.stride);
        regs.write32(offset::DOORBELL_SCAN_MS, self.doorbells.scan_ms);
        regs.write32(offset::MSIX_BAR, msix.bar.into());
        write_region(regs, offset::MSIX_REGION, msix.region);
        let push = self.push.unwrap_or(PushAreas::NONE);
        regs.write32(offset::PUSH_BAR, push.bar.into());
        write_region(regs, offset::PUSH_REGION, push.region);
        regs.write32(offset::PUSH_STRIDE, push.stride);
        regs.write32(offset::PUSH_BELOW, push.below);
    }

    /// Reads the same words; only that they have a form is checked.
    fn read(
        regs: &impl Registers,
        register_bar: u8,
        features: TransportFeatures,
    ) -> Result<Self, IdentityError> {
        let kind = regs.read32(offset::DOORBELL_KIND);
        let msix = Msix {
            bar: read_bar(regs, offset::MSIX_BAR),
            region: read_region(regs, offset::MSIX_REGION),
        };
        let num_queues = u16::try_from(regs.read32(offset::NUM_QUEUES))
            .map_err(|_| IdentityError::Layout(LayoutError::QueueCount))?;
        Ok(Self {
            register_bar,
            num_queues,
            command: read_region(regs, offset::COMMAND_REGION),
            queue_table: read_region(regs, offset::QUEUE_TABLE_REGION),
            queue_stride: regs.read32(offset::QUEUE_STRIDE),
            config: read_region(regs, offset::CONFIG_REGION),
            doorbells: Doorbells {
                kind: DoorbellKind::from_word(kind).ok_or(IdentityError::DoorbellKind(kind))?,
                bar: read_bar(regs, offset::DOORBELL_BAR),
                region: read_region(regs, offset::DOORBELL_REGION),
                stride: regs.read32(offset::DOORBELL_STRIDE),
                scan_ms: regs.read32(offset::DOORBELL_SCAN_MS),
            },
            msix: (msix.region.size != 0).then_some(msix),
            push: read_push(regs, features),
        })
    }
}

/// Reserved words without the feature.
fn read_push(regs: &impl Registers, features: TransportFeatures) -> Option<PushAreas> {
    let has_areas = features.contains(TransportFeatures::PUSH);
    has_areas.then(|| PushAreas {
        bar: read_bar(regs, offset::PUSH_BAR),
        region: read_region(regs, offset::PUSH_REGION),
        stride: regs.read32(offset::PUSH_STRIDE),
        below: regs.read32(offset::PUSH_BELOW),
    })
}

/// A BAR number; one that does not exist becomes 255, which no check lets through.
fn read_bar(regs: &impl Registers, offset: Offset) -> u8 {
    u8::try_from(regs.read32(offset)).unwrap_or(u8::MAX)
}

fn read_region(regs: &impl Registers, offset: Offset) -> Region {
    Region {
        offset: regs.read32(offset),
        size: regs.read32(offset.word(1)),
    }
}

fn write_region(regs: &impl Registers, offset: Offset, region: Region) {
    regs.write32(offset, region.offset);
    regs.write32(offset.word(1), region.size);
}
