//! The fields of each security event, in the order in which Asterisk writes them (`main/security_events.c`, 12 to 23).

/// An event's fields.
#[derive(Debug)]
pub struct Layout {
    /// Its name.
    pub name: &'static str,
    /// Behind `RemoteAddress`, those that are always there.
    own: &'static [&'static str],
    /// Behind these, those that may be there.
    optional: &'static [&'static str],
}

/// The values of an event, by name.
#[derive(Debug)]
pub struct Fields<'a>(Vec<(&'static str, &'a [u8])>);

impl Layout {
    /// By the event's name.
    pub fn of(event: &[u8]) -> Option<&'static Layout> {
        EVENTS.iter().find(|layout| layout.name.as_bytes() == event)
    }

    /// The values, if these headers are such an event and nothing else.
    pub fn read<'a>(&self, headers: &[Option<(&'a [u8], &'a [u8])>]) -> Option<Fields<'a>> {
        let mut rest = headers.iter().copied().skip(1);
        let mut fields = Vec::new();
        let (name, privilege) = rest.next()??;
        let of_security = privilege.split(|byte| *byte == b',').any(|class| class == b"security");
        if name != b"Privilege" || !of_security {
            return None;
        }
        let mut expected = ADDED.iter().map(|name| (*name, true)).collect::<Vec<_>>();
        // The one event that knows the account, if at all, only afterwards.
        let late = |name: &&&str| **name == "AccountID" && self.optional.contains(*name);
        expected.extend(COMMON.iter().filter(|name| !late(name)).map(|name| (*name, false)));
        expected.extend(self.own.iter().map(|name| (*name, false)));
        expected.extend(self.optional.iter().map(|name| (*name, true)));
        let mut expected = expected.into_iter();
        for header in rest {
            let (name, value) = header?;
            loop {
                let (known, may_lack) = expected.next()?;
                if known.as_bytes() == name {
                    fields.push((known, value));
                    break;
                }
                if !may_lack {
                    return None;
                }
            }
        }
        expected.all(|(_, may_lack)| may_lack).then_some(Fields(fields))
    }
}

impl<'a> Fields<'a> {
    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// What is handed on of an event, in this order, behind who it was.
pub const SHOWN: [&str; 12] = [
    "Service",
    "AccountID",
    "SessionID",
    "LocalAddress",
    "RequestType",
    "ACLName",
    "AuthMethod",
    "UsingPassword",
    "ExpectedAddress",
    "Transport",
    "RequestParams",
    "EventTV",
];

/// What `manager.conf` may add to every event: `timestampevents`, `debug`.
const ADDED: [&str; 5] = ["Timestamp", "SequenceNumber", "File", "Line", "Func"];

const COMMON: [&str; 8] =
    ["EventTV", "Severity", "Service", "EventVersion", "AccountID", "SessionID", "LocalAddress", "RemoteAddress"];

const fn layout(name: &'static str, own: &'static [&'static str], optional: &'static [&'static str]) -> Layout {
    Layout { name, own, optional }
}

const EVENTS: [Layout; 15] = [
    layout("FailedACL", &[], &["Module", "ACLName", "SessionTV"]),
    layout("InvalidAccountID", &[], &["Module", "SessionTV"]),
    layout("SessionLimit", &[], &["Module", "SessionTV"]),
    layout("MemoryLimit", &[], &["Module", "SessionTV"]),
    layout("LoadAverageLimit", &[], &["Module", "SessionTV"]),
    layout("RequestNotSupported", &["RequestType"], &["Module", "SessionTV"]),
    layout("RequestNotAllowed", &["RequestType"], &["Module", "SessionTV", "RequestParams"]),
    layout("AuthMethodNotAllowed", &["AuthMethod"], &["Module", "SessionTV"]),
    layout("RequestBadFormat", &["RequestType"], &["Module", "SessionTV", "AccountID", "RequestParams"]),
    layout("SuccessfulAuth", &["UsingPassword"], &["Module", "SessionTV"]),
    layout("UnexpectedAddress", &["ExpectedAddress"], &["Module", "SessionTV"]),
    layout("ChallengeResponseFailed", &["Challenge", "Response", "ExpectedResponse"], &["Module", "SessionTV"]),
    layout("InvalidPassword", &[], &["Module", "SessionTV", "Challenge", "ReceivedChallenge", "ReceivedHash"]),
    layout("ChallengeSent", &["Challenge"], &["Module", "SessionTV"]),
    layout("InvalidTransport", &["Transport"], &["Module", "SessionTV"]),
];
