//! What makes of an account's name a number: a phone that tries one stale secret all day is one account, a scanner is many.
//!
//! An account is what a sender chose to call himself, so it decides nothing but whether his own failure is a repeated one,
//! and it is kept as a hash with a key that no sender knows.

use sha1::{Digest, Sha1};

use super::lately::Lately;
use crate::addr::Id;

/// Which accounts failed from where, and when. What is forgotten fails as if for the first time.
pub type Accounts = Lately<Id, Account>;

/// What makes of an account's name an [`Account`]. A key that is kept gives the same after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

/// The name of an account, as 64 bits of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account(pub u64);

impl Key {
    /// The account of this name.
    pub fn account(&self, name: &str) -> Account {
        let hash = Sha1::new_with_prefix(self.0).chain_update(name).finalize();
        let first = hash.first_chunk().expect("a SHA-1 has 20 bytes");
        Account(u64::from_le_bytes(*first))
    }
}

impl Accounts {
    /// Forgets the accounts of everybody inside `id`, as [`Lately::forget`] does those of one.
    pub fn forget_inside(&mut self, id: &Id) {
        let inside: Vec<Id> = self.keys().filter(|other| id.contains(other)).cloned().collect();
        inside.iter().for_each(|id| self.forget(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Span, Timestamp};

    #[test]
    fn an_account_is_another_under_another_key() {
        let [one, two] = [Key([1; 16]), Key([2; 16])];
        assert_eq!(one.account("100"), one.account("100"));
        assert_ne!(one.account("100"), one.account("101"));
        assert_ne!(one.account("100"), two.account("100"));
    }

    #[test]
    fn those_of_a_network_are_forgotten_together() {
        let (mut accounts, hour) = (Accounts::default(), Span::from_secs(3600));
        let ids = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(Id::parse);
        let new = |accounts: &mut Accounts| {
            ids.each_ref().map(|id| accounts.is_new(id, Account(1), hour, Timestamp::from_secs(1_000_000)))
        };
        assert_eq!(new(&mut accounts), [true; 3]);
        accounts.forget_inside(&Id::parse("10.0.0.2/31"));
        assert_eq!(new(&mut accounts), [false, true, true]);
    }
}
