// SPDX-License-Identifier: GPL-2.0

//! Doorbells: addresses that the RC writes to, each write being an interrupt in the EP.
//!
//! A controller has them as messages of the platform's interrupt controller, one interrupt each, or
//! as one register of its own, which all doorbells share. The RC reaches them through a BAR that is
//! programmed to their address ([`Doorbells::expose`]), unless the controller shows them in a BAR
//! of its own ([`Doorbells::preexposed`]).
//!
//! Limits: the framework has doorbells for the first function of a controller only.

use crate::{
    bar::{
        BarNumber,
        ProgrammedBar,
        Slot, //
    },
    bindings,
    controller::Endpoint, //
};
use kernel::{
    error::to_result,
    irq::IrqReturn,
    page::PAGE_SIZE,
    prelude::*,
    str::CStr,
    sync::Arc, //
};
use pci_host::irq::{
    Context,
    Registration, //
};

/// The doorbells of a function; dropping them and their handlers frees them.
pub struct Doorbells {
    messages: Arc<Messages>,
}

/// What the RC writes, and where, to ring a doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorbellMessage {
    /// The EP address of the doorbell, for inbound accesses of the controller.
    pub address: u64,
    /// The word to write there.
    pub data: u32,
}

impl Doorbells {
    /// Allocates `count` doorbells.
    ///
    /// # Errors
    ///
    /// - `EINVAL` when `count` is 0, or this is not the first function of its controller.
    /// - `EBUSY` when the function has doorbells already.
    /// - Any other error: the controller has none, and the function has to poll instead.
    pub fn alloc(endpoint: &Endpoint, count: u16) -> Result<Self> {
        if count == 0 {
            return Err(EINVAL);
        }
        // SAFETY: The function is bound by the type invariant of `Endpoint`.
        to_result(unsafe { bindings::pci_ep_alloc_doorbell(endpoint.function().as_raw(), count) })?;
        let messages = Messages {
            endpoint: endpoint.clone(),
            count,
        };
        Ok(Self {
            messages: Arc::new(messages, GFP_KERNEL)?,
        })
    }

    /// Returns how many doorbells there are.
    pub fn count(&self) -> u16 {
        self.messages.count
    }

    /// Says whether all doorbells are one: ringing any of them calls the handlers of all.
    pub fn is_shared(&self) -> bool {
        self.messages.get(0).is_ok_and(|message| {
            message.type_ == bindings::pci_epf_doorbell_type_PCI_EPF_DOORBELL_EMBEDDED
        })
    }

    /// Lets `handler` run in hard interrupt context when doorbell `index` is rung.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there is no such doorbell, `ENOMEM`, and those of `request_irq()`.
    pub fn request<F>(&self, index: u16, name: &CStr, handler: F) -> Result<DoorbellHandler>
    where
        F: Fn() + Send + Sync + 'static,
    {
        let message = self.messages.get(index)?;
        let shared = message.irq_flags & bindings::IRQF_SHARED as usize != 0;
        let handler = move || {
            handler();
            IrqReturn::Handled
        };
        let handler = KBox::new(handler, GFP_KERNEL)?;
        let irq = message.virq.try_into()?;
        // SAFETY: The handler which is returned keeps the doorbell, and so its interrupt, allocated.
        let registration = unsafe { Registration::new(irq, name, Context::Hard, shared, handler) };
        Ok(DoorbellHandler {
            _registration: KBox::pin_init(registration, GFP_KERNEL)?,
            _messages: self.messages.clone(),
        })
    }

    /// Returns what rings doorbell `index`; to be asked after its handler was requested, because an
    /// interrupt gets its message when it is activated.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there is no such doorbell.
    pub fn message(&self, index: u16) -> Result<DoorbellMessage> {
        Ok(self.messages.get(index)?.into())
    }

    /// Returns the BAR and the offset in it at which the controller shows the doorbells, if it has
    /// a BAR for them.
    pub fn preexposed(&self) -> Option<(BarNumber, usize)> {
        let message = self.messages.get(0).ok()?;
        let bar = BarNumber::try_from(message.bar).ok()?;
        Some((bar, message.offset.try_into().ok()?))
    }

    /// Puts the doorbells into `bar`, which then holds nothing else.
    ///
    /// The BAR has the size of a page, or what the controller demands.
    ///
    /// # Errors
    ///
    /// - `EBUSY` when the BAR is in use.
    /// - `ENOMEM` when the BAR cannot be as large as it has to be.
    pub fn expose(&self, bar: BarNumber) -> Result<DoorbellBar> {
        let slot = Slot::claim(&self.messages.endpoint, bar, Some(self.messages.clone()))?;
        let endpoint = slot.endpoint();
        let span = endpoint.features().align.max(PAGE_SIZE) as u64;
        let base = self.message(0)?.address & !(span - 1);
        // SAFETY: The function is bound by the type invariant of `Endpoint`, and nobody else uses
        // the BAR because it is claimed.
        to_result(unsafe {
            bindings::pci_epf_assign_bar_space(
                endpoint.function().as_raw(),
                span.try_into()?,
                bar.as_raw(),
                endpoint.raw_features(),
                bindings::pci_epc_interface_type_PRIMARY_INTERFACE,
                base,
            )
        })?;
        Ok(DoorbellBar {
            slot,
            messages: self.messages.clone(),
        })
    }
}

/// A BAR that maps the doorbells and nothing of the EP's memory.
pub struct DoorbellBar {
    slot: Arc<Slot>,
    messages: Arc<Messages>,
}

impl DoorbellBar {
    /// Returns the number of the BAR.
    pub fn bar(&self) -> BarNumber {
        self.slot.bar()
    }

    /// Returns the size of the BAR in bytes.
    pub fn size(&self) -> usize {
        self.slot.size()
    }

    /// Returns the offset in the BAR of doorbell `index`.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there is no such doorbell, `ENXIO` when it lies outside the BAR.
    pub fn offset(&self, index: u16) -> Result<usize> {
        let message = DoorbellMessage::from(self.messages.get(index)?);
        let offset = message.address.checked_sub(self.slot.address());
        let offset: usize = offset.ok_or(ENXIO)?.try_into()?;
        if offset >= self.size() {
            return Err(ENXIO);
        }
        Ok(offset)
    }

    /// Programs the BAR, so that the RC reaches the doorbells.
    ///
    /// To be done in every [`epc_init`](crate::Function::epc_init).
    ///
    /// # Errors
    ///
    /// `EBUSY` when it is programmed, and the controller's.
    pub fn program(&self) -> Result<ProgrammedBar> {
        Slot::program(&self.slot)
    }
}

/// The handler of a doorbell; dropping it waits until it no longer runs.
pub struct DoorbellHandler {
    // Declared first: the interrupt is freed before the doorbell.
    _registration: Pin<KBox<Registration>>,
    _messages: Arc<Messages>,
}

/// The doorbells of a function, until nobody uses them any more.
///
/// # Invariants
///
/// The function has `count` doorbells, and only this object frees them.
pub(crate) struct Messages {
    endpoint: Endpoint,
    count: u16,
}

impl Messages {
    /// Returns doorbell `index`.
    fn get(&self, index: u16) -> Result<bindings::pci_epf_doorbell_msg> {
        if index >= self.count {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariant there is such a doorbell. Its message changes only while
        // its interrupt is being activated, which is when it is requested.
        Ok(unsafe {
            let messages = (*self.endpoint.function().as_raw()).db_msg;
            messages.add(index.into()).read_volatile()
        })
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        // SAFETY: The function is bound by the type invariant of `Endpoint`, and no handler is
        // left, because each keeps a reference.
        unsafe { bindings::pci_ep_free_doorbell(self.endpoint.function().as_raw()) };
    }
}

impl From<bindings::pci_epf_doorbell_msg> for DoorbellMessage {
    fn from(message: bindings::pci_epf_doorbell_msg) -> Self {
        // SAFETY: Every way of seeing these words is valid: they are plain integers.
        let (high, low, data) = unsafe {
            (
                *message.msg.__bindgen_anon_2.address_hi.as_ref(),
                *message.msg.__bindgen_anon_1.address_lo.as_ref(),
                *message.msg.__bindgen_anon_3.data.as_ref(),
            )
        };
        Self {
            address: u64::from(high) << 32 | u64::from(low),
            data,
        }
    }
}
