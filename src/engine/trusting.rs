//! Logins and what follows from them: who has logged in is on trust, and his failures are another's typing errors until
//! proved otherwise.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Engine, Request, records};
use crate::addr::Id;
use crate::error::Error;
use crate::jail::Jail;
use crate::jail::outage::Verdict;
use crate::jail::trust::Trusted;
use crate::record::Level;
use crate::ticket::{Failure, Sign, Who};
use crate::time::{Span, Timestamp};

/// An address on trust, for `trusted`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustStatus {
    /// From where somebody logged in.
    pub address: IpAddr,
    /// First, without a pause that ended the trust.
    pub since: Timestamp,
    /// Last.
    pub last: Timestamp,
    /// When the trust ends unless somebody logs in again.
    pub until: Timestamp,
    /// How many accounts are known to have logged in there.
    pub accounts: usize,
}

impl Engine {
    /// Who is on trust, as a jail's `trusttime` says, or the longest of all; an unknown jail is an error.
    pub fn trusted(&self, jail: Option<&str>, now: Timestamp) -> Result<Vec<TrustStatus>, Error> {
        let time = match jail {
            Some(jail) => self.find(jail)?.1.settings.trust.map(|trust| trust.time),
            None => self.longest_trust(),
        };
        let Some(time) = time else { return Ok(Vec::new()) };
        let status = |(address, lease): (IpAddr, crate::ticket::Lease)| TrustStatus {
            address,
            since: lease.since,
            last: lease.last,
            until: lease.last + time,
            accounts: lease.accounts.len(),
        };
        Ok(self.trusted.list(time, now).map(status).collect())
    }

    /// How many are on trust as a jail's `trusttime` says.
    pub fn trusted_count(&self, jail: &str, now: Timestamp) -> Result<usize, Error> {
        let trust = self.find(jail)?.1.settings.trust;
        Ok(trust.map_or(0, |trust| self.trusted.count(trust.time, now)))
    }

    /// Ends the trust of an address, and of the network that a jail counts it by, or of all inside a network; how many
    /// that were. The next login is trusted anew.
    pub fn distrust(&mut self, id: &Id) -> usize {
        let nets = self.jails.values().filter_map(|jail| jail.settings.subnet.of(id));
        let ids: Vec<Id> = nets.chain([id.clone()]).collect();
        ids.iter().map(|id| self.trusted.end(id)).sum()
    }

    /// A line tells of something that is no failure.
    pub(super) fn told(&mut self, name: &Arc<str>, failure: &Failure, out: &mut Vec<Request>) {
        let Failure { who, time, groups, sign, .. } = failure;
        // The list is for all jails, and must hold an address as long as one of them trusts it.
        let trusts = self.jails.get(name).and_then(|jail| jail.settings.trust);
        let Some(longest) = trusts.and(self.longest_trust()) else { return };
        match (sign, who) {
            (Sign::LoggedIn, Who::Id(id)) => {
                let user = groups.get("user").filter(|user| !user.is_empty());
                let account = user.map(|user| self.key.0.account(user));
                if self.trusted.login(id, account, longest, *time) {
                    out.push(Request::Log(records::trusted(name, id, *time, &self.zone)));
                }
            }
            (Sign::Restarted, _) => {
                if self.outage.restarted(*time) {
                    out.push(Request::Log(records::restarted(name, *time, &self.zone)));
                }
            }
            // A name server has no say in whom to trust.
            (Sign::LoggedIn, Who::Name(_)) | (Sign::Failed, _) => {}
        }
    }

    /// Whether a failure of `id` does not count in the jail at this place: it comes from an address on trust, and that account has
    /// failed there before, or the PBX is to blame.
    pub(super) fn is_spared(&mut self, at: usize, id: &Id, failure: &Failure, out: &mut Vec<Request>) -> bool {
        let Some((name, jail)) = self.jails.get_index_mut(at) else { return false };
        let Some(trust) = jail.settings.trust else { return false };
        let time = failure.time;
        // Without an account nobody can tell one phone from a hundred: each failure counts.
        let Some(user) = failure.groups.get("user").filter(|user| !user.is_empty()) else { return false };
        if !self.trusted.holds(id, trust.time, time) {
            return false;
        }
        let account = self.key.0.account(user);
        let verdict = match self.trusted.knows(id, account) {
            true => self.outage.judge(id, account, trust.outage, time),
            false => Verdict::Counts,
        };
        if let Verdict::Begins(failed) = verdict {
            out.push(Request::Log(records::outage(name, failed)));
        }
        let within = trust.time.max(jail.settings.findtime);
        let spared = verdict != Verdict::Counts || !jail.repeated.is_new(id, account, within, time);
        if spared {
            jail.spared += 1;
            if self.hears <= Level::Info {
                out.push(Request::Log(records::spared(name, id)));
            }
        }
        spared
    }

    /// Too much came from an address on trust: it is banned, and needs another login afterwards.
    pub(super) fn end_trust(&mut self, name: &Arc<str>, id: &Id, failures: u32, out: &mut Vec<Request>) {
        self.trusted.end(id);
        if let Some(jail) = self.jails.get_mut(name) {
            jail.repeated.forget(id);
            out.push(Request::Log(records::distrusted(name, id, failures)));
        }
    }

    /// Forgets whom no jail trusts any more. Where none runs that would, it may come on later.
    pub(super) fn purge_trust(&mut self, now: Timestamp) {
        if let Some(longest) = self.longest_trust() {
            self.trusted.purge(longest, now);
        }
    }

    fn longest_trust(&self) -> Option<Span> {
        self.jails.values().filter_map(|jail| jail.settings.trust).map(|trust| trust.time).max()
    }
}

/// How many failures of somebody who is on trust cause a ban; `None`: he is not.
pub(super) fn limit(trusted: &Trusted, jail: &Jail, id: &Id, time: Timestamp) -> Option<u32> {
    let trust = jail.settings.trust?;
    trusted.holds(id, trust.time, time).then(|| trust.maxretry.max(jail.settings.maxretry))
}
