// SPDX-License-Identifier: GPL-2.0
//! What is attacked: the function with its BARs, and memory for it.

use std::rc::Rc;

use anyhow::{bail, Context, Result};
use transport::{offset, time, BarSizes, Identity, Layout, Registers, MAGIC};
use virtio::ids::DeviceId;

use crate::bar::Bar;
use crate::block;
use crate::dma::Memory;
use crate::driver::Driver;
use crate::function::Function;
use crate::packet;
use crate::patience::watch_for;
use crate::wire::Wire;

/// A function that an attack has for itself.
pub struct Target {
    /// The function.
    pub function: Function,
    /// Its BARs.
    bars: Vec<Option<Bar>>,
    sizes: BarSizes,
    register_bar: u8,
    /// The layout that the endpoint showed before the attack.
    layout: Layout,
    /// Memory that the endpoint can reach.
    pub memory: Rc<Memory>,
}

impl Target {
    /// Takes a function that has no driver, and lets it reach memory.
    pub fn open(address: &str) -> Result<Self> {
        let function = Function::open(address)?;
        function.set_decoding(true)?;
        function.set_bus_master(true)?;
        let sizes = function.bar_sizes()?;
        let bars = map_all(&function, &sizes)?;
        let numbered = (0..).zip(&bars);
        let (register_bar, registers) = numbered
            .filter_map(|(number, bar)| Some((number, bar.as_ref()?)))
            .find(|(_, bar)| bar.read32(offset::MAGIC) == MAGIC)
            .context("no BAR begins with the magic")?;
        let memory = Rc::new(Memory::new()?);
        let identity = wait_identity(registers, register_bar, &sizes)?;
        Ok(Self {
            layout: *identity.layout(),
            function,
            bars,
            sizes,
            register_bar,
            memory,
        })
    }

    /// The register BAR.
    pub fn registers(&self) -> &Bar {
        self.bar(self.register_bar)
            .expect("the register BAR was found when the target was opened")
    }

    /// A BAR.
    pub fn bar(&self, number: u8) -> Option<&Bar> {
        self.bars.get(usize::from(number))?.as_ref()
    }

    /// All BARs that there are, with their numbers.
    pub fn bars(&self) -> impl Iterator<Item = (u8, &Bar)> {
        let numbered = (0..).zip(&self.bars);
        numbered.filter_map(|(number, bar)| Some((number, bar.as_ref()?)))
    }

    /// Number of the register BAR.
    pub fn register_bar(&self) -> u8 {
        self.register_bar
    }

    /// Where the regions are, as the endpoint showed it before the attack.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The identity as it is now, once the endpoint is ready (I1 to I5).
    pub fn identity(&self) -> Result<Identity> {
        wait_identity(self.registers(), self.register_bar, &self.sizes)
    }

    /// Commands, word by word.
    pub fn wire(&self) -> Wire<'_> {
        Wire::new(self.registers())
    }

    /// An honest driver that has taken the device over.
    pub fn driver(&self) -> Result<Driver<'_>> {
        Driver::take_over(self)
    }

    /// Takes the device over with an honest driver, and sees that data goes in and out unchanged.
    pub fn expect_usable(&self) -> Result<()> {
        self.function.set_decoding(true)?;
        self.function.set_bus_master(true)?;
        let mut driver = self.driver()?;
        match DeviceId::new(driver.identity().device_id()) {
            DeviceId::BLOCK => block::expect_usable(&mut driver)?,
            DeviceId::NET => packet::expect_usable(&mut driver)?,
            id => bail!("there is no honest driver for devices of type {}", id.get()),
        }
        driver.reset()
    }
}

impl Drop for Target {
    /// Whatever is left of an attack, the endpoint reaches memory no more.
    fn drop(&mut self) {
        // Nothing can be done about a failure.
        let _ = self.function.set_bus_master(false);
    }
}

fn map_all(function: &Function, sizes: &BarSizes) -> Result<Vec<Option<Bar>>> {
    let map = |(bar, size): (usize, &u64)| match size {
        0 => Ok(None),
        size => function.map(bar, *size).map(Some),
    };
    sizes.iter().enumerate().map(map).collect()
}

/// Reads the identity until it is legal, at most for as long as an endpoint may take to be ready.
fn wait_identity(registers: &Bar, number: u8, sizes: &BarSizes) -> Result<Identity> {
    let bound = std::time::Duration::from_millis(time::READY_MS);
    let mut last = None;
    let found = watch_for(bound, || {
        let read = Identity::read(registers, number, sizes);
        read.map_err(|error| last = Some(error)).ok()
    });
    match found {
        Some(identity) => Ok(identity),
        None => bail!(
            "no legal identity within {} ms, but {last:?}",
            time::READY_MS
        ),
    }
}
