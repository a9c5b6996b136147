// SPDX-License-Identifier: GPL-2.0
//! The endpoint: its functions, and the link that they share.
//!
//! Life of the link, with who moves it:
//!
//! ```text
//! Down --Start (EP)--> Waiting --attached (link thread)--> Up
//!  ^                      |  ^                              |
//!  |                      |  +---- RC gone (link thread) ---+
//!  +-- detached (link thread) -- Leaving <--Stop (EP)-------+
//! ```
//!
//! Locking: one mutex around the state of the link, third in the order of `sync`; EP thread and link thread.
//! Each function has a copy under its own lock, so that the threads of the RC need not share one.

use std::sync::{Arc, Mutex};

use epc_regs::{event, LinkState, Status};

use crate::controller::outbound::Ticket;
use crate::fabric::Fabric;
use crate::function::Function;
use crate::sync::lock;
use crate::trace::Transaction;

/// The functions of an endpoint.
#[derive(Debug)]
pub struct Endpoint {
    fabric: Fabric,
    functions: Vec<Arc<Function>>,
    link: Mutex<LinkState>,
}

impl Endpoint {
    /// Makes the endpoint of a board, with undefined functions and the link down.
    pub fn new(fabric: &Fabric) -> Self {
        let numbers = 0..fabric.settings.profile.functions.get();
        let function = |number| Arc::new(Function::new(fabric.clone(), number));
        Self {
            fabric: fabric.clone(),
            functions: numbers.map(function).collect(),
            link: Mutex::new(LinkState::Down),
        }
    }

    /// The functions, by number; there is one at least.
    pub fn functions(&self) -> &[Arc<Function>] {
        &self.functions
    }

    /// Returns the function with a number.
    ///
    /// # Errors
    ///
    /// `BadArgument` when there is none.
    pub fn function(&self, number: u8) -> Result<&Function, Status> {
        let function = self.functions.get(usize::from(number));
        function.map(Arc::as_ref).ok_or(Status::BadArgument)
    }

    /// Checks functions that are to be attached, bit n for function n.
    ///
    /// # Errors
    ///
    /// `BadArgument` when one of them does not exist.
    pub fn check_map(&self, functions: u16) -> Result<(), Status> {
        let unknown = u32::from(functions) >> self.functions.len();
        (unknown == 0).then_some(()).ok_or(Status::BadArgument)
    }

    /// Number of inbound windows of the board that the other functions leave to one.
    pub fn inbound_room(&self, number: u8) -> usize {
        let inbound = &self.fabric.settings.profile.inbound;
        if inbound.per_function {
            return inbound.windows;
        }
        let others = self.functions.iter().enumerate();
        let others = others.filter(|(other, _)| *other != usize::from(number));
        let taken: usize = others.map(|(_, other)| other.inbound_windows()).sum();
        inbound.windows.saturating_sub(taken)
    }

    /// State of the link.
    pub fn link(&self) -> LinkState {
        *lock(&self.link)
    }

    /// Lets the link come up.
    pub fn start(&self) {
        let mut link = lock(&self.link);
        if *link == LinkState::Down {
            self.set_link(&mut link, LinkState::Waiting);
        }
    }

    /// Takes the link down; the ticket is done when no page of RC memory is reachable any more.
    pub fn stop(&self) -> Ticket {
        let mut link = lock(&self.link);
        let next = match *link {
            LinkState::Down => LinkState::Down,
            _ => LinkState::Leaving,
        };
        self.set_link(&mut link, next)
    }

    /// Takes away all that the EP defined; the link is stopped.
    pub fn undefine(&self) {
        self.functions
            .iter()
            .for_each(|function| function.undefine());
    }

    /// The RC has attached the functions; says whether the link is up, or was stopped meanwhile.
    pub fn attached(&self) -> bool {
        let mut link = lock(&self.link);
        if *link == LinkState::Waiting {
            self.set_link(&mut link, LinkState::Up);
        }
        *link == LinkState::Up
    }

    /// The RC has let go of the functions, or is gone; `wanted` says whether the link shall come up again.
    pub fn detached(&self, wanted: bool) {
        let mut link = lock(&self.link);
        let next = match wanted {
            true => LinkState::Waiting,
            false => LinkState::Down,
        };
        self.set_link(&mut link, next);
    }

    /// Moves the link. LINK_UP comes before what the RC does to functions then, and LINK_DOWN, which tells when
    /// Down (or Waiting again) begins, behind.
    fn set_link(&self, link: &mut LinkState, next: LinkState) -> Ticket {
        let was = std::mem::replace(link, next);
        if was != next {
            self.announce(next);
        }
        let events = &self.fabric.events;
        if was != next && next == LinkState::Up {
            events.raise(event::LINK_UP);
        }
        let ticket = self
            .functions
            .iter()
            .fold(Ticket::default(), |ticket, function| {
                ticket.later(function.set_link(next))
            });
        if let (LinkState::Up | LinkState::Leaving, LinkState::Down | LinkState::Waiting) =
            (was, next)
        {
            events.raise(event::LINK_DOWN);
        }
        ticket
    }

    fn announce(&self, next: LinkState) {
        let event = match next {
            LinkState::Down => "down",
            LinkState::Waiting => "waiting",
            LinkState::Up => "up",
            LinkState::Leaving => "leaving",
        };
        tracing::info!("Link {event}");
        self.fabric.trace.record(&Transaction::Link { event });
    }
}
