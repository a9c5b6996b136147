// SPDX-License-Identifier: GPL-2.0
//! The vDPA core's generic netlink family (include/uapi/linux/vdpa.h), beyond what `vdpa` of
//! iproute2 6.15 can ask for.

use std::num::ParseIntError;
use std::str::FromStr;

use anyhow::{ensure, Context, Result};
use neli::consts::genl::{Cmd, NlAttrType};
use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, Nlattr, NlattrBuilder};
use neli::nl::NlPayload;
use neli::router::synchronous::NlRouter;
use neli::types::{Buffer, GenlBuffer};
use neli::utils::Groups;
use neli::{Size, ToBytes};

/// Commands.
#[neli::neli_enum(serialized_type = "u8")]
pub enum Command {
    /// `vdpa dev set`.
    DevAttrSet = 8,
}

impl Cmd for Command {}

/// Attributes.
#[neli::neli_enum(serialized_type = "u16")]
pub enum Attribute {
    /// Name of the device, a string.
    DevName = 4,
    /// MAC address, six bytes.
    DevNetCfgMacaddr = 10,
}

impl NlAttrType for Attribute {}

type Attributes = GenlBuffer<Attribute, Buffer>;

/// A MAC address, as `vdpa` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac([u8; 6]);

impl FromStr for Mac {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let octet = |octet| u8::from_str_radix(octet, 16);
        let octets: Result<Vec<u8>, ParseIntError> = text.split(':').map(octet).collect();
        let octets = <[u8; 6]>::try_from(octets?).ok();
        octets
            .map(Self)
            .with_context(|| format!("'{text}' has not six octets with colons in between"))
    }
}

/// Gives the device `name` another MAC address: `vdpa dev set name NAME mac MAC`.
pub fn set_mac(name: &str, mac: Mac) -> Result<()> {
    let attributes: Attributes = [
        attribute(Attribute::DevName, name)?,
        attribute(Attribute::DevNetCfgMacaddr, &mac.0[..])?,
    ]
    .into_iter()
    .collect();
    let message = GenlmsghdrBuilder::default()
        .cmd(Command::DevAttrSet)
        .version(1)
        .attrs(attributes)
        .build()?;
    let (router, _) = NlRouter::connect(NlFamily::Generic, None, Groups::empty())?;
    let family = router.resolve_genl_family("vdpa")?;
    let answers = router.send::<_, _, u16, Genlmsghdr<Command, Attribute>>(
        family,
        NlmF::REQUEST | NlmF::ACK,
        NlPayload::Payload(message),
    )?;
    let mut count = 0;
    for answer in answers {
        answer?;
        count += 1;
    }
    ensure!(count == 1, "expected one answer, got {count}");
    Ok(())
}

fn attribute(kind: Attribute, value: impl Size + ToBytes) -> Result<Nlattr<Attribute, Buffer>> {
    Ok(NlattrBuilder::default()
        .nla_type(AttrTypeBuilder::default().nla_type(kind).build()?)
        .nla_payload(value)
        .build()?)
}
