//! What must stand in the kernel and on the host for bans to bite, and putting it there: the list, the sets of each
//! jail, the rules.

use caps::{CapSet, Capability};

use super::errno::Errno;
use super::ipset::Ipset;
use super::netlink::Set;
use super::rule::{Rule, family_is_there};
use super::set::{Family, HASHSIZE, LIST, LIST_SIZE, MAXELEM};
use super::{FirewallError, Repaired};
use crate::record::{Level, Record};

impl Ipset {
    /// Refuses a host that lacks what we need. Changes nothing.
    pub(super) fn require(&mut self) -> Result<(), FirewallError> {
        for (capability, name) in
            [(Capability::CAP_NET_ADMIN, "CAP_NET_ADMIN"), (Capability::CAP_NET_RAW, "CAP_NET_RAW")]
        {
            // Where the answer is not to be had, the kernel's own refusal tells.
            if !caps::has_cap(None, CapSet::Effective, capability).unwrap_or(true) {
                return Err(FirewallError::Capability(name));
            }
        }
        Rule::new(Family::V4)?;
        self.link.protocol().map_err(|e| match e.is(Errno::EINVAL) {
            true => FirewallError::Kernel("cannot use ipset".into(), "the kernel has none: `modprobe ip_set`".into()),
            false => e.when("cannot use ipset"),
        })?;
        for (kind, family) in [("hash:net", Family::V4.number()), ("hash:net", Family::V6.number()), ("list:set", 0)] {
            self.link.revisions(kind, family).map_err(|e| e.when(format!("cannot use sets of type {kind}")))?;
        }
        Ok(())
    }

    /// Puts the list in its place; gives its members.
    pub(super) fn mend_list(&mut self) -> Result<(bool, Vec<String>), FirewallError> {
        let list = self.link.list(LIST).map_err(|e| e.when(format!("cannot read the list `{LIST}`")))?;
        match list {
            Some(list) => {
                usable(&list, "list:set", 0)?;
                Ok((false, list.members))
            }
            None => {
                let size = u32::try_from(self.jails.len() * 4).unwrap_or(u32::MAX >> 1).next_power_of_two();
                self.link
                    .create_list(LIST, size.max(LIST_SIZE))
                    .map_err(|e| e.when(format!("cannot make the list `{LIST}`")))?;
                Ok((true, Vec::new()))
            }
        }
    }

    /// Puts a jail's sets in their place and into the list; says what was missing.
    pub(super) fn mend_jail(&mut self, sets: &[String; 2], members: &[String]) -> Result<Vec<String>, FirewallError> {
        let mut missing = Vec::new();
        for (family, name) in Family::BOTH.into_iter().zip(sets) {
            let there = self.link.header(name).map_err(|e| e.when(format!("cannot read the set `{name}`")))?;
            match &there {
                Some(set) => usable(set, "hash:net", family.number())?,
                None => {
                    self.link
                        .create_hash(name, family, HASHSIZE, MAXELEM)
                        .map_err(|e| e.when(format!("cannot make the set `{name}`")))?;
                    missing.push(format!("the set `{name}` was gone and is made anew"));
                }
            }
            if !members.contains(name) {
                self.link
                    .add_member(LIST, name)
                    .map_err(|e| e.when(format!("cannot put the set `{name}` into the list `{LIST}`")))?;
                if there.is_some() {
                    missing.push(format!("the set `{name}` was not in the list `{LIST}` and is again"));
                }
            }
        }
        Ok(missing)
    }

    /// Puts the rules in their place; gives the families whose rule was missing. A host that cannot have the IPv6 rule
    /// is guarded for IPv4 alone, and a note says so once.
    pub(super) fn mend_rules(&mut self) -> Result<Vec<Family>, FirewallError> {
        let mut placed = Vec::new();
        for family in Family::BOTH {
            let ensured = match family_is_there(family) {
                true => Rule::new(family).and_then(|rule| rule.ensure()).map_err(Some),
                false => Err(None),
            };
            self.standing.retain(|&f| f != family);
            match ensured {
                Ok(missing) => {
                    self.standing.push(family);
                    placed.extend(missing.then_some(family));
                }
                Err(Some(e)) if family == Family::V4 => return Err(e),
                Err(why) if !self.complained => {
                    self.complained = true;
                    let why = why.map_or("this host has no IPv6".into(), |e| e.to_string());
                    self.notes.push(warning(format!("only IPv4 is guarded: {why}")));
                }
                Err(_) => {}
            }
        }
        self.references = self.references()?;
        Ok(placed)
    }

    fn references(&mut self) -> Result<u32, FirewallError> {
        let list = self.link.describe(LIST).map_err(|e| e.when(format!("cannot read the list `{LIST}`")))?;
        Ok(list.map_or(0, |list| list.references))
    }

    /// Puts back what somebody took, and says what.
    pub(super) fn look(&mut self, found: &mut Repaired) -> Result<(), FirewallError> {
        let (made, members) = self.mend_list()?;
        if made {
            found.records.push(warning(format!("the list `{LIST}` was gone and is made anew")));
        }
        for (jail, sets) in self.jails.clone() {
            let missing = self.mend_jail(&sets, &members)?;
            if !missing.is_empty() && !found.jails.contains(&jail) {
                found.jails.push(jail);
            }
            found.records.extend(missing.into_iter().map(warning));
        }
        let unguarded = Family::BOTH.into_iter().any(|f| !self.standing.contains(&f) && family_is_there(f));
        if unguarded || self.references()? != self.references {
            for family in self.mend_rules()? {
                let text = format!("the {} rule was gone and stands again", family.label());
                found.records.push(warning(text));
            }
        }
        Ok(())
    }
}

/// Refuses a set that somebody made for something else.
pub(super) fn usable(set: &Set, kind: &str, family: u8) -> Result<(), FirewallError> {
    match (set.kind == kind, set.family == family) {
        (true, true) => Ok(()),
        (true, false) => Err(foreign(&set.name, "for the other address family")),
        (false, _) => Err(foreign(&set.name, &format!("of type {} and not {kind}", set.kind))),
    }
}

/// The error for a set that somebody made otherwise.
pub(super) fn foreign(name: &str, how: &str) -> FirewallError {
    let why = format!("somebody made it {how}: rename it (`ipset rename`) or take it away (`ipset destroy {name}`)");
    FirewallError::Kernel(format!("cannot use the set `{name}`"), why)
}

/// For our log: something was not as it should be.
pub(super) fn warning(text: String) -> Record {
    Record::new(Level::Warning, "actions", text)
}
