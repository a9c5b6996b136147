// SPDX-License-Identifier: GPL-2.0

//! The named configurations of a backend: one per directory in configfs, claimed by the device that
//! uses it.
//!
//! A backend module has one [`Registry`]. `mkdir` adds an [`Instance`] to it and `rmdir` takes it
//! away; the probe of a device finds its instance by name and claims it. A claimed instance can not
//! be changed, and lives on without its directory until the claim ends.
//!
//! Context: process. Each lock here is taken last: nothing is called with one held but the closures
//! that the user passes, which must not take a lock that is held around a call of this crate.

use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        Mutex, //
    },
};

/// All instances of a backend, by name.
#[pin_data]
pub(crate) struct Registry<S> {
    #[pin]
    instances: Mutex<KVec<Arc<Instance<S>>>>,
}

impl<S: Unpin> Registry<S> {
    /// Makes a registry without instances.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                instances <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    /// Adds an instance, which is found by `name` until the returned entry is dropped.
    ///
    /// # Errors
    ///
    /// `EEXIST`: there is one of that name; `ENOMEM`: no memory.
    pub(crate) fn add(self: &Arc<Self>, name: &CStr, settings: S) -> Result<Entry<S>> {
        let instance = Instance::new(name, settings)?;
        let mut instances = self.instances.lock();
        if find(&instances, name).is_some() {
            return Err(EEXIST);
        }
        instances.push(instance.clone(), GFP_KERNEL)?;
        drop(instances);
        Ok(Entry {
            registry: self.clone(),
            instance,
        })
    }

    /// Finds the instance called `name` and claims it for a device.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is none of that name; `EBUSY`: another device has claimed it.
    pub(crate) fn claim(&self, name: &CStr) -> Result<Claim<S>> {
        let instance = find(&self.instances.lock(), name).ok_or(ENOENT)?;
        instance.claim()
    }
}

fn find<S>(instances: &[Arc<Instance<S>>], name: &CStr) -> Option<Arc<Instance<S>>> {
    instances
        .iter()
        .find(|instance| *instance.name == *name)
        .cloned()
}

/// An instance's place in its registry. Dropping it removes the instance.
pub(crate) struct Entry<S> {
    registry: Arc<Registry<S>>,
    instance: Arc<Instance<S>>,
}

impl<S: Unpin> Entry<S> {
    /// Returns the instance.
    pub(crate) fn instance(&self) -> &Instance<S> {
        &self.instance
    }
}

impl<S> Drop for Entry<S> {
    fn drop(&mut self) {
        let mut instances = self.registry.instances.lock();
        instances.retain(|instance| !Arc::ptr_eq(instance, &self.instance));
    }
}

/// A configuration of the backend with settings `S`.
#[pin_data]
pub(crate) struct Instance<S> {
    name: CString,
    #[pin]
    state: Mutex<State<S>>,
}

struct State<S> {
    settings: S,
    claimed: bool,
}

impl<S: Unpin> Instance<S> {
    fn new(name: &CStr, settings: S) -> Result<Arc<Self>> {
        let name = CString::try_from(name)?;
        Arc::pin_init(
            pin_init!(Self {
                name,
                state <- new_mutex!(State {
                    settings,
                    claimed: false,
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns what `look` finds in the settings.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.state.lock().settings)
    }

    /// Has `change` change the settings.
    ///
    /// # Errors
    ///
    /// `EBUSY`: a device uses the instance; others as `change` returns.
    pub(crate) fn change(&self, change: impl FnOnce(&mut S) -> Result) -> Result {
        let mut state = self.state.lock();
        if state.claimed {
            return Err(EBUSY);
        }
        change(&mut state.settings)
    }

    fn claim(self: Arc<Self>) -> Result<Claim<S>> {
        let mut state = self.state.lock();
        if state.claimed {
            return Err(EBUSY);
        }
        state.claimed = true;
        drop(state);
        Ok(Claim { instance: self })
    }
}

/// A device's use of an instance, which stays as it is until the claim is dropped.
pub struct Claim<S: Unpin> {
    instance: Arc<Instance<S>>,
}

impl<S: Unpin> Claim<S> {
    /// Returns what `look` finds in the settings.
    pub fn with<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        self.instance.with(look)
    }

    /// Lets the device itself change the settings, e.g. what it reports through them.
    pub fn update<R>(&self, update: impl FnOnce(&mut S) -> R) -> R {
        update(&mut self.instance.state.lock().settings)
    }
}

impl<S: Unpin> Drop for Claim<S> {
    fn drop(&mut self) {
        self.instance.state.lock().claimed = false;
    }
}
