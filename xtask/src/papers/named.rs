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

/// Whether one of the sources has a function of that name.
pub(super) fn is_in(name: &str, sources: &[String]) -> bool {
    let definition = format!("fn {name}(");
    sources.iter().any(|source| source.contains(&definition))
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
        let sources = ["fn a_late_end_frees_nothing() {}".to_owned()];
        assert!(is_in("a_late_end_frees_nothing", &sources));
        assert!(!is_in("a_late_end_frees", &sources));
    }
}
