//! The table of `stats`, which newer servers of fail2ban know.

use crate::compat::pickle::Plain;

/// Jails with their backend and what was found and banned; `None` if the reply has another shape.
pub fn table(value: &Plain) -> Option<String> {
    let Plain::Dict(jails) = value else { return None };
    if jails.is_empty() {
        return Some("No jails found.".to_owned());
    }
    let rows: Vec<[String; 6]> = jails.iter().map(|(name, told)| row(name, told)).collect::<Option<_>>()?;
    let width = |at: usize, least: usize| rows.iter().map(|row| row[at].chars().count()).fold(least, usize::max);
    let [name, backend, a, b, c, d] = [width(0, 8), width(1, 8), width(2, 3), width(3, 3), width(4, 3), width(5, 3)];
    let bar = |n: usize, c: char| c.to_string().repeat(n);
    let (filter, actions) = (a + b + 5, c + d + 5);
    let [left, right] = [filter - 2, actions - 2];
    let mut out = vec![format!(" {:name$} ║ {:backend$} ║ {:left$} ║ {:right$}", "", "", "Filter", "Actions")];
    out.push(format!(" {:name$} ║ {:backend$} ╟{}╫{}", "Jail", "Backend", bar(filter, '─'), bar(actions, '─')));
    out.push(format!(
        " {:name$} ║ {:backend$} ║ {:>a$} │ {:>b$} ║ {:>c$} │ {:>d$}",
        "", "", "cur", "tot", "cur", "tot"
    ));
    let rule = |cross: &str| [name + 2, backend + 2, filter, actions].map(|n| bar(n, '═')).join(cross);
    out.push(rule("╬"));
    for [jail, how, found, found_all, banned, banned_all] in &rows {
        out.push(format!(
            " {jail:name$} ║ {how:backend$} ║ {found:>a$} │ {found_all:>b$} ║ {banned:>c$} │ {banned_all:>d$}"
        ));
    }
    out.push(rule("╩"));
    Some(out.join("\n"))
}

fn row(name: &Plain, told: &Plain) -> Option<[String; 6]> {
    let Plain::List(told) = told else { return None };
    let [backend, Plain::Tuple(filter), Plain::Tuple(actions)] = &told[..] else { return None };
    let ([found, found_all], [banned, banned_all]) = (&filter[..], &actions[..]) else { return None };
    Some([name, backend, found, found_all, banned, banned_all].map(Plain::plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jails_stand_in_a_table() {
        let pair = |a, b| Plain::Tuple(vec![Plain::Int(a), Plain::Int(b)]);
        let told = Plain::List(vec!["polling".into(), pair(0, 12_345), pair(3, 3)]);
        let expected = "          ║          ║ Filter      ║ Actions  
 Jail     ║ Backend  ╟─────────────╫───────────
          ║          ║ cur │   tot ║ cur │ tot
══════════╬══════════╬═════════════╬═══════════
 a        ║ polling  ║   0 │ 12345 ║   3 │   3
══════════╩══════════╩═════════════╩═══════════";
        assert_eq!(table(&Plain::Dict(vec![("a".into(), told)])).as_deref(), Some(expected));
        assert_eq!(table(&Plain::Dict(vec![])).as_deref(), Some("No jails found."));
        assert_eq!(table(&Plain::Int(7)), None);
    }
}
