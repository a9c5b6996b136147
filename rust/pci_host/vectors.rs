// SPDX-License-Identifier: GPL-2.0

//! The interrupt vectors of a PCI device, addressed by index.
//!
//! `kernel::pci` hands out the first and the last vector only; a device with one vector per queue
//! needs those between as well.
//!
//! Limits: one handler per vector, and no interrupt affinity.
//!
//! Locking: `Allocation::handlers` is a mutex around requesting and freeing handlers. It is held
//! while `free_irq()` waits for running handlers, so no handler may request or drop one.
//! Everything here is process context.

use crate::{
    bindings,
    irq::{
        Context,
        Handler,
        IrqHandler,
        Registration, //
    }, //
};
use kernel::{
    device::Bound,
    devres::Devres,
    error::to_result,
    irq::IrqReturn,
    new_mutex,
    pci,
    prelude::*,
    str::CStr,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
    types::Opaque, //
};

/// How a device signals interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The shared, level-triggered interrupt pin.
    Intx,
    /// Message signalled interrupts of the MSI capability.
    Msi,
    /// Message signalled interrupts of the MSI-X capability.
    MsiX,
}

impl Kind {
    /// Every kind; the kernel tries MSI-X, then MSI, then INTx.
    pub const ALL: &'static [Self] = &[Self::MsiX, Self::Msi, Self::Intx];

    const fn as_raw(self) -> u32 {
        match self {
            Self::Intx => bindings::PCI_IRQ_INTX,
            Self::Msi => bindings::PCI_IRQ_MSI,
            Self::MsiX => bindings::PCI_IRQ_MSIX,
        }
    }

    /// Returns the kind that is enabled on `pdev`.
    fn of(pdev: &pci::Device) -> Self {
        let raw = as_raw(pdev);
        // SAFETY: By the type invariant of `pci::Device`, `raw` is a valid device; its driver, the
        // caller, is the only one that changes which kind is enabled.
        let (msix, msi) = unsafe { ((*raw).msix_enabled(), (*raw).msi_enabled()) };
        match (msix, msi) {
            (1, _) => Self::MsiX,
            (_, 1) => Self::Msi,
            _ => Self::Intx,
        }
    }
}

/// The interrupt vectors which a driver allocated for its device.
///
/// Dropping it frees the handlers that are left, then the vectors. When the device is unbound
/// earlier, that happens then, and requesting a handler answers `ENODEV` from there on.
pub struct Vectors {
    // Declared first: dropped before the last reference to what it releases.
    _release: Devres<Release>,
    allocation: Arc<Allocation>,
}

impl Vectors {
    /// Allocates between `min` and `max` vectors of the first kind out of `kinds` that gives enough.
    ///
    /// # Errors
    ///
    /// - `ENOSPC` when no kind gives `min` vectors.
    /// - `EINVAL` when `min` is 0 or above `max`, or vectors are allocated already.
    pub fn alloc(pdev: &pci::Device<Bound>, min: u32, max: u32, kinds: &[Kind]) -> Result<Self> {
        if min == 0 {
            return Err(EINVAL);
        }
        let flags = kinds.iter().fold(0, |flags, kind| flags | kind.as_raw());
        // SAFETY: `pdev` is bound, so it may allocate vectors; the function checks its arguments.
        let count = unsafe { bindings::pci_alloc_irq_vectors(as_raw(pdev), min, max, flags) };
        to_result(count)?;

        let allocation = Arc::pin_init(Allocation::new(pdev), GFP_KERNEL).inspect_err(|_| {
            // SAFETY: The vectors were allocated above, and nothing has requested one.
            unsafe { bindings::pci_free_irq_vectors(as_raw(pdev)) }
        })?;
        let release = Release(allocation.clone());
        allocation.find_vectors(count.unsigned_abs())?;
        Ok(Self {
            _release: Devres::new(pdev.as_ref(), release)?,
            allocation,
        })
    }

    /// Returns what the vectors are.
    pub fn kind(&self) -> Kind {
        self.allocation.kind
    }

    /// Returns how many vectors there are.
    pub fn count(&self) -> u32 {
        self.allocation.handlers.lock().len()
    }

    /// Returns the Linux interrupt number of vector `index`, for those who request it elsewhere.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there is no such vector, `ENODEV` when the device is unbound.
    pub fn irq(&self, index: u32) -> Result<u32> {
        self.allocation.handlers.lock().irq(index)
    }

    /// Lets `handler` run in hard interrupt context when vector `index` fires.
    ///
    /// The line of [`Kind::Intx`] is shared with other devices: there, `handler` must find out from
    /// its device whether it was meant, and answer [`IrqReturn::None`] when it was not.
    ///
    /// # Errors
    ///
    /// - `EINVAL` when there is no such vector, `EBUSY` when it has a handler.
    /// - `ENODEV` when the device is unbound, `ENOMEM`, and those of `request_irq()`.
    pub fn request<F>(&self, index: u32, name: &CStr, handler: F) -> Result<IrqHandler>
    where
        F: Fn() -> IrqReturn + Send + Sync + 'static,
    {
        let handler = KBox::new(handler, GFP_KERNEL)?;
        self.allocation.request(index, name, Context::Hard, handler)
    }

    /// Lets `handler` run in a kernel thread of its own, where it may sleep, when vector `index`
    /// fires.
    ///
    /// The line is masked until `handler` is through. Errors are those of [`Vectors::request`].
    pub fn request_threaded<F>(&self, index: u32, name: &CStr, handler: F) -> Result<IrqHandler>
    where
        F: Fn() -> IrqReturn + Send + Sync + 'static,
    {
        let handler = KBox::new(handler, GFP_KERNEL)?;
        self.allocation
            .request(index, name, Context::Thread, handler)
    }
}

/// The vectors of a device, whatever their handlers.
#[pin_data]
pub(crate) struct Allocation {
    pdev: ARef<pci::Device>,
    kind: Kind,
    #[pin]
    handlers: Mutex<Handlers>,
}

impl Allocation {
    fn new(pdev: &pci::Device) -> impl PinInit<Self> + '_ {
        pin_init!(Self {
            pdev: pdev.into(),
            kind: Kind::of(pdev),
            handlers <- new_mutex!(Handlers::Live(KVec::new()), "pci_host::handlers"),
        })
    }

    /// Looks up the interrupt numbers of `count` vectors.
    fn find_vectors(&self, count: u32) -> Result {
        let mut lines = KVec::with_capacity(count.try_into()?, GFP_KERNEL)?;
        for index in 0..count {
            // SAFETY: `pdev` is a valid device; the function checks `index`.
            let irq = unsafe { bindings::pci_irq_vector(as_raw(&self.pdev), index) };
            to_result(irq)?;
            let irq = irq.unsigned_abs();
            lines.push(Line { irq, handler: None }, GFP_KERNEL)?;
        }
        *self.handlers.lock() = Handlers::Live(lines);
        Ok(())
    }

    fn request(
        self: &Arc<Self>,
        index: u32,
        name: &CStr,
        context: Context,
        handler: Handler,
    ) -> Result<IrqHandler> {
        let mut handlers = self.handlers.lock();
        let line = handlers.line(index)?;
        if line.handler.is_some() {
            return Err(EBUSY);
        }
        let shared = self.kind == Kind::Intx;
        // SAFETY: The vectors are freed under the same lock, after their handlers.
        let registration = unsafe { Registration::new(line.irq, name, context, shared, handler) };
        line.handler = Some(KBox::pin_init(registration, GFP_KERNEL)?);
        Ok(IrqHandler::new(self.clone(), index, line.irq))
    }

    /// Frees the handler of vector `index`, waiting until it no longer runs.
    pub(crate) fn free(&self, index: u32) {
        if let Ok(line) = self.handlers.lock().line(index) {
            line.handler = None;
        }
    }

    /// Frees all handlers, then the vectors. Does nothing the second time.
    fn release(&self) {
        let mut handlers = self.handlers.lock();
        if let Handlers::Live(lines) = core::mem::replace(&mut *handlers, Handlers::Released) {
            drop(lines);
            // SAFETY: The vectors are allocated until here, once, and have no handler.
            unsafe { bindings::pci_free_irq_vectors(as_raw(&self.pdev)) };
        }
    }
}

/// One vector.
struct Line {
    irq: u32,
    handler: Option<Pin<KBox<Registration>>>,
}

/// The vectors with their handlers, until they are freed.
enum Handlers {
    Live(KVec<Line>),
    Released,
}

impl Handlers {
    fn len(&self) -> u32 {
        match self {
            Self::Live(lines) => lines.len() as u32,
            Self::Released => 0,
        }
    }

    fn irq(&mut self, index: u32) -> Result<u32> {
        Ok(self.line(index)?.irq)
    }

    fn line(&mut self, index: u32) -> Result<&mut Line> {
        match self {
            Self::Live(lines) => lines.get_mut(index as usize).ok_or(EINVAL),
            Self::Released => Err(ENODEV),
        }
    }
}

/// Frees an allocation when dropped, which the driver core does at unbind at the latest.
struct Release(Arc<Allocation>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release();
    }
}

pub(crate) fn as_raw<Ctx: kernel::device::DeviceContext>(
    pdev: &pci::Device<Ctx>,
) -> *mut bindings::pci_dev {
    // CAST: `pci::Device` is a transparent wrapper of `Opaque<pci_dev>`.
    Opaque::cast_into(core::ptr::from_ref(pdev).cast())
}
