// SPDX-License-Identifier: GPL-2.0
//! Several functions of ours on one controller, with the link up.

use anyhow::{Context, Result};

use super::endpoint::{self, VhostFunction};
use super::served::Instance;
use super::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;
use crate::link::Link;

/// Them, in order.
pub struct Several {
    /// What they offer.
    instances: Vec<Instance>,
    /// The functions on the EP.
    pub functions: Vec<VhostFunction>,
    /// Their addresses on the RC.
    pub addresses: Vec<String>,
}

impl Several {
    /// Makes and binds a function for each instance, all with these attributes, and starts the link.
    pub fn start(
        link: &mut Link,
        instances: &[Instance],
        attributes: &[(&str, &str)],
    ) -> Result<Self> {
        let mut functions = Vec::new();
        for instance in instances {
            let function = instance.create(&mut link.ep)?;
            for (attribute, value) in attributes {
                function.set(&mut link.ep, attribute, value)?;
            }
            functions.push(function);
        }
        for function in &functions {
            function.bind(&mut link.ep)?;
        }
        Ok(Self {
            instances: instances.to_vec(),
            addresses: endpoint::start_all(link, u8::try_from(functions.len())?)?,
            functions,
        })
    }

    /// Adds the vDPA device of a function.
    pub fn add(&self, rc: &mut Guest, number: usize) -> Result<VdpaDevice> {
        add(rc, &self.addresses, number)
    }

    /// Stops the link, and takes all away.
    pub fn stop(self, link: &mut Link) -> Result<()> {
        endpoint::stop(link)?;
        self.clean_up(link)
    }

    /// Takes away what is left once the link was stopped.
    pub fn clean_up(self, link: &mut Link) -> Result<()> {
        for (instance, function) in self.instances.into_iter().zip(&self.functions) {
            function.unbind(&mut link.ep)?;
            instance.remove(&mut link.ep, function)?;
        }
        Ok(())
    }
}

/// Adds the vDPA device of one of several functions.
pub fn add(rc: &mut Guest, addresses: &[String], number: usize) -> Result<VdpaDevice> {
    let address = addresses.get(number).context("no such function")?;
    VdpaDevice::add(rc, &format!("vdpa{number}"), &format!("pci/{address}"))
}
