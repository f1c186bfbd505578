//! Which events are of interest, who raises them, and which of their fields are handed on.

use std::net::IpAddr;

use super::{Rendered, address, decoded, fields};

/// What is asked of the server. `CUSTOM` and its names come last.
pub const WANTED: &str = "event plain CHANNEL_HANGUP_COMPLETE CUSTOM sofia::register_failure sofia::register_attempt \
                          sofia::pre_register sofia::register sofia::wrong_call_state verto::login";

/// An event that the server cannot have raised so.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

/// One kind of event.
struct Kind {
    /// Its subclass, or its name where it has none.
    name: &'static str,
    /// The source files that raise it, by the beginning of their names.
    raised_by: &'static str,
    /// The fields with the address and the port; the latter is empty where the former says both.
    from: (&'static str, &'static str),
    /// What is handed on, in this order.
    shown: &'static [&'static str],
}

const REGISTER: &[&str] = &[
    "profile-name",
    "registration-type",
    "auth-result",
    "to-user",
    "to-host",
    "from-user",
    "from-host",
    "username",
    "realm",
    "call-id",
    "user-agent",
];

const KINDS: [Kind; 7] = [
    kind("sofia::register_failure", "sofia", ("network-ip", "network-port"), REGISTER),
    kind("sofia::register_attempt", "sofia", ("network-ip", "network-port"), REGISTER),
    kind("sofia::pre_register", "sofia", ("network-ip", "network-port"), REGISTER),
    kind("sofia::register", "sofia", ("network-ip", "network-port"), REGISTER),
    kind("sofia::wrong_call_state", "mod_sofia", ("network_ip", "network_port"), &["from_user"]),
    kind(
        "verto::login",
        "mod_verto",
        ("verto_client_address", ""),
        &["verto_success", "verto_profile_name", "verto_login", "verto_result_txt"],
    ),
    kind(
        CALL,
        "switch_",
        ("variable_sip_network_ip", "variable_sip_network_port"),
        &[
            "Hangup-Cause",
            "Caller-Destination-Number",
            "Caller-Context",
            "variable_sip_from_user",
            "variable_sip_call_id",
            "variable_sip_user_agent",
        ],
    ),
];

/// The end of a call. Only one that came in and was not authenticated is handed on.
const CALL: &str = "CHANNEL_HANGUP_COMPLETE";

const fn kind(
    name: &'static str,
    raised_by: &'static str,
    from: (&'static str, &'static str),
    shown: &'static [&'static str],
) -> Kind {
    Kind { name, raised_by, from, shown }
}

/// An event as a line; `None`: it is of no interest, or says of nobody where he is.
pub fn line(body: &[u8]) -> Result<Option<Rendered>, Broken> {
    let event = Event(body);
    let name = match event.get("Event-Subclass")? {
        Some(subclass) => Some(subclass),
        None => event.get("Event-Name")?,
    };
    let Some(kind) = KINDS.iter().find(|kind| name.as_deref() == Some(kind.name.as_bytes())) else { return Ok(None) };
    let raised_by = event.get("Event-Calling-File")?.unwrap_or_default();
    if !raised_by.starts_with(kind.raised_by.as_bytes()) && !raised_by.starts_with(b"mod_sofia") {
        return Err(Broken);
    }
    if kind.name == CALL {
        let said = |name: &str, value: &[u8]| Ok(event.get(name)?.as_deref() == Some(value));
        if !said("Call-Direction", b"inbound")? || said("variable_sip_authorized", b"true")? {
            return Ok(None);
        }
    }
    let Some((ip, port)) = who(kind, &event)? else { return Ok(None) };
    let mut line = Rendered::new("ESL", kind.name).from(ip, port);
    for name in kind.shown {
        if let Some(value) = event.get(name)? {
            line = line.field(name, &value);
        }
    }
    Ok(Some(line))
}

fn who(kind: &Kind, event: &Event<'_>) -> Result<Option<(IpAddr, Option<u16>)>, Broken> {
    let Some(said) = event.get(kind.from.0)? else { return Ok(None) };
    let number = |port: &[u8]| std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
    if !kind.from.1.is_empty() {
        let ip = address(&said).ok_or(Broken)?;
        let port = event.get(kind.from.1)?;
        return Ok(Some((ip, port.as_deref().and_then(number))));
    }
    // mod_verto says both in one.
    let colon = said.iter().rposition(|byte| *byte == b':').ok_or(Broken)?;
    let ip = address(&said[..colon]).ok_or(Broken)?;
    Ok(Some((ip, number(&said[colon + 1..]))))
}

/// The fields of an event, as they were sent.
struct Event<'a>(&'a [u8]);

impl Event<'_> {
    /// A field's value; one that stands twice must say the same twice.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Broken> {
        let mut values = self.fields().filter(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value);
        let first = values.next();
        if values.any(|value| Some(value) != first) {
            return Err(Broken);
        }
        Ok(first.map(decoded))
    }

    /// Up to the empty line behind which an event may have a body of its own.
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let end = memchr::memmem::find(self.0, b"\n\n").unwrap_or(self.0.len());
        fields(&self.0[..end])
    }
}
