// SPDX-License-Identifier: GPL-2.0

//! What a function has while it is bound to a controller, and how it comes about.
//!
//! The whole configuration is checked here, against backend and controller; each fault is told in
//! one sentence.
//!
//! Context: process, `epf->lock` held.

use crate::{
    bar::{
        self,
        Contents,
        Memory, //
    },
    commands::{
        Parts,
        Vectors, //
    },
    control::Control,
    doorbell::{
        self,
        Interrupting, //
    },
    settings::{
        DeviceType,
        Settings, //
    },
    vhost::Transport, //
};
use concurrency::{
    Queue as Workqueue,
    Worker, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::Arc,
    time::Delta, //
};
use pci_ep::{
    BarNumber,
    Endpoint,
    ProgrammedBar, //
};
use transport::{
    Layout,
    Placement,
    PushAreas, //
};
use vhost_bus::Registration;

/// The most MSI vectors of a function (PCI Express Base Specification, 7.7.1).
const MAX_MSI: u8 = 32;

/// The most MSI-X vectors of a function (PCI Express Base Specification, 7.7.2).
const MAX_MSIX: u16 = 2048;

/// What the function holds while it is bound.
pub(crate) struct Bound {
    // Dropped in this order, after the session was ended: worker, backend, BARs, doorbells.
    worker: Worker,
    control: Arc<Control>,
    _served: Served,
    programmed: Option<Programmed>,
    shown: Shown,
    vectors: Vectors,
    endpoint: Endpoint,
}

impl Bound {
    /// # Errors
    ///
    /// Whatever is wrong with the configuration, or cannot be allocated.
    pub(crate) fn new(endpoint: Endpoint, settings: &Settings) -> Result<Self> {
        check_controller(&endpoint)?;
        let served = Served::new(&endpoint, settings)?;
        let vectors = vectors(&endpoint, served.transport.queues.count())?;
        let contents = contents(&served.transport, &vectors, settings)?;
        let mut shown = Shown::new(&endpoint, settings, &contents, &served.transport)?;
        let parts = Parts {
            device: served.registration.device().clone(),
            transport: served.transport.clone(),
            bar: shown.memory.registers.clone(),
            push: shown.memory.push.clone(),
            layout: shown.memory.layout,
        };
        let busy = Delta::from_micros(settings.poll_us.into());
        let queue = Arc::new(Workqueue::new(c"pci_epf_vhost")?, GFP_KERNEL)?;
        let control = Control::new(parts, vectors, shown.take_values(), busy, &queue)?;
        Ok(Self {
            worker: Worker::new(c"pci_epf_vhost::Control", &queue, control.clone())?,
            control,
            _served: served,
            programmed: None,
            shown,
            vectors,
            endpoint,
        })
    }

    pub(crate) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.shown.memory.layout
    }

    /// Programs header, BARs and interrupts.
    pub(crate) fn program(&mut self) -> Result {
        self.endpoint.write_header()?;
        match &self.programmed {
            Some(programmed) => programmed.again()?,
            None => self.programmed = Some(self.shown.program()?),
        }
        if self.vectors.msi != 0 {
            self.endpoint.set_msi(self.vectors.msi)?;
        }
        if let Some(msix) = self.layout().msix() {
            let bar = BarNumber::try_from(i32::from(msix.bar))?;
            self.endpoint
                .set_msix(self.vectors.msix, bar, msix.region.offset)?;
        }
        Ok(())
    }

    /// The controller loses what was programmed.
    pub(crate) fn forget_programmed(&mut self) {
        self.programmed = None;
    }

    /// Lets sessions run, if the RC can see the registers.
    pub(crate) fn start(&self) {
        if self.programmed.is_some() {
            self.control.start();
            self.worker.wake();
        }
    }

    /// Ends the session; on return nothing touches RC memory.
    pub(crate) fn stop(&self) {
        self.control.stop();
    }
}

/// The device on the vhost bus, with its backend. Dropped in this order: the transport lets go of
/// the controller last, whoever else still has the transport.
struct Served {
    registration: Registration,
    transport: Attached,
}

/// A transport that lets go of the controller when this is dropped.
struct Attached(Arc<Transport>);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.detach();
    }
}

impl core::ops::Deref for Attached {
    type Target = Arc<Transport>;

    fn deref(&self) -> &Arc<Transport> {
        &self.0
    }
}

impl Served {
    /// Puts the device on the vhost bus, where a backend has to be bound at once.
    fn new(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        let Some(DeviceType(id)) = settings.device else {
            dev_err!(endpoint, "Attribute 'device' is not set, e.g. to 'net'\n");
            return Err(EINVAL);
        };
        let Some(instance) = &settings.instance else {
            dev_err!(
                endpoint,
                "Attribute 'instance' is not set to the name of a backend's instance\n"
            );
            return Err(EINVAL);
        };
        let transport = Attached(Transport::new(endpoint, settings)?);
        let parent = Some(endpoint.as_ref());
        let registration = vhost_bus::Device::register(transport.clone(), id, instance, parent)?;
        if transport.backend().is_none() {
            dev_err!(
                endpoint,
                "No backend for '{}' took instance '{}': is its module loaded, and the instance made?\n",
                DeviceType(id),
                &**instance
            );
            return Err(ENODEV);
        }
        Ok(Self {
            registration,
            transport,
        })
    }
}

/// What the RC sees: memory and doorbells.
struct Shown {
    memory: Memory,
    doorbells: Option<Interrupting>,
}

impl Shown {
    fn new(
        endpoint: &Endpoint,
        settings: &Settings,
        contents: &Contents,
        transport: &Transport,
    ) -> Result<Self> {
        let (number, polled) = bar::choose(endpoint.features(), contents, settings.scan_ms)
            .map_err(|error| bar::explain(endpoint, error))?;
        let doorbells = doorbell::choose(
            endpoint,
            settings.doorbell,
            contents.num_queues,
            number,
            &transport.queues,
        )?;
        let placement = match &doorbells {
            Some(doorbells) => Placement::At(doorbells.place()),
            None => polled,
        };
        let memory = Memory::alloc(endpoint, contents, number, placement)?;
        transport.publish_in(&memory.registers, &memory.layout);
        report(endpoint, contents, &memory.layout);
        Ok(Self { memory, doorbells })
    }

    /// Takes the values that kick the queues; none for polled doorbells.
    fn take_values(&mut self) -> KVec<u32> {
        match &mut self.doorbells {
            Some(doorbells) => doorbells.take_values(),
            None => KVec::new(),
        }
    }

    fn program(&self) -> Result<Programmed> {
        let doorbells = self.doorbells.as_ref().map(Interrupting::program);
        Ok(Programmed {
            doorbells: doorbells.transpose()?.flatten(),
            memory: self.memory.program()?,
        })
    }
}

/// The BARs that the RC sees.
struct Programmed {
    memory: bar::Programmed,
    doorbells: Option<ProgrammedBar>,
}

impl Programmed {
    fn again(&self) -> Result {
        self.memory.again()?;
        match &self.doorbells {
            Some(bar) => bar.program_again(),
            None => Ok(()),
        }
    }
}

/// Refuses what no setting helps against.
fn check_controller(endpoint: &Endpoint) -> Result {
    let features = endpoint.features();
    if endpoint.is_virtual() {
        dev_err!(
            endpoint,
            "Virtual functions are not supported: the framework tells them of no events\n"
        );
        return Err(EINVAL);
    }
    if !features.msi && !features.msix && !features.intx {
        dev_err!(
            endpoint,
            "Controller can raise neither MSI-X nor MSI nor INTx\n"
        );
        return Err(ENXIO);
    }
    Ok(())
}

/// Returns what the BARs have to have, as the backend wants it.
fn contents(transport: &Transport, vectors: &Vectors, settings: &Settings) -> Result<Contents> {
    Ok(Contents {
        num_queues: transport.queues.count().try_into()?,
        config_size: transport.config_size().try_into()?,
        msix_vectors: vectors.msix,
        push_len: settings.push_len()?,
        push_below: transport.dma.read_threshold(),
    })
}

/// Returns how many interrupts to offer: what the user asks for, or what suits `num_queues`.
///
/// # Errors
///
/// `EINVAL`: more than PCI allows, or what the controller has not got.
fn vectors(endpoint: &Endpoint, num_queues: usize) -> Result<Vectors> {
    let (features, function) = (endpoint.features(), endpoint.function());
    let (msi, msix) = match (function.msi_interrupts(), function.msix_interrupts()) {
        (0, 0) => default_vectors(num_queues),
        asked => asked,
    };
    let is_asked = function.msi_interrupts() != 0 || function.msix_interrupts() != 0;
    if msi > MAX_MSI || msix > MAX_MSIX {
        dev_err!(
            endpoint,
            "Expected at most {} MSI and {} MSI-X vectors, asked for {} and {}\n",
            MAX_MSI,
            MAX_MSIX,
            msi,
            msix
        );
        return Err(EINVAL);
    }
    let is_missing = (msi != 0 && !features.msi) || (msix != 0 && !features.msix);
    if is_asked && is_missing {
        dev_err!(
            endpoint,
            "Asked for {} MSI and {} MSI-X vectors, controller can raise: MSI {}, MSI-X {}\n",
            msi,
            msix,
            features.msi,
            features.msix
        );
        return Err(EINVAL);
    }
    Ok(Vectors {
        intx: features.intx,
        msi: if features.msi { msi } else { 0 },
        msix: if features.msix { msix } else { 0 },
    })
}

/// Returns MSI and MSI-X vectors for each queue and the config.
fn default_vectors(num_queues: usize) -> (u8, u16) {
    let all = num_queues.saturating_add(1);
    let msi = all.next_power_of_two().min(MAX_MSI.into());
    // CAST: Both are limited to what fits.
    (msi as u8, all.min(MAX_MSIX.into()) as u16)
}

/// Says where the RC finds what, once.
fn report(endpoint: &Endpoint, contents: &Contents, layout: &Layout) {
    if contents.push_len != 0 && layout.push().is_none() {
        dev_info!(
            endpoint,
            "No BAR has room, or no memory, to push the queues: they are pulled\n"
        );
    }
    let doorbells = layout.doorbells();
    dev_info!(
        endpoint,
        "{} queues, {}, registers of {:#x} bytes in BAR {}, doorbells {} in BAR {}\n",
        layout.num_queues(),
        Path(layout.push()),
        layout.register_bar_size(),
        layout.register_bar(),
        doorbell::word(doorbells.kind),
        doorbells.bar
    );
}

/// How queues get to the EP.
struct Path(Option<PushAreas>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(push) => write!(f, "pushed to BAR {}", push.bar),
            None => f.write_str("pulled"),
        }
    }
}
