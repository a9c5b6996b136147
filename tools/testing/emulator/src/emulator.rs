// SPDX-License-Identifier: GPL-2.0
//! Puts the parts together: sockets, threads, and their end.
//!
//! Threads, each joined at the end: `rc` (each function towards the RC), `ep` (controller towards the EP), `window`
//! (main socket of the window device), `pages` (worker of `outbound`), `dma` (each channel), `monitor` (QMP of the RC), `link`,
//! `control` (if there is a socket for it).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{io, thread};

use thiserror::Error;

use crate::control;
use crate::controller::Controller;
use crate::endpoint::Endpoint;
use crate::fabric::{Fabric, Settings};
use crate::link::{AttachSettings, Input, Link, LinkHandle};
use crate::socket::{ListenError, Listener, StopHandle};
use crate::trace::Trace;
use crate::vfio_user::Server;
use crate::vhost_user::Frontend;

/// Why the emulator cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A socket cannot be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system gives no thread, or cannot resolve a path.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// Paths of the sockets, and the RC's root port.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// vfio-user socket of function 0; see [`function`](Self::function) for the others.
    pub rc: PathBuf,
    /// vfio-user socket of the controller.
    pub ep: PathBuf,
    /// vhost-user socket of the window.
    pub window: PathBuf,
    /// QMP socket to which the RC's monitor connects.
    pub rc_qmp: PathBuf,
    /// Id of the RC's root port.
    pub rc_bus: String,
    /// Socket for questions, if there shall be one.
    pub control: Option<PathBuf>,
}

/// Id of the RC's root port, unless another one is named.
pub const ROOT_PORT: &str = "rp1";

impl Endpoints {
    /// All sockets in one directory, that for questions as well.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            rc: directory.join("emulator.function"),
            ep: directory.join("emulator.controller"),
            window: directory.join("emulator.window"),
            rc_qmp: directory.join("emulator.monitor"),
            rc_bus: ROOT_PORT.to_owned(),
            control: Some(directory.join("emulator.control")),
        }
    }

    /// vfio-user socket of a function: that of function 0 with the number behind a dot.
    pub fn function(&self, number: u8) -> PathBuf {
        let mut path = self.rc.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        path.into()
    }

    /// The sockets that the emulator makes for any board.
    pub fn sockets(&self) -> impl Iterator<Item = &PathBuf> {
        let machines = [&self.rc, &self.ep, &self.window, &self.rc_qmp];
        machines.into_iter().chain(&self.control)
    }
}

/// A running emulator; ends when dropped.
#[derive(Debug)]
pub struct Emulator {
    fabric: Fabric,
    link: LinkHandle,
    stops: Vec<StopHandle>,
    threads: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Listens on all sockets and serves them.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; nothing is left behind.
    pub fn start(
        endpoints: &Endpoints,
        settings: Settings,
        trace: Trace,
    ) -> Result<Self, StartError> {
        let paths = (0..settings.profile.functions.get()).map(|number| endpoints.function(number));
        let rc = paths
            .map(|path| Listener::bind(&path))
            .collect::<Result<Vec<_>, _>>()?;
        let ep = Listener::bind(&endpoints.ep)?;
        let qmp = Listener::bind(&endpoints.rc_qmp)?;
        let window = Listener::bind(&endpoints.window)?;
        let control = endpoints
            .control
            .as_deref()
            .map(Listener::bind)
            .transpose()?;
        let attach = AttachSettings {
            sockets: rc
                .iter()
                .map(|listener| listener.path().canonicalize())
                .collect::<Result<_, _>>()?,
            bus: endpoints.rc_bus.clone(),
        };
        let fabric = Fabric::new(settings, trace);
        let endpoint = Arc::new(Endpoint::new(&fabric));
        let (link, inputs) = LinkHandle::new();
        let controller = Arc::new(Controller::new(
            fabric.clone(),
            Arc::clone(&endpoint),
            link.clone(),
        ));

        let listeners = [&ep, &qmp, &window].into_iter().chain(&rc).chain(&control);
        let stops = listeners.map(Listener::stop_handle).collect();
        let mut emulator = Self {
            fabric: fabric.clone(),
            link: link.clone(),
            stops,
            threads: Vec::new(),
        };
        let link_thread = Link::new(Arc::clone(&endpoint), attach);
        emulator.spawn("link", move || link_thread.run(&inputs))?;
        let monitor = link.clone();
        emulator.spawn("monitor", move || monitor.run_monitor(&qmp))?;
        for (listener, function) in rc.into_iter().zip(endpoint.functions()) {
            let server = Server::new(Arc::clone(function) as Arc<_>);
            emulator.spawn("rc", move || server.run(&listener))?;
        }
        emulator.spawn("ep", move || Server::new(controller).run(&ep))?;
        if let Some(control) = control {
            let fabric = fabric.clone();
            emulator.spawn("control", move || control::run(&fabric, &link, &control))?;
        }
        let outbound = Arc::clone(&fabric.outbound);
        let frontend = Frontend::new(Arc::clone(&outbound), fabric.window_size());
        emulator.spawn("window", move || frontend.run(&window))?;
        emulator.spawn("pages", move || outbound.run())?;
        for channel in 0..fabric.dma.channels() {
            let dma = Arc::clone(&fabric.dma);
            emulator.spawn("dma", move || dma.run(channel))?;
        }
        Ok(emulator)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.link.send(Input::Quit);
        self.fabric.outbound.stop();
        self.fabric.dma.stop();
        self.stops.iter().for_each(StopHandle::stop);
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!("The thread {name} panicked");
            }
        }
    }
}
