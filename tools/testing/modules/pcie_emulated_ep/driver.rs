// SPDX-License-Identifier: GPL-2.0

//! The controller as a PCI device: from its discovery to its registration, and back.

use crate::{
    board::Board,
    controller::EmulatedController,
    dma::Dma,
    events::Events,
    hw::{
        Hw,
        Identity, //
    },
    window, //
};
use epc_regs::{
    bar,
    caps,
    event,
    vector,
    Opcode,
    DEVICE_ID,
    VENDOR_ID, //
};
use kernel::{
    device::{
        Bound,
        Core, //
    },
    page::PAGE_SIZE,
    pci,
    prelude::*,
    sync::Arc, //
};
use pci_ep::{
    provider::{
        Config,
        ControllerDevice,
        Doorbell,
        Registration, //
    }, //
};
use pci_host::{
    IrqHandler,
    Kind,
    Vectors, //
};

/// What a doorbell is rung with; the controller takes any value.
const RING: u32 = 1;

kernel::pci_device_table!(
    PCI_TABLE,
    MODULE_PCI_TABLE,
    <ControllerDriver as pci::Driver>::IdInfo,
    [(pci_host::device_id(VENDOR_ID, DEVICE_ID), ())]
);

/// The driver of the controller's PCI device.
pub(crate) struct ControllerDriver;

impl pci::Driver for ControllerDriver {
    type IdInfo = ();
    type Data<'bound> = Attached;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: &'bound Self::IdInfo,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pdev.enable_device_mem()?;
        pdev.set_master();
        pci_host::reach_64_bits(pdev)?;
        Attached::new(pdev)
    }
}

/// A controller with its driver. Fields are dropped in this order: no events, no operations, no
/// DMA, no link, no interrupts.
pub(crate) struct Attached {
    _events: IrqHandler,
    _registration: Registration<EmulatedController>,
    _dma: Dma,
    _power: Power,
    _vectors: Vectors,
}

impl Attached {
    fn new(pdev: &pci::Device<Bound>) -> Result<Self> {
        let hw = Arc::new(Hw::new(pdev)?, GFP_KERNEL)?;
        let identity = hw.identify()?;
        let board = Board::read(&hw)?;
        let region = outbound_region(pdev, &identity)?;
        let windows = board.windows(region)?;
        let power = Power::on(hw.clone())?;
        // Of the doorbells, functions can have the first.
        let dma_vector = u32::from(vector::DOORBELL0) + identity.doorbells;
        let count = dma_vector + identity.dma_channels;
        let vectors = Vectors::alloc(pdev, count, count, &[Kind::MsiX])?;
        let controller = EmulatedController {
            device: pdev.as_ref().into(),
            window: region,
            doorbell: doorbell(&hw, &identity, &vectors)?,
            hw: hw.clone(),
        };
        let config = Config {
            functions: identity.functions,
            features: board.features(identity.caps),
            align: board.outbound_align,
            windows: &windows,
        };
        let controller = Arc::new(controller, GFP_KERNEL)?;
        let device = Arc::new(ControllerDevice::new(pdev.as_ref().name())?, GFP_KERNEL)?;
        let window = region..region + identity.window_size;
        let dma_vectors = (&vectors, dma_vector);
        let dma = Dma::new(
            pdev,
            (*device).as_ref(),
            &hw,
            &identity,
            window,
            dma_vectors,
        )?;
        let registration = Registration::new(device, controller, &config)?;
        let events = Events {
            hw: hw.clone(),
            notifier: registration.notifier(),
            functions: identity.functions,
        };
        let events = vectors.request_threaded(
            vector::EVENT.into(),
            c"pcie_emulated_ep-events",
            move || events.handle(),
        )?;
        hw.enable_events(event::ALL)?;
        Ok(Self {
            _events: events,
            _registration: registration,
            _dma: dma,
            _power: power,
            _vectors: vectors,
        })
    }
}

/// Keeps a controller out of its reset state.
struct Power(Arc<Hw>);

impl Power {
    /// Puts the controller into its reset state first: a driver before this may have used it.
    fn on(hw: Arc<Hw>) -> Result<Self> {
        hw.execute_for_all(Opcode::Reset, 0)?;
        Ok(Self(hw))
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        // A failure is logged where it happens; there is nothing else to do about it.
        let _ = self.0.execute_for_all(Opcode::Reset, 0);
    }
}

/// Returns where the region begins through which RC memory can be mapped.
///
/// # Errors
///
/// `EPROBE_DEFER` when the window's device is not there yet, `ENODEV` when it is not as expected.
fn outbound_region(pdev: &pci::Device<Bound>, identity: &Identity) -> Result<u64> {
    let (address, size) = if identity.caps & caps::MAPPED_WINDOW != 0 {
        let region = window::region().ok_or(EPROBE_DEFER)?;
        (region.address, region.size)
    } else {
        let number = bar::WINDOW as u32;
        (pdev.resource_start(number)?, pdev.resource_len(number)?)
    };
    if size < identity.window_size || identity.page_size as usize != PAGE_SIZE {
        dev_err!(
            pdev,
            "Expected a window of {:#x} bytes in pages of {:#x}, found {:#x} in {:#x}\n",
            identity.window_size,
            PAGE_SIZE,
            size,
            identity.page_size
        );
        return Err(ENODEV);
    }
    Ok(address)
}

/// Returns the doorbell which functions can have: the first one of the controller.
fn doorbell(hw: &Hw, identity: &Identity, vectors: &Vectors) -> Result<Option<Doorbell>> {
    if identity.doorbells == 0 {
        return Ok(None);
    }
    Ok(Some(Doorbell {
        address: hw.doorbell_page(),
        data: RING,
        irq: vectors.irq(vector::DOORBELL0.into())?,
    }))
}
