//! Which literals are found, and that the quick choice among them is the right one.

use proptest::prelude::*;
use regex_syntax::hir::literal::{ExtractKind, Literal, Seq};
use regex_syntax::hir::{Hir, HirKind};

use super::best::{bare, best_of, crossed, extractor, flatten, usable};
use super::weight::{Scored, scored};
use super::*;
use crate::filter::translate::Options;

fn read(text: &str) -> Pattern {
    Pattern::new(text, Options::default()).unwrap()
}

fn literals(pattern: &str, cut: Cut, escaped: bool) -> Option<Vec<String>> {
    gather([&read(pattern)], cut, escaped)
        .map(|sets| sets.concat().into_iter().map(|l| String::from_utf8(l).unwrap()).collect())
}

#[test]
fn the_longest_text_that_every_match_holds_is_found() {
    let of = |pattern| literals(pattern, Cut::Start, false).unwrap_or_default();
    assert_eq!(of(r"^Registration from '[^']*' failed"), ["Registration from '"]);
    assert_eq!(of(r"^\S+ (?:Wrong password|No such user)\s*$"), [" No such user", " Wrong password"]);
    assert_eq!(of(r"(?:abcd)+x?"), ["abcd"]);
    assert_eq!(of(r"(?:abcd)*x?"), Vec::<String>::new());
    assert_eq!(of(r"(?:abcd|.)x"), Vec::<String>::new());
    assert_eq!(of(r"failed\n"), ["failed"]);
}

#[test]
fn parts_give_together_what_is_extracted_from_the_whole() {
    for pattern in [
        r"^ab?c(?:d|ef)(?:gh){2}(i|j)+k",
        r"(?:a|b){3}[cd][ef]{2}(?:gh|ij)x",
        r"\d+ab(?:c|d)*ef$",
        r"(?i)ab\b cd\s?e",
        r"a(?:bc|de)?f(?:[0-9]{1,3}\.){3}x[yz]",
        &format!("x{}(?:y|z){}", "a".repeat(60), "b".repeat(70)),
    ] {
        let hir = bare(regex_syntax::parse(pattern).unwrap());
        let mut parts = Vec::new();
        flatten(&hir, &mut parts);
        for kind in [ExtractKind::Prefix, ExtractKind::Suffix] {
            // Up to the first behind which none goes on: there is none such here but the last.
            let until = parts
                .iter()
                .position(|part| matches!(part.kind(), HirKind::Repetition(r) if r.min > 0 && r.max.is_none()));
            let parts = match (&kind, until) {
                (ExtractKind::Prefix, Some(until)) => &parts[..=until],
                (_, until) => &parts[until.unwrap_or(0)..],
            };
            let extractor = extractor(kind.clone());
            let seqs: Vec<Seq> = parts.iter().map(|part| extractor.extract(part)).collect();
            let together = match kind {
                ExtractKind::Prefix => crossed(parts.iter().zip(&seqs), kind.clone()),
                _ => crossed(parts.iter().zip(&seqs).rev(), kind.clone()),
            };
            let whole = Hir::concat(parts.iter().map(|part| (*part).clone()).collect());
            assert_eq!(together, extractor.extract(&whole), "{pattern} {kind:?}");
        }
    }
}

/// All sets that come into question, the best of them.
fn best_of_all(hir: &Hir, rule: Rule<'_>) -> Option<Scored> {
    let of = |seq: Seq| usable(seq.literals()?.iter().map(Literal::as_bytes), rule, i32::MIN);
    let mut all = Vec::new();
    match hir.kind() {
        HirKind::Repetition(repetition) if repetition.min >= 1 => return best_of_all(&repetition.sub, rule),
        HirKind::Alternation(branches) => {
            let branches = branches.iter().map(|branch| Some(best_of_all(branch, rule)?.1));
            all.push(scored(branches.collect::<Option<Vec<_>>>()?.concat(), rule));
            all.extend([ExtractKind::Prefix, ExtractKind::Suffix].map(|kind| of(extractor(kind).extract(hir))));
        }
        HirKind::Concat(_) => {
            let mut parts = Vec::new();
            flatten(hir, &mut parts);
            let extract = |kind: ExtractKind| parts.iter().map(|p| extractor(kind.clone()).extract(p)).collect();
            let (begins, ends): (Vec<Seq>, Vec<Seq>) = (extract(ExtractKind::Prefix), extract(ExtractKind::Suffix));
            for i in 0..parts.len() {
                all.push(best_of_all(parts[i], rule));
                all.push(of(crossed(parts[i..].iter().zip(&begins[i..]), ExtractKind::Prefix)));
                all.push(of(crossed(parts[..=i].iter().zip(&ends[..=i]).rev(), ExtractKind::Suffix)));
            }
        }
        HirKind::Literal(literal) => return usable(std::iter::once(&literal.0[..]), rule, i32::MIN),
        _ => return None,
    }
    all.into_iter().flatten().reduce(|a, b| if b.0 > a.0 { b } else { a })
}

const PIECES: &[&str] = &[
    "abc", "abcd: ", "bad user", "ab", "d=", "[ef]", "(?:", "(?:", "|", ")", ")", "?", "+", r"\d", ".*", "x y", " ",
    "é", "'",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_passed_over_unseen_is_not_the_best(
        texts in prop::collection::vec(prop::collection::vec(prop::sample::select(PIECES), 1..14), 1..5),
        cut in prop::sample::select(vec![Cut::Start, Cut::NearStart, Cut::Anywhere]),
        escaped in any::<bool>(),
    ) {
        let patterns = texts.iter().filter_map(|pieces| Pattern::new(&pieces.concat(), Options::default()).ok());
        let patterns: Vec<Pattern> = patterns.collect();
        let shared = Shared::new(patterns.iter().map(Pattern::text));
        for pattern in &patterns {
            let rule = Rule { cut, escaped, shared: &shared };
            let hir = bare(pattern.outline().unwrap());
            prop_assert_eq!(best_of(&hir, rule, i32::MIN), best_of_all(&hir, rule), "{}", pattern.text());
        }
    }

    #[test]
    fn who_holds_a_text_is_counted_once(
        texts in prop::collection::vec("[ab]{0,9}", 0..8),
        text in "[ab]{1,5}",
    ) {
        let most = text.len() - text.len() / 4;
        let parts = [&text[..most], &text[text.len() - most..]];
        let expected = texts.iter().filter(|text| parts.iter().any(|part| text.contains(part))).count();
        let shared = Shared::new(texts.iter().map(String::as_str));
        prop_assert_eq!(shared.holders(parts.map(str::as_bytes)), expected);
    }
}

#[test]
fn a_digit_beyond_ascii_is_a_word_character_too() {
    assert_eq!(literals(r"ABC[^\D\W1-9]DEF", Cut::Start, false).unwrap(), ["ABC"]);
}

#[test]
fn a_literal_never_lies_across_the_date() {
    assert_eq!(literals(r"^\[\] NOTICE", Cut::NearStart, false).unwrap(), [" NOTICE"]);
    assert_eq!(literals(r"abcdef", Cut::Anywhere, false).unwrap(), ["abc", "def"]);
    assert_eq!(literals(r"abcd", Cut::Anywhere, false), None);
}

#[test]
fn what_follows_the_date_tells_where_a_literal_may_be_cut() {
    let hyphen = crate::filter::backtrack::Program::new(r"^(?:x: )?(\d+)(?=\b)-\d").unwrap().behind.unwrap();
    let cut = Cut::behind(None, || Some(hyphen));
    assert_eq!(cut, Cut::Before(hyphen));
    assert_eq!(literals(r"SIP auth failure", cut, false).unwrap(), ["SIP auth failure"]);
    assert_eq!(literals(r"abc-defghi", cut, false).unwrap(), ["-defghi"]);
    for unknown in [r"^(?:x: )?(\d+)", r"^(?:x: )?(\d+)-?", r"^(?:(\d+)-|x)", r"^\d+-"] {
        assert_eq!(crate::filter::backtrack::Program::new(unknown).unwrap().behind, None, "{unknown}");
    }
}

#[test]
fn literals_for_json_avoid_what_json_escapes() {
    let found = literals(r#"SecurityEvent="InvalidPassword""#, Cut::Start, true).unwrap();
    assert_eq!(found, ["InvalidPassword"]);
    assert_eq!(literals(r"'</a>'", Cut::Start, true), None);
}

#[test]
fn what_stands_before_the_date_tells_where_a_cut_may_be() {
    let of = |lead| Cut::behind(lead, || None);
    assert_eq!([Some(0), Some(1), Some(2)].map(of), [Cut::Start, Cut::NearStart, Cut::NearStart]);
    assert_eq!([Some(3), None].map(of), [Cut::Anywhere, Cut::Anywhere]);
}

#[test]
fn what_several_failregexes_share_or_a_program_is_called_is_not_looked_for() {
    let fail = [
        r"^chan_sip\.c: Registration from '.*' failed$",
        r"^chan_sip\.c: Call from '' \(x\) to extension '",
        r#"^log\.c: Event="(?:BadPassword|BadAccount)",.*,LocalAddress="[^"]*""#,
        r#"^log\.c: Event="BadSession",.*,LocalAddress="[^"]*""#,
    ];
    let found = gather(&fail.map(read), Cut::Start, true).unwrap();
    let found: Vec<Vec<_>> = found.iter().map(|set| set.iter().map(|l| String::from_utf8_lossy(l)).collect()).collect();
    assert_eq!(
        found,
        [
            vec!["chan_sip.c: Registration from "],
            vec![" (x) to extension "],
            vec!["BadAccount", "BadPassword"],
            vec!["BadSession"]
        ]
    );
}

#[test]
fn too_many_literals_become_coarser_ones() {
    let sets = vec![vec![b"user one failed".to_vec(), b"user two failed".to_vec()], vec![b"other".to_vec()]];
    assert_eq!(reduce(sets.clone(), 64).len(), 3);
    assert_eq!(reduce(sets, 2), [b"other".to_vec(), b" failed".to_vec()]);
    let sets = vec![vec![b"failed".to_vec()], vec![b"login failed".to_vec()]];
    assert_eq!(reduce(sets, 64), [b"failed".to_vec()]);
}
