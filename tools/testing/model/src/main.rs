// SPDX-License-Identifier: GPL-2.0

//! The model checker of the transport: `Documentation/proof.rst`.
//!
//! Both ends of `rust/transport` as shipped, joined by a modelled link, in every order in which their
//! accesses can fall.

mod cli;
mod commands;
mod configurations;
mod explore;
mod fault;
mod kicks;
mod lives;
mod memory;
mod property;
mod replay;
#[cfg(test)]
mod tests;

fn main() -> anyhow::Result<()> {
    cli::run()
}
