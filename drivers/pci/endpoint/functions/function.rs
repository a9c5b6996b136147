// SPDX-License-Identifier: GPL-2.0

//! The function as the endpoint framework sees it: bind, start, events, unbind.
//!
//! Context: process, `epf->lock` held, except for `probe`. The settings' lock is held for moments.

use crate::{
    bar::{
        self,
        Contents,
        RegisterBar, //
    },
    commands::{
        Commands,
        Vectors, //
    },
    configfs,
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
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
    time::Delta, //
};
use pci_ep::{
    configfs::Entry,
    function::Device,
    BarNumber,
    Endpoint,
    Features,
    Function,
    Header,
    InterruptPin,
    ProgrammedBar, //
};
use transport::{
    Layout,
    LayoutError,
    Placement, //
};
use vhost_bus::Registration;

/// The most MSI vectors of a function (PCI Express Base Specification, 7.7.1).
const MAX_MSI: u32 = 32;

/// A function device, bound or not.
#[pin_data]
pub(crate) struct VhostFunction {
    device: ARef<Device>,
    #[pin]
    state: Mutex<State>,
}

/// What is under the lock.
struct State {
    settings: Settings,
    /// The settings are in use.
    is_bound: bool,
    /// What serves the RC, while the function is bound.
    control: Option<(Arc<Control>, Layout)>,
}

/// For the attributes; without `epf->lock`.
impl VhostFunction {
    /// Returns the function device, for messages.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Calls `show` with the settings.
    pub(crate) fn with_settings<T>(&self, show: impl FnOnce(&Settings) -> T) -> T {
        show(&self.state.lock().settings)
    }

    /// Changes the settings.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the function is bound.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Settings)) -> Result {
        let mut state = self.state.lock();
        if state.is_bound {
            return Err(EBUSY);
        }
        change(&mut state.settings);
        Ok(())
    }

    /// Returns the epoch of the session; 0: there is none.
    pub(crate) fn epoch(&self) -> u32 {
        let state = self.state.lock();
        state
            .control
            .as_ref()
            .map_or(0, |(control, _)| control.epoch())
    }

    /// Returns the layout of the register BAR, while the function is bound.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let state = self.state.lock();
        state.control.as_ref().map(|(_, layout)| *layout)
    }

    /// Takes the settings for a binding; they cannot be changed from now on.
    fn take_settings(&self) -> Result<Settings> {
        let mut state = self.state.lock();
        let settings = state.settings.try_clone()?;
        state.is_bound = true;
        Ok(settings)
    }

    fn give_settings_back(&self) {
        let mut state = self.state.lock();
        state.is_bound = false;
        let control = state.control.take();
        drop(state);
        drop(control);
    }
}

/// What the function holds while it is bound.
pub(crate) struct Bound {
    // Dropped in this order, after the session was ended: worker, backend, BARs, doorbells.
    worker: Worker,
    control: Arc<Control>,
    _registration: Registration,
    _attachment: Attachment,
    programmed: Option<Programmed>,
    endpoint: Endpoint,
    vectors: Vectors,
    layout: Layout,
    bar: RegisterBar,
    doorbells: Option<Interrupting>,
}

/// The transport's hold on the controller, which ends here whoever still has the transport.
struct Attachment(Arc<Transport>);

impl Drop for Attachment {
    fn drop(&mut self) {
        self.0.detach();
    }
}

/// The BARs that the RC sees.
struct Programmed {
    registers: ProgrammedBar,
    doorbells: Option<ProgrammedBar>,
}

impl Bound {
    fn new(endpoint: Endpoint, settings: &Settings) -> Result<Self> {
        let (device_type, instance) = identity(&endpoint, settings)?;
        let features = *endpoint.features();
        check_controller(&endpoint, &features)?;
        let transport = Transport::new(&endpoint, settings)?;
        let attachment = Attachment(transport.clone());
        let registration = register(&endpoint, &transport, device_type, instance)?;
        let contents = contents(&endpoint, &features, &transport)?;
        let number = bar::choose(&features, &contents, settings.scan_ms)
            .map_err(|error| explain(&endpoint, error))?;
        let mut doorbells = doorbell::choose(
            &endpoint,
            settings.doorbell,
            contents.num_queues,
            number,
            &transport.queues,
        )?;
        let layout = plan(&endpoint, settings, &contents, number, doorbells.as_ref())?;
        let bar = RegisterBar::alloc(&endpoint, &layout).inspect_err(|error| {
            let size = layout.register_bar_size();
            dev_err!(
                endpoint,
                "No memory of {:#x} bytes for BAR {}: {:?}\n",
                size,
                number.index(),
                error
            );
        })?;
        transport.publish_in(&bar, &layout);
        let vectors = vectors(&endpoint, &features, &contents);
        let device = registration.device().clone();
        let control = Control::new(
            device.clone(),
            transport.clone(),
            bar.clone(),
            layout,
            Commands::new(device, transport, bar.clone(), layout, vectors),
            doorbells
                .as_mut()
                .map_or(KVec::new(), Interrupting::take_values),
            Delta::from_micros(settings.poll_us.into()),
        )?;
        let queue = Arc::new(Workqueue::new(c"pci_epf_vhost")?, GFP_KERNEL)?;
        Ok(Self {
            worker: Worker::new(c"pci_epf_vhost::Control", &queue, control.clone())?,
            control,
            _registration: registration,
            _attachment: attachment,
            programmed: None,
            endpoint,
            vectors,
            layout,
            bar,
            doorbells,
        })
    }

    /// Programs header, BARs and interrupts.
    fn program(&mut self) -> Result {
        self.endpoint.write_header()?;
        self.program_bars()?;
        if self.vectors.msi != 0 {
            self.endpoint.set_msi(self.vectors.msi)?;
        }
        if let Some(msix) = self.layout.msix() {
            let bar = BarNumber::try_from(i32::from(msix.bar))?;
            self.endpoint
                .set_msix(self.vectors.msix, bar, msix.region.offset)?;
        }
        Ok(())
    }

    fn program_bars(&mut self) -> Result {
        match &self.programmed {
            Some(programmed) => programmed.again(),
            None => {
                let doorbells = match &self.doorbells {
                    Some(doorbells) => doorbells.program()?,
                    None => None,
                };
                self.programmed = Some(Programmed {
                    registers: self.bar.memory().program()?,
                    doorbells,
                });
                Ok(())
            }
        }
    }

    /// Lets sessions run.
    fn start(&self) {
        self.control.start();
        self.worker.wake();
    }
}

impl Programmed {
    fn again(&self) -> Result {
        self.registers.program_again()?;
        match &self.doorbells {
            Some(bar) => bar.program_again(),
            None => Ok(()),
        }
    }
}

#[vtable]
impl Function for VhostFunction {
    const NAME: &'static CStr = c"pci_epf_vhost";

    /// The vendor of virtio, with a device id of those that are free for experiments
    /// (docs/specs/pci-ids.rst of QEMU), and no class.
    const HEADER: Header = Header {
        vendor: 0x1af4,
        device: 0x10f0,
        revision: 0,
        prog_if: 0,
        subclass: 0,
        base_class: 0xff,
        cache_line_size: 0,
        subsystem_vendor: 0x1af4,
        subsystem: 0,
        interrupt_pin: InterruptPin::A,
    };

    const ATTRIBUTES: &'static [Entry<Self>] = configfs::ATTRIBUTES;

    type Bound = Bound;

    fn probe(device: &Device) -> impl PinInit<Self, Error> {
        let state = State {
            settings: Settings::DEFAULT,
            is_bound: false,
            control: None,
        };
        try_pin_init!(Self {
            device: device.into(),
            state <- new_mutex!(state, "pci_epf_vhost::VhostFunction::state"),
        })
    }

    fn bind(this: &Arc<Self>, endpoint: Endpoint) -> Result<Bound> {
        let settings = this.take_settings()?;
        let bound = Bound::new(endpoint, &settings).inspect_err(|_| this.give_settings_back())?;
        this.state.lock().control = Some((bound.control.clone(), bound.layout));
        Ok(bound)
    }

    fn unbind(this: &Arc<Self>, bound: Bound) {
        bound.control.stop();
        drop(bound);
        this.give_settings_back();
    }

    fn epc_init(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.control.stop();
        bound.program()?;
        bound.start();
        Ok(())
    }

    fn epc_deinit(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.control.stop();
        bound.programmed = None;
        Ok(())
    }

    /// Sessions run since the controller was ready, unless the link was down in between.
    fn link_up(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        if bound.programmed.is_some() {
            bound.start();
        }
        Ok(())
    }

    fn link_down(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.control.stop();
        Ok(())
    }
}

/// Returns what the user has to set.
fn identity<'a>(endpoint: &Endpoint, settings: &'a Settings) -> Result<(DeviceType, &'a CString)> {
    let Some(device) = settings.device else {
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
    Ok((device, instance))
}

/// Refuses what no setting helps against.
fn check_controller(endpoint: &Endpoint, features: &Features) -> Result {
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

/// Puts the device on the vhost bus, where a backend has to be bound at once.
fn register(
    endpoint: &Endpoint,
    transport: &Arc<Transport>,
    device: DeviceType,
    instance: &CStr,
) -> Result<Registration> {
    let registration = vhost_bus::Device::register(
        transport.clone(),
        device.0,
        instance,
        Some(endpoint.as_ref()),
    )?;
    if !transport.has_backend() {
        dev_err!(
            endpoint,
            "No backend for '{}' took instance '{}': is its module loaded, and the instance made?\n",
            device,
            instance
        );
        return Err(ENODEV);
    }
    Ok(registration)
}

/// Returns what the register BAR has to have, as the backend wants it.
fn contents(endpoint: &Endpoint, features: &Features, transport: &Transport) -> Result<Contents> {
    let num_queues = transport.queues.count().try_into()?;
    let msix_vectors = match endpoint.function().msix_interrupts() {
        _ if !features.msix => 0,
        // One for each queue, one for the config.
        0 => num_queues + 1,
        asked => asked,
    };
    Ok(Contents {
        num_queues,
        config_size: transport.config_size().try_into()?,
        msix_vectors,
    })
}

/// Returns how many interrupts to offer.
fn vectors(endpoint: &Endpoint, features: &Features, contents: &Contents) -> Vectors {
    let msi = match endpoint.function().msi_interrupts() {
        _ if !features.msi => 0,
        0 => (u32::from(contents.num_queues) + 1)
            .next_power_of_two()
            .min(MAX_MSI) as u8,
        asked => asked,
    };
    Vectors {
        intx: features.intx,
        msi,
        msix: contents.msix_vectors,
    }
}

/// Lays out the register BAR.
fn plan(
    endpoint: &Endpoint,
    settings: &Settings,
    contents: &Contents,
    number: BarNumber,
    doorbells: Option<&Interrupting>,
) -> Result<Layout> {
    let placement = match doorbells {
        Some(doorbells) => Placement::At(doorbells.place()),
        None => bar::polled(settings.scan_ms),
    };
    let layout = contents
        .plan(number, placement)
        .map_err(|error| explain(endpoint, error))?;
    let place = layout.doorbells();
    dev_info!(
        endpoint,
        "{} queues, registers of {:#x} bytes in BAR {}, doorbells {} in BAR {}\n",
        contents.num_queues,
        layout.register_bar_size(),
        number.index(),
        doorbell::word(place.kind),
        place.bar
    );
    Ok(layout)
}

/// Says why registers have no place.
fn explain(endpoint: &Endpoint, error: LayoutError) -> Error {
    if error == LayoutError::OutsideBar {
        dev_err!(
            endpoint,
            "No BAR of the controller is large enough for the registers\n"
        );
        return ENOSPC;
    }
    dev_err!(endpoint, "Registers cannot be laid out: {:?}\n", error);
    EINVAL
}
