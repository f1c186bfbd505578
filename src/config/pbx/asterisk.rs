//! Asterisk's peers: `pjsip.conf`, `pjsip_wizard.conf`, `sip.conf`, `iax.conf`.

mod ini;

use std::path::Path;

use super::{Peers, Problem, Severity};
use crate::config::Origin;
use ini::{Entry, Section};

/// Adds what the files in a folder name.
pub fn read(folder: &Path, peers: &mut Peers) {
    for (name, take) in [
        ("pjsip.conf", pjsip as fn(&Section, &[Section], &mut Peers)),
        ("pjsip_wizard.conf", wizard),
        ("sip.conf", channel),
        ("iax.conf", channel),
    ] {
        let read = ini::read(&folder.join(name), &mut peers.shelf);
        peers.problems.extend(read.problems);
        for section in read.sections.iter().filter(|section| !section.template) {
            take(section, &read.sections, peers);
        }
    }
}

/// A section of `pjsip.conf`, by its type. What a phone registers stands in no file: contacts here are static ones.
fn pjsip(section: &Section, _: &[Section], peers: &mut Peers) {
    let kind = section.last("type").map(|entry| entry.value.to_ascii_lowercase());
    let (one, many) = match kind.as_deref() {
        Some("registration") => (&["server_uri", "outbound_proxy"][..], &[][..]),
        Some("aor") => (&["outbound_proxy"][..], &["contact"][..]),
        Some("identify") => (&[][..], &["match"][..]),
        Some("endpoint") => (&["outbound_proxy"][..], &[][..]),
        _ => return,
    };
    one.iter().filter_map(|option| section.last(option)).for_each(|entry| take(section, entry, peers));
    many.iter().flat_map(|option| section.all(option)).for_each(|entry| take(section, entry, peers));
}

/// A section of `pjsip_wizard.conf`: the others are made of it.
fn wizard(section: &Section, _: &[Section], peers: &mut Peers) {
    for option in ["remote_hosts", "outbound_proxy"] {
        section.last(option).into_iter().for_each(|entry| take(section, entry, peers));
    }
}

/// A section of `sip.conf` or `iax.conf`. What is registered at may be the name of a section, which says its host itself.
fn channel(section: &Section, all: &[Section], peers: &mut Peers) {
    for option in ["host", "outboundproxy"] {
        section.last(option).into_iter().for_each(|entry| take(section, entry, peers));
    }
    for entry in section.all("register") {
        // A secret may hold anything, so only what follows the last `@` is a host; without one there is none.
        let Some((_, host)) = entry.value.rsplit_once('@') else { continue };
        let host = host.split(['/', '~']).next().unwrap_or_default();
        if !all.iter().any(|section| section.name == host) {
            one(section, entry, host, peers);
        }
    }
}

/// Every host of a value: several stand between commas.
fn take(section: &Section, entry: &Entry, peers: &mut Peers) {
    let words = entry.value.split(',').map(str::trim).filter(|word| !["", "force"].contains(word));
    words.for_each(|word| one(section, entry, word, peers));
}

fn one(section: &Section, entry: &Entry, host: &str, peers: &mut Peers) {
    peers.take(host, &format!("{} of [{}]", entry.name, section.name), &entry.origin);
}

/// Something that was passed over.
fn doubt(origin: Origin, message: impl Into<String>) -> Problem {
    Problem::new(Severity::Warning, origin, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        crate::config::pbx::tests::read_all(read, files)
    }

    #[test]
    fn what_an_operator_wrote_in_pjsip_conf_counts() {
        let text = "[trunk](!)\ntype=registration\nserver_uri=sip:template.example\noutbound_proxy = sip:192.0.2.9\\;lr\n\
                    [carrier](trunk)\nserver_uri=sip:sip.carrier.example:5060 ; theirs\nclient_uri=sip:me@192.0.2.200\n\
                    [carrier]\ntype = aor\ncontact = sip:192.0.2.1:5060\ncontact => sip:192.0.2.2,sip:[2001:db8::2]\nmax_contacts=1\n\
                    [carrier]\ntype=endpoint\nfrom_domain=198.51.100.1\nmedia_address=198.51.100.2\noutbound_proxy=sip:proxy.example\n\
                    [carrier]\ntype=identify\nmatch=192.0.2.64/26, 10.0.0.0/8\nmatch=0.0.0.0/0\n;match=198.51.100.3\n\
                    ;-- match=198.51.100.4\n[x] --;\n[100]\ntype=auth\nusername=198.51.100.5\npassword=sip:198.51.100.6\n\
                    [200](+)\nmatch=198.51.100.7\n[carrier](+)\nmatch = 192.0.2.3\n";
        let (peers, problems) = read_all(&[("pjsip.conf", text)]);
        let expected = [
            "sip.carrier.example server_uri of [carrier] in pjsip.conf:6",
            "192.0.2.9 outbound_proxy of [carrier] in pjsip.conf:4",
            "192.0.2.1 contact of [carrier] in pjsip.conf:10",
            "192.0.2.2 contact of [carrier] in pjsip.conf:11",
            "2001:db8::2 contact of [carrier] in pjsip.conf:11",
            "proxy.example outbound_proxy of [carrier] in pjsip.conf:17",
            "192.0.2.64/26 match of [carrier] in pjsip.conf:20",
            "10.0.0.0/8 match of [carrier] in pjsip.conf:20",
            "192.0.2.3 match of [carrier] in pjsip.conf:32",
        ];
        assert_eq!(peers, expected);
        assert_eq!(problems, ["`0.0.0.0/0` is half a world: it is not protected"]);
    }

    #[test]
    fn the_older_channels_are_read_too() {
        let sip = "[general]\nregister => 100:s@e:cret@sip.example:5060/100~300\nregister => tls://u:p@192.0.2.1/x@y\n\
                   register => nobody\nregister => u:p@trunk/7\noutboundproxy=192.0.2.2,force\n[phone]\nhost=dynamic\n[trunk]\nhost=Trunk.Example\n";
        let iax = "[general]\nregister => u:p@192.0.2.4:4569\n[peer](!)\nhost=192.0.2.99\n[a](peer)\n[b](peer)\nhost = 192.0.2.5\n";
        let wizard = "[w]\ntype = wizard\nremote_hosts = 192.0.2.6:5060,sip2.example\n";
        let (peers, problems) = read_all(&[("sip.conf", sip), ("iax.conf", iax), ("pjsip_wizard.conf", wizard)]);
        let who: Vec<&str> = peers.iter().filter_map(|peer| peer.split(' ').next()).collect();
        let expected = [
            "192.0.2.6",
            "sip2.example",
            "192.0.2.2",
            "sip.example",
            "y",
            "trunk.example",
            "192.0.2.4",
            "192.0.2.99",
            "192.0.2.5",
        ];
        assert_eq!((who, problems), (expected.to_vec(), vec![]));
    }

    #[test]
    fn includes_are_followed_and_programs_are_not_run() {
        let (peers, problems) = read_all(&[
            (
                "pjsip.conf",
                "#include pjsip.d/*.conf\n#include \"loop.conf\"\n#tryinclude none.conf\n#include gone.conf\n#exec echo [x]\n",
            ),
            ("pjsip.d/b.conf", "[b]\ntype=identify\nmatch=192.0.2.2\n"),
            ("pjsip.d/a.conf", "[a]\ntype=identify\nmatch=192.0.2.1\n"),
            ("pjsip.d/c.save", "[c]\ntype=identify\nmatch=192.0.2.3\n"),
            ("loop.conf", "#include <pjsip.conf>\n[l]\ntype=identify\nmatch=192.0.2.4\n"),
        ]);
        let who: Vec<&str> = peers.iter().filter_map(|peer| peer.split(' ').next()).collect();
        assert_eq!(who, ["192.0.2.1", "192.0.2.2", "192.0.2.4"]);
        for said in ["`#exec` is not run", "there is no file `gone.conf`", "`pjsip.conf` includes itself"] {
            assert!(problems.iter().any(|problem| problem.contains(said)), "{said}: {problems:?}");
        }
    }

    #[test]
    fn what_is_made_to_explode_does_not() {
        let mut text = "[t0](!)\n".to_owned() + &"match=192.0.2.1\n".repeat(1000);
        for n in 1..60 {
            text += &format!("[t{n}](!,t{0},t{0})\n", n - 1);
        }
        text += "[x](t59)\ntype=identify\n";
        let deep = "[".repeat(100_000)
            + &";--".repeat(100_000)
            + "\n"
            + &"=".repeat(100_000)
            + "\n](((\n[a](\n=x\nmatch\n[]\n";
        let (peers, problems) = read_all(&[("pjsip.conf", &text), ("sip.conf", &deep)]);
        assert!(
            peers.len() <= 100_000 && problems.iter().any(|problem| problem.contains("too many options")),
            "{problems:?}"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_file_upsets_it(text in r"([\[\]()!+=>;#,\-\\a \n]|include|match|type=identify|host|192\.0\.2\.1){0,80}") {
            read_all(&[("pjsip.conf", &text), ("sip.conf", &text)]);
        }
    }
}
