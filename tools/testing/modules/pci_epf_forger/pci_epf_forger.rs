// SPDX-License-Identifier: GPL-2.0

//! A hostile endpoint function: it has the identifiers of `pci_epf_vhost`, speaks its protocol, and
//! lies where it is told to.
//!
//! What answers is the shipped state machine (`transport::EndpointPort`) in front of a device that
//! accepts everything. Each lie is a line that a test writes to an attribute in configfs, so the
//! attacks themselves are data of the tests:
//!
//! ```text
//!   hold  OFFSET VALUE [OPCODE]   the word keeps the value, or does while OPCODE is the command
//!   churn OFFSET                  the word changes all the time
//!   delay OPCODE MS               the command is answered that much later
//!   poke  OFFSET VALUE            the word changes once
//!   raise VECTOR [COUNT]          interrupts
//!   used  QUEUE ID LENGTH ADVANCE an entry of the used ring, as it is, and a step of its index
//!   give  QUEUE LENGTH BYTES      the next buffer comes back with these bytes, of that length
//!   block_status BYTE             what block requests end with
//!   honest                        no lie any more, in a new session
//! ```
//!
//! `peek` says what is at the offset that was written to it.
//!
//! ```text
//!   framework --> function --> responder --+--> device --> memory    queues in RC memory
//!   configfs  -----^                       +--> bar --> lies         what the RC reads
//! ```
//!
//! Lock order, outermost first: `epf->lock` of the framework; the function's state; the session
//! (`responder`); the rules (`lies`); `epc->lock` of the framework.
//!
//! Limits: a network device with one queue pair, whose frames go nowhere, or a disk that holds
//! nothing; polled doorbells; MSI-X.

mod bar;
mod configfs;
mod device;
mod function;
mod lies;
mod memory;
mod responder;

pci_ep::module_pci_epf_driver! {
    type: function::Forger,
    name: "pci_epf_forger",
    authors: ["the vhost bus developers"],
    description: "Endpoint function that lies, for tests",
    license: "GPL",
}
