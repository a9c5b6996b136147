// SPDX-License-Identifier: GPL-2.0
//! The endpoint controller: a PCI device in the EP, whose registers define the functions and drive the
//! link. Registers are specified in the README and in `epc_regs`.
//!
//! What it is: a vfio-user device; accesses come from the EP thread. It never waits for a monitor: what takes
//! time leaves a ticket, and STATUS reads Busy until it is done.
//!
//! Locking: the registers have a mutex, first in the order of `sync`; only the EP thread takes it.

mod command;
pub mod dma;
pub mod inbound;
pub mod interrupt;
pub mod outbound;
pub mod regs;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use epc_regs::{bar, bar_flags, Header, DEVICE_ID, VENDOR_ID};

use crate::config_space::{self, ConfigSpace};
use crate::endpoint::Endpoint;
use crate::fabric::{Fabric, Side, WindowMode};
use crate::link::LinkHandle;
use crate::sync::lock;
use crate::trace::Access;
use crate::vfio_user::device::{check_access, IrqInfo, Place, RegionInfo};
use crate::vfio_user::message::{irq, DmaMap, SetIrqs, CONFIG_REGION};
use crate::vfio_user::{Client, Device, Refusal};
use crate::PAGE_SIZE;
use regs::Registers;

/// Offset of the pending bits in the MSI-X BAR.
const PENDING_BITS: u32 = 0x800;

/// The endpoint controller.
#[derive(Debug)]
pub struct Controller {
    fabric: Fabric,
    endpoint: Arc<Endpoint>,
    link: LinkHandle,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: ConfigSpace,
    registers: Registers,
}

impl Controller {
    /// Makes the controller of an endpoint and its link.
    pub fn new(fabric: Fabric, endpoint: Arc<Endpoint>, link: LinkHandle) -> Self {
        let state = Mutex::new(State {
            config: config_space(&fabric),
            registers: Registers::default(),
        });
        Self {
            fabric,
            endpoint,
            link,
            state,
        }
    }

    fn region_size(&self, region: u32) -> u64 {
        let index = usize::try_from(region).unwrap_or(usize::MAX);
        match index {
            _ if region == CONFIG_REGION => config_space::SIZE as u64,
            bar::REGISTERS => epc_regs::REGISTERS_BAR_SIZE,
            bar::MSIX => PAGE_SIZE,
            bar::WINDOW if self.fabric.settings.window_mode == WindowMode::Trapped => {
                self.fabric.window_size()
            }
            _ => 0,
        }
    }
}

fn config_space(fabric: &Fabric) -> ConfigSpace {
    let mut config = ConfigSpace::new(&Header {
        vendor: VENDOR_ID,
        device: DEVICE_ID,
        base_class: (epc_regs::CLASS_CODE >> 16) as u8,
        subsystem_vendor: VENDOR_ID,
        subsystem: DEVICE_ID,
        ..Header::default()
    });
    config.add_bar(bar::REGISTERS, epc_regs::REGISTERS_BAR_SIZE, 0);
    config.add_bar(bar::MSIX, PAGE_SIZE, 0);
    if fabric.settings.window_mode == WindowMode::Trapped {
        let flags = bar_flags::MEM_64 | bar_flags::PREFETCH;
        config.add_bar(bar::WINDOW, fabric.window_size(), flags);
    }
    config.add_msix(fabric.events.count() as u16, bar::MSIX, 0, PENDING_BITS);
    config
}

impl Device for Controller {
    fn name(&self) -> &str {
        "EP"
    }

    fn connect(&self, _client: &Arc<Client>) -> Result<(), Refusal> {
        let mut state = lock(&self.state);
        state.config = config_space(&self.fabric);
        state.registers = Registers::default();
        Ok(())
    }

    /// The EP is gone, and with it everything it defined and the memory behind the BARs.
    fn disconnect(&self) {
        self.power_on_reset();
        self.fabric.events.disconnect();
        self.fabric.clear_memory(Side::Ep);
    }

    fn region_info(&self, region: u32) -> RegionInfo {
        RegionInfo {
            size: self.region_size(region),
            mappable: None,
        }
    }

    fn irq_info(&self, index: u32) -> IrqInfo {
        let count = if index == irq::MSIX {
            self.fabric.events.count()
        } else {
            0
        };
        IrqInfo {
            count,
            automasked: false,
        }
    }

    fn region_read(&self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), Refusal> {
        let place = check_access(region, offset, data.len(), self.region_size(region))?;
        match place {
            Place::Config => lock(&self.state).config.read(offset, data),
            Place::Bar(bar::REGISTERS) => self.read_registers(offset, data),
            Place::Bar(bar::WINDOW) => self.fabric.outbound.access(Access::Read, offset, data),
            Place::Bar(_) => data.fill(0),
        }
        Ok(())
    }

    fn region_write(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), Refusal> {
        let place = check_access(region, offset, data.len(), self.region_size(region))?;
        match place {
            Place::Config => lock(&self.state).config.write(offset, data),
            Place::Bar(bar::REGISTERS) => self.write_registers(offset, data),
            Place::Bar(bar::WINDOW) => {
                let outbound = &self.fabric.outbound;
                outbound.access(Access::Write, offset, &mut data.to_vec());
            }
            Place::Bar(_) => {}
        }
        Ok(())
    }

    fn dma_map(&self, map: &DmaMap, file: Option<OwnedFd>) -> Result<(), Refusal> {
        self.fabric.map_memory(Side::Ep, map, file)?;
        Ok(())
    }

    fn dma_unmap(&self, iova: u64, size: u64) {
        self.fabric.unmap_memory(Side::Ep, iova, size);
    }

    fn set_irqs(&self, request: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refusal> {
        match request.index {
            irq::MSIX => self.fabric.events.apply(request, fds),
            index => Err(Refusal::Vectors {
                index,
                start: request.start,
                count: request.count,
            }),
        }
    }

    /// Reset of the EP's machine: the controller returns to its power-on state.
    fn reset(&self) {
        let mut state = lock(&self.state);
        state.config = config_space(&self.fabric);
        state.registers = Registers::default();
        self.power_on_reset();
    }
}
