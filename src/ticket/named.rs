//! What a failregex captured beside who it was: a few texts by name, in one allocation.

use indexmap::IndexMap;

use super::Texts;

/// Texts by name, in their order; nothing is owned where there are none. A name stands once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(Texts);

impl Named {
    /// These texts, each behind its name; they are gone through twice.
    pub fn new<'a>(named: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Named {
        Named(Texts::new(named.flat_map(|(name, text)| [name, text])))
    }

    /// The text of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, text)| text)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut texts = self.0.iter();
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }

    /// Names and texts in turn.
    pub fn texts(&self) -> &Texts {
        &self.0
    }
}

impl From<IndexMap<String, String>> for Named {
    fn from(map: IndexMap<String, String>) -> Named {
        Named::new(map.iter().map(|(name, text)| (&**name, &**text)))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Named {
    fn from(named: [(&str, &str); N]) -> Named {
        Named::new(named.into_iter())
    }
}
