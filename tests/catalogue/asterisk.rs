//! Asterisk, 1.4 to 23.

use super::table::{Stock, Verdict, rows};

#[test]
fn what_should_count_is_counted_for_its_sender_and_what_never_should_is_not() {
    let mut stock = Stock::new(|_| true);
    let (mut wanted, mut caught, mut wrong) = (0, 0, Vec::new());
    for row in rows("asterisk.tsv") {
        let found = stock.read(format!("{}\n", row.line).as_bytes());
        match row.verdict {
            Verdict::Count => {
                wanted += 1;
                caught += usize::from(!found.is_empty() && found.iter().all(|found| Some(found.host) == row.host));
            }
            Verdict::Never | Verdict::NoAddress if !found.is_empty() => wrong.push((row.id, found)),
            _ => {}
        }
    }
    counted!("lines that should count: {wanted}, caught {caught}");
    assert!(wrong.is_empty(), "{wrong:?}");
}
