//! FreeSWITCH's peers: the gateways of its sofia profiles, `sip_profiles/*.xml` and one folder deeper.
//!
//! The reader knows tags, attributes, comments and `$${variables}`, and that is all it has to know. These files are parts
//! that FreeSWITCH puts together before it reads them: several roots, `X-PRE-PROCESS` in between. A reader of whole
//! documents would have to be taught that, or refuse them; a tag that it takes for one and FreeSWITCH does not only protects
//! what somebody wrote down as a gateway.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{Peers, Problem, Severity};
use crate::config::Origin;

/// Adds what the files in a folder name.
pub fn read(folder: &Path, peers: &mut Peers) {
    let mut variables = Variables::default();
    for tag in tags(&text(&folder.join("vars.xml"), peers)) {
        variables.set(&tag);
    }
    let profiles = folder.join("sip_profiles");
    let names = peers.shelf.folder(&profiles);
    let (files, folders): (Vec<_>, Vec<_>) = names.into_iter().partition(|path| !path.is_dir());
    let deeper: Vec<_> = folders.iter().flat_map(|folder| peers.shelf.folder(folder)).collect();
    for path in files.into_iter().chain(deeper).filter(|path| path.extension().is_some_and(|e| e == "xml")) {
        profile(&path, &mut variables, peers);
    }
}

fn text(path: &Path, peers: &mut Peers) -> String {
    peers
        .shelf
        .file(path)
        .unwrap_or_else(|why| {
            let origin = Origin { path: path.into(), ..Origin::default() };
            peers.problems.push(Problem::new(Severity::Warning, origin, why));
            None
        })
        .unwrap_or_default()
}

/// The gateways of one file.
fn profile(path: &Path, variables: &mut Variables, peers: &mut Peers) {
    let file: Arc<Path> = path.into();
    let mut gateway: Option<Gateway> = None;
    for tag in tags(&text(path, peers)) {
        let origin = Origin { path: file.clone(), line: tag.line, ..Origin::default() };
        variables.set(&tag);
        match (tag.name, tag.closes) {
            ("gateway", false) => {
                gateway.take().into_iter().for_each(|gateway| gateway.take(variables, peers));
                let name = tag.get("name").unwrap_or_default().to_owned();
                gateway = Some(Gateway { name, origin, params: Vec::new() });
            }
            ("gateway", true) => gateway.take().into_iter().for_each(|gateway| gateway.take(variables, peers)),
            ("param", false) => {
                let (Some(gateway), Some(name), Some(value)) = (&mut gateway, tag.get("name"), tag.get("value")) else {
                    continue;
                };
                if HOSTS.contains(&name) {
                    gateway.params.push((name.to_owned(), value.to_owned(), origin));
                }
            }
            _ => {}
        }
    }
    gateway.into_iter().for_each(|gateway| gateway.take(variables, peers));
}

/// Parameters of a gateway that name a host.
const HOSTS: [&str; 4] = ["realm", "proxy", "register-proxy", "outbound-proxy"];

struct Gateway {
    name: String,
    origin: Origin,
    params: Vec<(String, String, Origin)>,
}

impl Gateway {
    /// Where no `proxy` is given, FreeSWITCH calls the `realm`, and where that is missing too, what the gateway is called. With
    /// a `proxy`, a realm is a word for passwords that need not be a host.
    fn take(self, variables: &Variables, peers: &mut Peers) {
        let Gateway { name, origin, params } = self;
        let has = |wanted: &str| params.iter().any(|(param, ..)| param == wanted);
        let proxy = has("proxy");
        let fallback = (!proxy && !has("realm")).then(|| ("realm".to_owned(), name.clone(), origin));
        for (param, value, origin) in params.iter().cloned().chain(fallback) {
            if param == "realm" && proxy && !value.contains(['.', ':', '$']) {
                continue;
            }
            match variables.fill(&value) {
                Some(host) => peers.take(&host, &format!("{param} of gateway {name}"), &origin),
                None => {
                    let message =
                        format!("`{value}` holds a variable that is not set in these files; it is not protected");
                    peers.problems.push(Problem::new(Severity::Warning, origin, message));
                }
            }
        }
    }
}

/// What `X-PRE-PROCESS cmd="set"` sets.
#[derive(Default)]
struct Variables(HashMap<String, String>);

impl Variables {
    fn set(&mut self, tag: &Tag<'_>) {
        let sets = tag.name.eq_ignore_ascii_case("X-PRE-PROCESS") && tag.get("cmd").is_some_and(|cmd| cmd == "set");
        if let Some((name, value)) = tag.get("data").filter(|_| sets).and_then(|data| data.split_once('='))
            && let Some(value) = self.fill(value)
            && self.0.len() < MAX_VARIABLES
        {
            self.0.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }

    /// A text with its `$${variables}` filled in; `None`: one is not set, or it would grow too long.
    fn fill(&self, text: &str) -> Option<String> {
        let mut filled = String::new();
        let mut parts = text.split("$${");
        filled.push_str(parts.next()?);
        for part in parts {
            let (name, rest) = part.split_once('}')?;
            filled.push_str(self.0.get(name.trim())?);
            filled.push_str(rest);
            if filled.len() > MAX_VALUE {
                return None;
            }
        }
        (filled.len() <= MAX_VALUE).then_some(filled)
    }
}

/// One tag.
#[derive(Debug)]
struct Tag<'a> {
    name: &'a str,
    closes: bool,
    attributes: &'a str,
    line: usize,
}

impl<'a> Tag<'a> {
    /// An attribute's value, as it stands: no host has anything in it that XML would have to write otherwise.
    fn get(&self, wanted: &str) -> Option<&'a str> {
        let mut rest = self.attributes;
        loop {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| ['"', '\''].contains(c))?;
            let (value, more) = after[1..].split_once(quote)?;
            if name.trim() == wanted {
                return Some(value.trim());
            }
            rest = more;
        }
    }
}

/// The tags of a text, in order; comments and what is no tag are passed over.
fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(at) = rest.find('<') {
        line += breaks(&rest[..at]);
        let from = &rest[at..];
        let special = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];
        let length = match special.iter().find(|(begin, _)| from.starts_with(begin)) {
            Some((begin, end)) => from[begin.len()..].find(end).map(|n| n + begin.len() + end.len()),
            None => end_of_tag(from),
        };
        let Some(length) = length else { break };
        let inside = from[1..length].trim_end_matches('>');
        if !inside.starts_with(['!', '?']) {
            let (closes, inside) = inside.strip_prefix('/').map_or((false, inside), |inside| (true, inside));
            let (name, attributes) =
                inside.split_once(char::is_whitespace).unwrap_or((inside.trim_end_matches('/'), ""));
            tags.push(Tag { name, closes, attributes, line });
        }
        line += breaks(&from[..length]);
        rest = &from[length..];
    }
    tags
}

/// Where a tag ends: at the first `>` outside of quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (c, quote) {
            ('>', None) => return Some(at + 1),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn breaks(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

/// Variables that are kept.
const MAX_VARIABLES: usize = 10_000;

/// Bytes of a value that is filled in.
const MAX_VALUE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        crate::config::pbx::tests::read_all(read, files)
    }

    #[test]
    fn gateways_name_their_hosts() {
        let vars = "<include>\n<X-PRE-PROCESS cmd=\"set\" data=\"domain=pbx.example\"/>\n\
                    <X-PRE-PROCESS cmd=\"set\" data=\"carrier=sip.$${domain}\"/>\n</include>\n";
        let external = "<include>\n  <gateway name=\"a\">\n    <param name=\"username\" value=\"198.51.100.1\"/>\n\
                        \x20   <param name=\"realm\" value=\"asterisk\"/>\n    <param value='192.0.2.1:5080' name='proxy'/>\n\
                        \x20   <!-- <param name=\"proxy\" value=\"198.51.100.2\"/> -->\n  </gateway>\n\
                        <!--\n<gateway name=\"198.51.100.3\"></gateway>\n-->\n\
                        <gateway name=\"sip.name.example\"><param name=\"register\" value=\"false\"/></gateway>\n\
                        <gateway name=\"c\"><param name=\"realm\" value=\"$${carrier}\"/>\
                        <param name=\"outbound-proxy\" value=\"sip:[2001:db8::1]:5060;transport=tcp\"/>\
                        <param name=\"register-proxy\" value=\"$${unset}\"/></gateway>\n\
                        <param name=\"proxy\" value=\"198.51.100.4\"/>\n</include>\n";
        let (peers, problems) = read_all(&[
            ("vars.xml", vars),
            ("sip_profiles/external/a.xml", external),
            ("sip_profiles/external/b.xml.noload", "<gateway name=\"x.example\"/>"),
            ("sip_profiles/internal.xml", "<profile name=\"internal\"><gateways></gateways></profile>"),
        ]);
        let expected = [
            "192.0.2.1 proxy of gateway a in sip_profiles/external/a.xml:5",
            "sip.name.example realm of gateway sip.name.example in sip_profiles/external/a.xml:11",
            "sip.pbx.example realm of gateway c in sip_profiles/external/a.xml:12",
            "2001:db8::1 outbound-proxy of gateway c in sip_profiles/external/a.xml:12",
        ];
        assert_eq!(peers, expected);
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn what_is_made_to_explode_does_not() {
        let mut vars = "<X-PRE-PROCESS cmd=\"set\" data=\"v0=aaaaaaaaaa\"/>".to_owned();
        for n in 1..100 {
            let before = format!("$${{v{}}}", n - 1);
            vars += &format!("<X-PRE-PROCESS cmd=\"set\" data=\"v{n}={}\"/>", before.repeat(10));
        }
        let deep = "<gateway name=\"".repeat(50_000) + &"<a ".repeat(50_000) + "<!--";
        let (peers, _) = read_all(&[("vars.xml", &vars), ("sip_profiles/x.xml", &deep)]);
        assert!(peers.len() < 2);
    }

    proptest::proptest! {
        #[test]
        fn no_file_upsets_it(text in "([<>/=\"' !?\\-$\\{\\}\\n\u{e9}]|gateway|param|name|value|proxy|CDATA|192\\.0\\.2\\.1){0,80}") {
            read_all(&[("vars.xml", &text), ("sip_profiles/x.xml", &text)]);
        }
    }
}
