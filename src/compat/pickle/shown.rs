//! A value as Python writes it: what fail2ban's client prints where it has no words of its own.

use std::fmt;

use super::Plain;
use crate::word::repr;

/// Python's `repr`.
impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plain::None => f.write_str("None"),
            Plain::Bool(true) => f.write_str("True"),
            Plain::Bool(false) => f.write_str("False"),
            Plain::Int(number) => number.fmt(f),
            Plain::Float(number) => f.write_str(&float(*number)),
            Plain::Text(text) => f.write_str(&repr(text)),
            Plain::Bytes(bytes) => write!(f, "b'{}'", bytes.escape_ascii()),
            Plain::List(items) => write!(f, "[{}]", list(items)),
            Plain::Tuple(items) => write!(f, "{}", tuple(items)),
            Plain::Dict(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                write!(f, "{{{}}}", pairs.join(", "))
            }
            Plain::Exception(_, class, arguments) => match &arguments[..] {
                [one] => write!(f, "{class}({one})"),
                more => write!(f, "{class}{}", tuple(more)),
            },
        }
    }
}

impl Plain {
    /// Python's `str`: text as it is, an exception as what it says.
    pub fn plain(&self) -> String {
        match self {
            Plain::Text(text) => text.clone(),
            Plain::Exception(_, class, arguments) => match (&**class, &arguments[..]) {
                (_, []) => String::new(),
                ("KeyError", [key]) => key.to_string(),
                (_, [one]) => one.plain(),
                (class, [number, text, rest @ ..]) if of_the_system(class) => {
                    let file = rest.first().map_or(String::new(), |file| format!(": {file}"));
                    format!("[Errno {number}] {}{file}", text.plain())
                }
                (_, more) => tuple(more),
            },
            value => value.to_string(),
        }
    }

    /// The `args` of an exception; `None` for what is none.
    pub fn arguments(&self) -> Option<String> {
        match self {
            // The file's name is not one of them.
            Plain::Exception(_, class, all) if of_the_system(class) && all.len() > 2 => Some(tuple(&all[..2])),
            Plain::Exception(_, _, all) => Some(tuple(all)),
            _ => None,
        }
    }
}

/// Python's `OSError` and its kinds.
fn of_the_system(class: &str) -> bool {
    const KINDS: [&str; 6] =
        ["OSError", "PermissionError", "FileExistsError", "IsADirectoryError", "NotADirectoryError", "TimeoutError"];
    KINDS.contains(&class) || class == "FileNotFoundError" || class.ends_with("ConnectionError")
}

fn list(items: &[Plain]) -> String {
    items.iter().map(Plain::to_string).collect::<Vec<_>>().join(", ")
}

fn tuple(items: &[Plain]) -> String {
    match items {
        [one] => format!("({one},)"),
        items => format!("({})", list(items)),
    }
}

/// A `float`; Python writes exponents with a sign and two digits.
fn float(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None if number.is_nan() => "nan".to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let text = |text: &str| Plain::from(text);
        for (value, shown) in [
            (Plain::Tuple(vec![]), "()"),
            (Plain::Tuple(vec![text("a")]), "('a',)"),
            (Plain::List(vec![Plain::None, Plain::Bool(true), Plain::Int(-1)]), "[None, True, -1]"),
            (Plain::Dict(vec![(text("a"), Plain::List(vec![]))]), "{'a': []}"),
            (Plain::Float(2.0), "2.0"),
            (Plain::Float(1e-7), "1e-07"),
            (Plain::Float(1e16), "1e+16"),
            (Plain::Bytes(b"a\0".to_vec()), "b'a\\x00'"),
        ] {
            assert_eq!(value.to_string(), shown);
        }
    }

    #[test]
    fn an_exception_says_what_it_was_made_with() {
        let raised = |class: &'static str, args: Vec<Plain>| Plain::Exception("builtins".into(), class.into(), args);
        let file = vec![Plain::Int(2), "No such file".into(), "/x".into()];
        for (value, says, arguments) in [
            (raised("Exception", vec![]), "", "()"),
            (raised("Exception", vec!["a'b".into()]), "a'b", "(\"a'b\",)"),
            (raised("KeyError", vec!["x".into()]), "'x'", "('x',)"),
            (raised("Exception", vec!["a".into(), Plain::Int(2)]), "('a', 2)", "('a', 2)"),
            (raised("FileNotFoundError", file), "[Errno 2] No such file: '/x'", "(2, 'No such file')"),
        ] {
            assert_eq!((value.plain(), value.arguments()), (says.to_owned(), Some(arguments.to_owned())));
        }
        assert_eq!(text().arguments(), None);
    }

    fn text() -> Plain {
        "a".into()
    }
}
