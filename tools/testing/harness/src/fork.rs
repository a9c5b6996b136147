// SPDX-License-Identifier: GPL-2.0
//! Two endpoints under one root complex: each has its machine, its emulator and a root port.

use anyhow::Result;
use epc_emulator::emulator::Endpoints;

use crate::commands::endpoint;
use crate::guest::{Guest, Model, Starting};
use crate::layout::Layout;
use crate::link::{start_emulator, start_ep, WINDOW_SIZE};
use crate::process::Process;

/// A root complex with two endpoints.
///
/// The fields are in the order in which they end: the machines before what joins them.
pub struct Fork {
    /// The root complex.
    pub rc: Guest,
    /// The endpoints.
    pub branches: [Branch; 2],
}

/// An endpoint behind a root port.
pub struct Branch {
    /// The endpoint.
    pub ep: Guest,
    port: u8,
    layout: Layout,
    sockets: Endpoints,
    _emulator: Process,
}

/// A branch whose machine starts.
struct Growing {
    ep: Starting,
    port: u8,
    layout: Layout,
    sockets: Endpoints,
    emulator: Process,
}

impl Fork {
    /// Starts the emulators, the endpoints and the root complex.
    pub fn boot(layout: &Layout) -> Result<Self> {
        let first = Growing::start(layout.clone(), 1)?;
        let second = Growing::start(layout.for_another("second"), 2)?;
        let rc = Starting::new(layout, Model::RC, |qemu| {
            for branch in [&first, &second] {
                branch.sockets.join_rc(qemu, branch.port);
            }
        })?;
        Ok(Self {
            branches: [first.ready()?, second.ready()?],
            rc: rc.ready()?,
        })
    }
}

impl Growing {
    fn start(layout: Layout, port: u8) -> Result<Self> {
        let sockets = Endpoints {
            rc_bus: format!("rp{port}"),
            ..Endpoints::in_directory(&layout.run()?)
        };
        let emulator = start_emulator(&layout, &sockets, &["--window-size", WINDOW_SIZE])?;
        Ok(Self {
            ep: start_ep(&layout, Model::EP, &sockets)?,
            port,
            layout,
            sockets,
            emulator,
        })
    }

    fn ready(self) -> Result<Branch> {
        Ok(Branch {
            ep: self.ep.ready()?,
            port: self.port,
            layout: self.layout,
            sockets: self.sockets,
            _emulator: self.emulator,
        })
    }
}

impl Branch {
    /// Starts the link, and returns the RC's address of the function once it is there.
    pub fn start_link(&mut self, rc: &mut Guest) -> Result<String> {
        endpoint::begin_start(&mut self.ep)?;
        let address = endpoint::address(self.port, 0);
        endpoint::wait_for(rc, &address)?;
        Ok(address)
    }

    /// Waits until the RC let go of the function.
    pub fn wait_for_end(&self, rc: &mut Guest) -> Result<()> {
        endpoint::wait_for_end(rc, self.port)
    }

    /// Gives the endpoint its power back.
    pub fn restart(&mut self) -> Result<()> {
        self.ep = start_ep(&self.layout, Model::EP, &self.sockets)?.ready()?;
        Ok(())
    }
}
