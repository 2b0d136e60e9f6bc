//! Tests that documents name as proof: each has to exist.

/// Names of tests in backquotes: lower case, with so many words that nothing else is called like it.
pub(super) fn tests(document: &str) -> impl Iterator<Item = &str> {
    const WORDS: usize = 4;
    let quoted = document.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.chars().all(plain) && name.split('_').count() >= WORDS
    })
}

/// Whether one of the sources has a function of that name, or a suite that lists its tests has it.
pub(super) fn is_in(name: &str, sources: &[String]) -> bool {
    let (definition, listed) = (format!("fn {name}("), format!("\"{name}\""));
    let has = |source: &String| source.contains(&definition) || source.contains(&listed);
    sources.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_other_names_by_their_many_words() {
        let document =
            "see `a_late_end_frees_nothing`, `plan_ended`, `a b c d` and `Some_big_old_Type`";
        assert_eq!(
            tests(document).collect::<Vec<_>>(),
            ["a_late_end_frees_nothing"]
        );
    }

    #[test]
    fn a_name_is_found_where_it_is_defined_only() {
        for source in [
            "fn a_late_end_frees_nothing() {}",
            "Test::new(\"a_late_end_frees_nothing\", |lot| lot)",
        ] {
            let sources = [source.to_owned()];
            assert!(is_in("a_late_end_frees_nothing", &sources));
            assert!(!is_in("a_late_end_frees", &sources));
        }
    }
}
