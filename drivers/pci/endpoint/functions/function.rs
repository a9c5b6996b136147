// SPDX-License-Identifier: GPL-2.0

//! The function as the endpoint framework sees it: bind, start, events, unbind.
//!
//! Context: process, `epf->lock` held, except for `probe`. The settings' lock is held for moments.

use crate::{
    bound::Bound,
    configfs,
    control::Control,
    settings::Settings, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
};
use pci_ep::{
    configfs::Entry,
    function::Device,
    Endpoint,
    Function,
    Header,
    InterruptPin, //
};
use transport::Layout;

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
        this.state.lock().control = Some((bound.control().clone(), *bound.layout()));
        Ok(bound)
    }

    fn unbind(this: &Arc<Self>, bound: Bound) {
        bound.stop();
        drop(bound);
        this.give_settings_back();
    }

    fn epc_init(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.stop();
        bound.program()?;
        bound.start();
        Ok(())
    }

    fn epc_deinit(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.stop();
        bound.forget_programmed();
        Ok(())
    }

    /// Sessions run since the controller was ready, unless the link was down in between.
    fn link_up(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.start();
        Ok(())
    }

    fn link_down(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.stop();
        Ok(())
    }
}
