// SPDX-License-Identifier: GPL-2.0
//! Both ends of the transport, set up before they share a BAR.

use memory_order::words::Private;
use transport::{
    feature, Command, CommandError, CommandHandler, ConfigSpace, Description, DeviceStatus,
    EndpointPort, Epoch, GroupCounts, Identity, Interrupts, Layout, LayoutRequest, Placement,
    QueueDescription, QueueIndex, QueueRequest, QueueSetup, QueueSize, QueueState, Reply,
    RootComplexPort, Step, NO_VECTOR, NUM_BARS,
};

/// The session that is set up.
pub const EPOCH: u32 = 1;
/// Bytes of device config.
pub const CONFIG_SIZE: usize = 8;
/// Where the device says its queue is.
pub const STATE: QueueState = QueueState {
    available: 0x1234,
    used: 0x5678,
};

/// A device that does nothing.
pub struct Device;

impl CommandHandler for Device {
    fn reset(&mut self) {}
    fn accepts_features(&mut self, _negotiated: u64) -> bool {
        true
    }
    fn driver_ok(&mut self) -> Result<(), CommandError> {
        Ok(())
    }
    fn status_changed(&mut self, _status: DeviceStatus) {}
    fn needs_reset(&self) -> bool {
        false
    }
    fn set_interrupts(&mut self, _interrupts: &Interrupts) -> Result<(), CommandError> {
        Ok(())
    }
    fn write_config(&mut self, _offset: usize, _from: &[u8]) -> Result<(), CommandError> {
        Ok(())
    }
    fn setup_queue(&mut self, _setup: &QueueSetup) -> Result<(), CommandError> {
        Ok(())
    }
    fn enable_queue(&mut self, _queue: QueueIndex, _space: u16) -> Result<(), CommandError> {
        Ok(())
    }
    fn disable_queue(&mut self, _queue: QueueIndex) {}
    fn set_queue_state(&mut self, _: QueueIndex, _: QueueState) -> Result<(), CommandError> {
        Ok(())
    }
    fn queue_state(&mut self, _queue: QueueIndex) -> Result<QueueState, CommandError> {
        Ok(STATE)
    }
}

/// Both ends and what they are going to share.
pub struct Ends {
    pub bar: Private,
    pub ep: EndpointPort,
    pub config: ConfigSpace,
    pub rc: RootComplexPort,
}

/// An EP with one queue that can be offered.
pub fn endpoint() -> (Private, EndpointPort, ConfigSpace) {
    let layout = Layout::plan(&LayoutRequest {
        register_bar: 0,
        num_queues: 1,
        config_size: CONFIG_SIZE as u32,
        msix_vectors: 0,
        push_len: 0,
        push_bar: 0,
        push_below: 0,
        doorbells: Placement::Here {
            page_size: 4,
            stride: 4,
            scan_ms: 0,
        },
    });
    let layout = layout.expect("a legal request");
    let bar = Private::new(layout.register_bar_size());
    let config = ConfigSpace::new(&layout, &bar);
    (bar, EndpointPort::new(layout), config)
}

/// Starts a session; the device ID is the epoch, so that the two belong together.
pub fn start(ep: &mut EndpointPort, bar: &impl transport::Registers, epoch: u32) {
    let queues = [QueueDescription {
        size_max: QueueSize::new(4).expect("a power of two"),
        doorbell: 0,
        group: 0,
    }];
    let description = Description {
        device_id: epoch,
        vendor_id: 0,
        device_features: u64::MAX & !feature::RING_PACKED,
        transport_features: Default::default(),
        groups: GroupCounts::ONE,
        queues: &queues,
    };
    let epoch = Epoch::new(epoch).expect("a legal epoch");
    ep.start(bar, &description, epoch, 0)
        .expect("a legal description");
}

pub fn identify(bar: &impl transport::Registers) -> Option<Identity> {
    let mut bars = [0; NUM_BARS];
    bars[0] = u64::MAX;
    Identity::read(bar, 0, &bars).ok()
}

impl Ends {
    /// An RC that is connected to an EP.
    pub fn connected() -> Self {
        let (bar, mut ep, config) = endpoint();
        start(&mut ep, &bar, EPOCH);
        let identity = identify(&bar).expect("a legal identity");
        let rc = RootComplexPort::new(identity, &bar, 0);
        let mut ends = Self {
            bar,
            ep,
            config,
            rc,
        };
        ends.send(&Command::Reset);
        ends
    }

    /// The same, with a queue that is set up.
    pub fn with_queue() -> Self {
        let mut ends = Self::connected();
        let request = QueueRequest {
            queue: 0,
            size: 4,
            vector: NO_VECTOR,
            desc_area: 0,
            driver_area: 0,
            device_area: 0,
        };
        for command in [
            Command::SetFeatures(feature::OFFERED),
            Command::SetStatus(0xb),
            Command::SetupQueue(request),
        ] {
            ends.send(&command);
        }
        ends
    }

    /// Issues a command that nobody answers yet.
    pub fn issue(&mut self, command: &Command) {
        self.rc.issue(&self.bar, command, 0).expect("in step");
    }

    fn send(&mut self, command: &Command) -> Reply {
        self.issue(command);
        self.ep.poll(&self.bar, &mut Device, 0);
        match self.rc.step(&self.bar, 0) {
            Step::Done(Ok(reply)) => reply,
            step => panic!("{command:?} gave {step:?}"),
        }
    }
}
