// SPDX-License-Identifier: GPL-2.0

//! The function as the endpoint framework sees it.
//!
//! Context: process, `epf->lock` held, except for `probe` and what attributes call.

use crate::{
    bar::ForgedBar,
    configfs,
    device::Kind,
    lies::Lies,
    responder::Responder, //
};
use concurrency::{
    Queue as Workqueue,
    Worker, //
};
use kernel::{
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use pci_ep::{
    configfs::Entry,
    function::Device,
    BarNumber,
    Endpoint,
    Function,
    Header,
    InterruptPin,
    ProgrammedBar, //
};
use transport::{
    Layout,
    LayoutRequest,
    Placement, //
};

/// Number of MSI-X vectors: one for the device config, one for each of two queues.
const VECTORS: u16 = 3;

/// A function device, bound or not.
#[pin_data]
pub(crate) struct Forger {
    #[pin]
    state: Mutex<State>,
}

struct State {
    kind: Kind,
    /// While the function is bound.
    responder: Option<Arc<Responder>>,
    /// The offset that `peek` looks at.
    peeked: u32,
}

/// What the function holds while it is bound; dropped in this order.
pub(crate) struct Bound {
    _worker: Worker,
    responder: Arc<Responder>,
    programmed: Option<ProgrammedBar>,
    bar: ForgedBar,
    layout: Layout,
    endpoint: Endpoint,
}

impl Forger {
    pub(crate) fn kind(&self) -> Kind {
        self.state.lock().kind
    }

    /// # Errors
    ///
    /// `EBUSY`: the function is bound.
    pub(crate) fn set_kind(&self, kind: Kind) -> Result {
        let mut state = self.state.lock();
        if state.responder.is_some() {
            return Err(EBUSY);
        }
        state.kind = kind;
        Ok(())
    }

    pub(crate) fn peeked(&self) -> u32 {
        self.state.lock().peeked
    }

    pub(crate) fn set_peeked(&self, offset: u32) {
        self.state.lock().peeked = offset;
    }

    /// Returns what answers the RC.
    ///
    /// # Errors
    ///
    /// `ENXIO`: the function is not bound.
    pub(crate) fn responder(&self) -> Result<Arc<Responder>> {
        self.state.lock().responder.clone().ok_or(ENXIO)
    }
}

impl Bound {
    fn new(endpoint: Endpoint, kind: Kind) -> Result<Self> {
        let number = endpoint.features().free_bars().next().ok_or(ENOSPC)?;
        let layout = Layout::plan(&LayoutRequest {
            // CAST: There are six.
            register_bar: number.index() as u8,
            num_queues: kind.num_queues(),
            config_size: kind.config()?.len().try_into()?,
            msix_vectors: VECTORS,
            push_len: 0,
            push_bar: 0,
            push_below: 0,
            doorbells: Placement::Here {
                // CAST: Pages have at most 64 KiB.
                page_size: PAGE_SIZE as u32,
                stride: 4,
                scan_ms: 0,
            },
        });
        let layout = layout.map_err(|_| EINVAL)?;
        let lies = Lies::new()?;
        let bar = ForgedBar::alloc(&endpoint, layout, lies.clone())?;
        let responder = Responder::new(kind, endpoint.clone(), bar.clone(), layout, lies)?;
        let queue = Arc::new(Workqueue::new(c"pci_epf_forger")?, GFP_KERNEL)?;
        let worker = Worker::new(c"pci_epf_forger::Responder", &queue, responder.clone())?;
        worker.wake();
        Ok(Self {
            _worker: worker,
            responder,
            programmed: None,
            bar,
            layout,
            endpoint,
        })
    }

    fn program(&mut self) -> Result {
        self.endpoint.write_header()?;
        match &self.programmed {
            Some(bar) => bar.program_again()?,
            None => self.programmed = Some(self.bar.memory().program()?),
        }
        let msix = self.layout.msix().ok_or(EINVAL)?;
        let bar = BarNumber::try_from(i32::from(msix.bar))?;
        self.endpoint.set_msix(VECTORS, bar, msix.region.offset)
    }
}

#[vtable]
impl Function for Forger {
    const NAME: &'static CStr = c"pci_epf_forger";

    /// That of `pci_epf_vhost`.
    const HEADER: Header = Header {
        vendor: 0x1af4,
        device: 0x10f0,
        revision: 0,
        prog_if: 0,
        subclass: 0,
        base_class: 0xff,
        cache_line_size: 0,
        subsystem_vendor: 0x1af4,
        subsystem: 0,
        interrupt_pin: InterruptPin::A,
    };

    const ATTRIBUTES: &'static [Entry<Self>] = configfs::ATTRIBUTES;

    type Bound = Bound;

    fn probe(_device: &Device) -> impl PinInit<Self, Error> {
        let state = State {
            kind: Kind::Net,
            responder: None,
            peeked: 0,
        };
        try_pin_init!(Self {
            state <- new_mutex!(state, "pci_epf_forger::Forger::state"),
        })
    }

    fn bind(this: &Arc<Self>, endpoint: Endpoint) -> Result<Bound> {
        let bound = Bound::new(endpoint, this.kind())?;
        this.state.lock().responder = Some(bound.responder.clone());
        Ok(bound)
    }

    fn unbind(this: &Arc<Self>, bound: Bound) {
        let responder = this.state.lock().responder.take();
        bound.responder.stop();
        drop((responder, bound));
    }

    fn epc_init(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.program()
    }

    fn epc_deinit(_this: &Arc<Self>, bound: &mut Bound) -> Result {
        bound.programmed = None;
        Ok(())
    }
}
