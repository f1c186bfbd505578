//! `protected`: who is never banned, and why.

use serde::{Deserialize, Serialize};

use super::{House, Reply};
use crate::text::printable;
use crate::ticket::Who;

/// List who is never banned where `protect = true`, and why
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {}

/// Everybody, in the order in which they were found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProtectedReply(pub Vec<Row>);

/// One address or network of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Which; `null`: the name was not answered yet, and protects nobody until it is.
    pub address: Option<String>,
    /// The host name that means it, where it is one that is written.
    pub name: Option<String>,
    /// In which role, and who says so.
    pub why: String,
}

impl Args {
    pub(super) fn run(&self, house: &House<'_>) -> ProtectedReply {
        let mut rows = Vec::new();
        for (peer, ids) in house.engine.protected().iter() {
            let name = match &peer.who {
                Who::Name(name) => Some(name.clone()),
                Who::Id(_) => None,
            };
            let row = |address| Row { address, name: name.clone(), why: peer.why.clone() };
            if ids.is_empty() {
                rows.push(row(None));
            }
            rows.extend(ids.into_iter().map(|id| row(Some(id.to_string()))));
        }
        ProtectedReply(rows)
    }
}

impl Reply for ProtectedReply {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "nobody is protected: no jail says `protect = true`".to_owned();
        }
        let head = ["ADDRESS", "NAME", "WHY"].map(str::to_owned);
        let cell = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.to_owned());
        let rows = self.0.iter().map(|row| {
            [cell(&row.address, "not known yet"), cell(&row.name, "-"), row.why.clone()]
                .map(|cell| printable(&cell).into_owned())
        });
        let rows: Vec<[String; 3]> = std::iter::once(head).chain(rows).collect();
        let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let (address, name) = (width(0), width(1));
        let lines = rows.iter().map(|[a, n, why]| format!("{a:address$}  {n:name$}  {why}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_stands_on_a_line_with_its_reason() {
        let row = |address: Option<&str>, name: Option<&str>, why: &str| Row {
            address: address.map(str::to_owned),
            name: name.map(str::to_owned),
            why: why.into(),
        };
        let rows =
            [row(Some("192.0.2.1"), None, "an address of this host"), row(None, Some("sip.example"), "host of [x]")];
        let expected = "ADDRESS        NAME         WHY\n\
                        192.0.2.1      -            an address of this host\n\
                        not known yet  sip.example  host of [x]";
        assert_eq!(ProtectedReply(rows.into()).text(), expected);
        assert!(ProtectedReply(Vec::new()).text().starts_with("nobody"));
    }
}
