// SPDX-License-Identifier: GPL-2.0

//! Both ends joined by the link.

use transport::{
    feature, AnswerError, BarSizes, Command, CommandError, Description, DeviceStatus, EndpointPort,
    Epoch, GroupCounts, Identity, IdentityError, IssueError, Layout, LayoutRequest, Placement,
    Progress, QueueDescription, QueueRequest, QueueSize, Reply, RootComplexPort, Step,
    TransportFeatures, NO_VECTOR,
};

use super::{Backend, Link};

pub const EPOCH: u32 = 0x1234_5678;
pub const NUM_QUEUES: u16 = 3;
pub const FEATURES: u64 = feature::OFFERED | feature::EVENT_IDX | feature::RING_PACKED | (1 << 5);
pub const BARS: BarSizes = [0x10000, 0, 0x1000, 0, 0, 0];
pub const CONFIG_SIZE: u32 = 60;
pub const PUSH_BELOW: u32 = 2048;
pub const GROUPS: GroupCounts = GroupCounts {
    groups: 2,
    spaces: 3,
};

/// The endpoint, and the root complex once it connected.
pub struct Rig {
    pub link: Link,
    pub backend: Backend,
    pub ep: EndpointPort,
    pub rc: Option<RootComplexPort>,
    pub now_ms: u64,
    pub transport_features: TransportFeatures,
}

pub fn layout(num_queues: u16) -> Layout {
    layout_with(num_queues, 0)
}

/// With push areas of this length.
pub fn layout_with(num_queues: u16, push_len: u32) -> Layout {
    Layout::plan(&LayoutRequest {
        register_bar: 0,
        num_queues,
        config_size: CONFIG_SIZE,
        msix_vectors: 4,
        push_len,
        push_bar: 0,
        push_below: PUSH_BELOW,
        doorbells: Placement::Here {
            page_size: 0x1000,
            stride: 4,
            scan_ms: 0,
        },
    })
    .expect("a legal request")
}

/// Sizes of the queues: 256, 128, 64, then 64 again. The first one is in a group of its own.
fn queues(count: u16, groups: GroupCounts) -> Vec<QueueDescription> {
    let description = |n: u16| QueueDescription {
        size_max: QueueSize::new(256 >> n.min(2)).expect("a power of two"),
        doorbell: 0x100 + u32::from(n),
        group: n.min(groups.groups - 1),
    };
    (0..count).map(description).collect()
}

impl Rig {
    /// An endpoint that has not started.
    pub fn cold(num_queues: u16) -> Self {
        Self {
            link: Link::new(),
            backend: Backend::default(),
            ep: EndpointPort::new(layout(num_queues)),
            rc: None,
            now_ms: 1_000,
            transport_features: TransportFeatures::SUSPEND
                .with(TransportFeatures::MAP)
                .with(TransportFeatures::GROUPS)
                .with(TransportFeatures::STEADY_BEAT),
        }
    }

    /// Both ends, features negotiated with `features`, each queue with a push area of this length.
    pub fn pushing(features: u64, push_len: u32) -> Self {
        let mut rig = Self::cold(NUM_QUEUES);
        rig.ep = EndpointPort::new(layout_with(NUM_QUEUES, push_len));
        rig.transport_features = rig.transport_features.with(TransportFeatures::PUSH);
        rig.start(EPOCH);
        rig.connect();
        rig.negotiate(features);
        rig
    }

    /// An endpoint in session `EPOCH`.
    pub fn started() -> Self {
        let mut rig = Self::cold(NUM_QUEUES);
        rig.start(EPOCH);
        rig
    }

    /// Both ends, the device reset.
    pub fn connected() -> Self {
        let mut rig = Self::started();
        rig.connect();
        rig
    }

    /// Both ends, features negotiated with `features`.
    pub fn negotiated(features: u64) -> Self {
        let mut rig = Self::connected();
        rig.negotiate(features);
        rig
    }

    /// Both ends, queue 1 set up with size 128.
    pub fn with_queue(features: u64) -> Self {
        let mut rig = Self::negotiated(features);
        rig.okay(&Command::SetupQueue(setup_request(1, 128)));
        rig.backend.take_calls();
        rig
    }

    /// Negotiates features after a reset.
    pub fn negotiate(&mut self, features: u64) {
        self.okay(&Command::SetStatus(3));
        self.okay(&Command::SetInterrupts {
            mode: 3,
            vectors: 4,
            config_vector: 0,
        });
        self.okay(&Command::SetFeatures(features));
        let status = self.send(&Command::SetStatus(0xb));
        assert_eq!(status, Ok(Reply::Status(DeviceStatus::from_bits(0xb))));
        self.backend.take_calls();
    }

    pub fn start(&mut self, epoch: u32) {
        let has_groups = self.transport_features.contains(TransportFeatures::GROUPS);
        let groups = if has_groups { GROUPS } else { GroupCounts::ONE };
        let queues = queues(self.ep.layout().num_queues(), groups);
        let description = Description {
            device_id: 1,
            vendor_id: 0x1af4,
            device_features: FEATURES,
            transport_features: self.transport_features,
            groups,
            queues: &queues,
        };
        let epoch = Epoch::new(epoch).expect("a legal epoch");
        self.ep
            .start(&self.link.ep(), &description, epoch, self.now_ms)
            .expect("a legal description");
    }

    pub fn identify(&self) -> Result<Identity, IdentityError> {
        Identity::read(&self.link.rc(), 0, &BARS)
    }

    /// I1 to I7.
    pub fn connect(&mut self) {
        let identity = self.identify().expect("a legal identity");
        self.rc = Some(RootComplexPort::new(identity, &self.link.rc(), self.now_ms));
        self.okay(&Command::Reset);
        self.backend.take_calls();
    }

    pub fn issue(&mut self, command: &Command) {
        self.try_issue(command).expect("in step");
    }

    pub fn try_issue(&mut self, command: &Command) -> Result<(), IssueError> {
        let (rc, now_ms) = (self.rc.as_mut().expect("connected"), self.now_ms);
        rc.issue(&self.link.rc(), command, now_ms)
    }

    pub fn step(&mut self) -> Step {
        let (rc, now_ms) = (self.rc.as_mut().expect("connected"), self.now_ms);
        rc.step(&self.link.rc(), now_ms)
    }

    pub fn poll(&mut self) -> Progress {
        self.ep
            .poll(&self.link.ep(), &mut self.backend, self.now_ms)
    }

    pub fn stop(&mut self) {
        self.ep.stop(&self.link.ep(), &mut self.backend);
    }

    /// Issues a command, lets the EP execute it, answers what the RC got.
    pub fn send(&mut self, command: &Command) -> Result<Reply, AnswerError> {
        self.issue(command);
        assert_eq!(self.step(), Step::Pending);
        assert!(self.poll().answered.is_some());
        match self.step() {
            Step::Done(answer) => answer,
            step => panic!("{command:?} gave {step:?}"),
        }
    }

    pub fn okay(&mut self, command: &Command) {
        if let Err(error) = self.send(command) {
            panic!("{command:?} gave {error:?}");
        }
    }

    /// Sends a command that must be refused, without the handler being called for it.
    pub fn refused(&mut self, command: &Command, error: CommandError) {
        self.backend.take_calls();
        let answer = self.send(command);
        assert_eq!(answer, Err(AnswerError::Refused(error)), "{command:?}");
        assert_eq!(self.backend.take_calls(), [], "{command:?}");
    }
}

/// A legal set-up without a vector.
pub fn setup_request(queue: u32, size: u32) -> QueueRequest {
    QueueRequest {
        queue,
        size,
        vector: NO_VECTOR,
        desc_area: 0x1_0000_0000,
        driver_area: 0x1_0001_0000,
        device_area: 0x1_0002_0000,
    }
}
