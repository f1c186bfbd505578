//! Values as Python shows them (`repr`), which is how `fail2ban-regex -o row` prints a failure.

pub use crate::word::repr as text;

/// A text, or `None`.
pub fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "None".to_owned(), text)
}

/// A `dict`, of names with what is shown already.
pub fn dict<'a>(items: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let items: Vec<_> = items.into_iter().map(|(name, value)| format!("{}: {value}", text(name))).collect();
    format!("{{{}}}", items.join(", "))
}

/// A `set` of texts.
pub fn set(items: &[String]) -> String {
    if items.is_empty() {
        return "set()".to_owned();
    }
    let items: Vec<_> = items.iter().map(|item| text(item)).collect();
    format!("{{{}}}", items.join(", "))
}

/// A `float` of the size of a time.
pub fn float(number: f64) -> String {
    format!("{number:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_values_look_like_pythons() {
        assert_eq!(dict([("a", optional(None)), ("b", optional(Some("x")))]), "{'a': None, 'b': 'x'}");
        assert_eq!((dict([]), set(&[]), set(&["x".into()])), ("{}".into(), "set()".into(), "{'x'}".into()));
        assert_eq!((float(1_795_168_801.0), float(1.25)), ("1795168801.0".into(), "1.25".into()));
    }
}
