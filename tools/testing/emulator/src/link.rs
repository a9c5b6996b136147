// SPDX-License-Identifier: GPL-2.0
//! The link thread: attaches the functions to the RC and detaches them, as the EP asks.
//!
//! Attaching is QMP `device_add` of vfio-user devices on an empty root port of the RC: function 0 comes last,
//! since the RC's system is told of the device then. Detaching is `device_del` of function 0, which the RC's
//! system has to agree to, and which takes the others away too.
//!
//! Threads: the link thread owns all state here and takes inputs from a channel; the QMP thread accepts
//! connections of the RC's monitor and turns what it says into inputs. Nobody waits for the link thread.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use thiserror::Error;

use crate::endpoint::Endpoint;
use crate::qmp::{self, Message, Sender};
use crate::socket::Listener;

/// How the functions are attached.
#[derive(Clone, Debug)]
pub struct AttachSettings {
    /// Socket of each function, as an absolute path.
    pub sockets: Vec<PathBuf>,
    /// Id of the RC's root port.
    pub bus: String,
}

/// For the RC's monitor to answer.
const REPORT_TIME: Duration = Duration::from_secs(5);

/// What the link thread reacts to.
#[derive(Debug)]
pub enum Input {
    /// The EP started the link, with these functions and function 0: bit n for function n.
    Start(u16),
    /// The EP stopped the link.
    Stop,
    /// The RC's monitor is there.
    MonitorUp(Sender),
    /// The RC's monitor said something.
    Monitor(Message),
    /// The RC's monitor is gone.
    MonitorDown,
    /// Someone wants the RC's bus to report an error.
    Report(BusError, mpsc::Sender<Result<(), ReportError>>),
    /// The emulator ends.
    Quit,
}

/// An error that the root port of the RC reports, by Advanced Error Reporting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BusError {
    /// One that the hardware corrected.
    Corrected,
    /// A transaction failed, and the link goes on.
    NonFatal,
    /// The link does not work until it is reset.
    Fatal,
}

impl BusError {
    /// What QEMU calls an error of this severity, as long as the RC leaves the severities alone.
    fn name(self) -> &'static str {
        match self {
            Self::Corrected => "RCVR",
            Self::NonFatal => "COMP_TIME",
            Self::Fatal => "DLP",
        }
    }
}

/// Why an error cannot be reported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReportError {
    /// There is no RC.
    #[error("the monitor of the RC is not connected: start that machine first")]
    NoMonitor,
    /// The RC's monitor refused.
    #[error("the monitor of the RC refused: {0}")]
    Refused(String),
    /// The emulator ends, or the monitor did not answer.
    #[error("the monitor of the RC did not answer within {REPORT_TIME:?}")]
    NoAnswer,
}

/// Gives inputs to the link thread.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    inputs: mpsc::Sender<Input>,
}

impl LinkHandle {
    /// Makes a handle and the queue that it feeds.
    pub fn new() -> (Self, mpsc::Receiver<Input>) {
        let (inputs, queue) = mpsc::channel();
        (Self { inputs }, queue)
    }

    /// Gives an input; without effect once the link thread has ended.
    pub fn send(&self, input: Input) {
        if self.inputs.send(input).is_err() {
            tracing::debug!("Link input after the end of the link thread");
        }
    }

    /// Has the RC's root port report an error.
    ///
    /// # Errors
    ///
    /// See [`ReportError`].
    pub fn report(&self, error: BusError) -> Result<(), ReportError> {
        let (answer, answered) = mpsc::channel();
        self.send(Input::Report(error, answer));
        let outcome = answered.recv_timeout(REPORT_TIME);
        outcome.unwrap_or(Err(ReportError::NoAnswer))
    }

    /// Accepts monitors of the RC, one after the other, until the listener is stopped.
    pub fn run_monitor(&self, listener: &Listener) {
        while let Some(stream) = listener.accept() {
            match qmp::open(stream) {
                Ok((sender, receiver)) => self.follow(sender, receiver),
                Err(error) => tracing::error!("RC monitor sent away: {error}"),
            }
        }
    }

    fn follow(&self, sender: Sender, mut receiver: qmp::Receiver) {
        tracing::info!("RC monitor connected");
        self.send(Input::MonitorUp(sender));
        loop {
            match receiver.receive() {
                Ok(Some(message)) => self.send(Input::Monitor(message)),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!("RC monitor lost: {error}");
                    break;
                }
            }
        }
        self.send(Input::MonitorDown);
        tracing::info!("RC monitor disconnected");
    }
}

/// Where the functions are between the EP's wish and the RC's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attachment {
    Detached,
    /// The `device_add` of this function is on its way; those below are still to be added.
    Adding {
        command: u64,
        function: u8,
    },
    Attached,
    /// A `device_del` was sent; the end of it is an event for each function.
    Removing,
}

/// State of the link thread.
#[derive(Debug)]
pub struct Link {
    endpoint: Arc<Endpoint>,
    settings: AttachSettings,
    monitor: Option<Sender>,
    wanted: bool,
    /// Functions that the EP wants besides function 0.
    functions: u16,
    /// Functions that the RC's monitor has.
    present: BTreeSet<u8>,
    attachment: Attachment,
    /// The monitor refused `device_add`; only a new start or a new monitor helps.
    refused: bool,
    /// A new start came while a function was being added.
    started_anew: bool,
    /// The command that reports an error, and who waits for it.
    report: Option<(u64, mpsc::Sender<Result<(), ReportError>>)>,
}

impl Link {
    /// Makes the link of an endpoint.
    pub fn new(endpoint: Arc<Endpoint>, settings: AttachSettings) -> Self {
        Self {
            endpoint,
            settings,
            monitor: None,
            wanted: false,
            functions: 0,
            present: BTreeSet::new(),
            attachment: Attachment::Detached,
            refused: false,
            started_anew: false,
            report: None,
        }
    }

    /// Reacts to inputs until [`Input::Quit`].
    pub fn run(mut self, queue: &mpsc::Receiver<Input>) {
        for input in queue {
            match input {
                Input::Quit => return,
                input => self.react(input),
            }
            self.step();
        }
    }

    fn react(&mut self, input: Input) {
        match input {
            Input::Start(functions) => {
                self.wanted = true;
                self.functions = functions;
                self.refused = false;
                self.started_anew = matches!(self.attachment, Attachment::Adding { .. });
            }
            Input::Stop => self.wanted = false,
            Input::MonitorUp(sender) => {
                self.monitor = Some(sender);
                self.forget();
            }
            Input::MonitorDown => {
                self.monitor = None;
                self.forget();
                self.endpoint.detached(self.wanted);
            }
            Input::Monitor(message) => self.heard(message),
            Input::Report(error, answer) => self.begin_report(error, answer),
            Input::Quit => {}
        }
    }

    /// Another monitor has nothing of what was attached to the last one.
    fn forget(&mut self) {
        self.attachment = Attachment::Detached;
        self.present.clear();
        self.refused = false;
    }

    fn heard(&mut self, message: Message) {
        if let Some(message) = self.end_report(message) {
            self.heard_of_functions(message);
        }
    }

    fn heard_of_functions(&mut self, message: Message) {
        match (message, self.attachment) {
            (Message::Done(id, _), Attachment::Adding { command, function }) if id == command => {
                self.added(function);
            }
            (Message::Failed(id, reason), Attachment::Adding { command, .. }) if id == command => {
                tracing::error!("The RC's monitor refused the function: {reason}");
                self.refused = !self.started_anew;
                self.remove();
            }
            (Message::DeviceDeleted(id), _) => self.deleted(&id),
            (Message::UnplugRefused(id), _) => {
                tracing::warn!("The RC's system does not let go of {id}");
            }
            (Message::Failed(_, reason), _) => {
                tracing::error!("The RC's monitor refused: {reason}")
            }
            _ => {}
        }
    }

    fn added(&mut self, function: u8) {
        self.present.insert(function);
        if function > 0 {
            return self.add(function);
        }
        self.attachment = Attachment::Attached;
        if !self.endpoint.attached() {
            // Stopped meanwhile, and maybe started again with other functions.
            self.remove();
        }
    }

    fn deleted(&mut self, id: &str) {
        let mut present = self.present.iter().copied();
        let Some(function) = present.find(|function| self.device_id(*function) == id) else {
            return;
        };
        self.present.remove(&function);
        if self.present.is_empty() {
            self.attachment = Attachment::Detached;
            self.endpoint.detached(self.wanted);
        }
    }

    /// Brings the attachment one step nearer to the wish.
    fn step(&mut self) {
        match (self.wanted, self.attachment) {
            (true, Attachment::Detached) if !self.refused => {
                // After a stop that found nothing attached, the link is Down first.
                self.endpoint.detached(true);
                self.add(u8::MAX);
            }
            (false, Attachment::Attached) => self.remove(),
            (false, Attachment::Detached) => self.endpoint.detached(false),
            _ => {}
        }
    }

    /// Adds the highest function that is to be attached of those below a number.
    fn add(&mut self, below: u8) {
        let wanted = |function: u8| function == 0 || (self.functions >> function) & 1 == 1;
        let sockets = (0..below).zip(&self.settings.sockets);
        let Some((function, socket)) = sockets.filter(|(function, _)| wanted(*function)).last()
        else {
            return;
        };
        let mut arguments = json!({
            "driver": "vfio-user-pci",
            "id": self.device_id(function),
            "bus": self.settings.bus,
            "rombar": 0,
            "socket": { "type": "unix", "path": socket },
        });
        if self.functions > 1 {
            // What the header says of it is the monitor's.
            arguments["multifunction"] = true.into();
            arguments["addr"] = format!("0.{function}").into();
        }
        if let Some(command) = self.execute("device_add", arguments) {
            self.attachment = Attachment::Adding { command, function };
        }
    }

    /// Has the RC let go of all functions: of function 0, which takes the others with it, or of each if it is
    /// not there.
    fn remove(&mut self) {
        let functions: Vec<_> = match self.present.first() {
            Some(0) => vec![0],
            _ => self.present.iter().copied().collect(),
        };
        if functions.is_empty() {
            self.attachment = Attachment::Detached;
        }
        for function in functions {
            let id = self.device_id(function);
            if self.execute("device_del", json!({ "id": id })).is_some() {
                self.attachment = Attachment::Removing;
            }
        }
    }

    /// Id of a function among the devices of the RC's monitor, which may have other endpoints.
    fn device_id(&self, function: u8) -> String {
        format!("{}-function{function}", self.settings.bus)
    }

    fn begin_report(&mut self, error: BusError, answer: mpsc::Sender<Result<(), ReportError>>) {
        let line = format!(
            "pcie_aer_inject_error {} {}",
            self.settings.bus,
            error.name()
        );
        let arguments = json!({ "command-line": line });
        match self.execute("human-monitor-command", arguments) {
            Some(id) => self.report = Some((id, answer)),
            None => tell(&answer, Err(ReportError::NoMonitor)),
        }
    }

    /// Takes the answer to a report; returns any other message.
    fn end_report(&mut self, message: Message) -> Option<Message> {
        let (Message::Done(id, _) | Message::Failed(id, _)) = &message else {
            return Some(message);
        };
        let Some((_, answer)) = self.report.take_if(|(report, _)| report == id) else {
            return Some(message);
        };
        tell(
            &answer,
            match message {
                // The command for people has a text for an answer, whatever came of it.
                Message::Done(_, Value::String(text)) if text.starts_with("OK") => Ok(()),
                Message::Done(_, other) => Err(ReportError::Refused(other.to_string())),
                Message::Failed(_, reason) => Err(ReportError::Refused(reason)),
                Message::DeviceDeleted(_) | Message::UnplugRefused(_) => return None,
            },
        );
        None
    }

    fn execute(&mut self, command: &str, arguments: serde_json::Value) -> Option<u64> {
        let monitor = self.monitor.as_mut()?;
        monitor
            .execute(command, arguments)
            .inspect_err(|error| {
                tracing::error!("Cannot send {command} to the RC's monitor: {error}")
            })
            .ok()
    }
}

/// Answers who waits for a report, if that one still does.
fn tell(answer: &mpsc::Sender<Result<(), ReportError>>, outcome: Result<(), ReportError>) {
    if answer.send(outcome).is_err() {
        tracing::warn!("Nobody waits any more for the report of an error");
    }
}
