//! The parts of a README that its translation must share.

/// The level of each heading outside code blocks, in order.
pub(super) fn outline(markdown: &str) -> Vec<usize> {
    let mut in_code = false;
    let mut levels = Vec::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        let level = line.chars().take_while(|c| *c == '#').count();
        if !in_code && level > 0 {
            levels.push(level);
        }
    }
    levels
}

/// The content of the code blocks in one language.
pub(super) fn blocks_in(markdown: &str, language: &str) -> Vec<String> {
    let content = |block: &String| {
        let (first, rest) = block.split_once('\n')?;
        (first == language).then(|| rest.trim().to_owned())
    };
    blocks(markdown).iter().filter_map(content).collect()
}

/// The first lines of the code blocks that are not the same in both texts.
pub(super) fn differing_blocks(one: &str, other: &str) -> Vec<String> {
    let (one, other) = (blocks(one), blocks(other));
    let count = one.len().max(other.len());
    let differing = (0..count).filter(|&i| one.get(i) != other.get(i));
    let text = |i: usize| one.get(i).or_else(|| other.get(i)).map(String::as_str);
    differing
        .filter_map(|i| text(i)?.lines().nth(1).map(str::to_owned))
        .collect()
}

/// The code blocks, each with its language in the first line.
fn blocks(markdown: &str) -> Vec<String> {
    let parts = markdown.split("\n```");
    parts
        .skip(1)
        .step_by(2)
        .map(|block| block.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\n```sh\ncargo run\n```\n\n## Part\n\n```yaml\n# no heading\n```\n\n```sh\ncargo test\n```\n";

    #[test]
    fn comments_in_code_are_no_headings() {
        assert_eq!(outline(TEXT), [1, 2]);
    }

    #[test]
    fn blocks_of_one_language_come_in_order() {
        assert_eq!(blocks_in(TEXT, "sh"), ["cargo run", "cargo test"]);
        assert_eq!(blocks_in(TEXT, "yaml"), ["# no heading"]);
    }

    #[test]
    fn a_changed_block_and_a_missing_block_are_found() {
        assert!(differing_blocks(TEXT, TEXT).is_empty());
        let changed = TEXT.replace("cargo run", "cargo walk");
        assert_eq!(differing_blocks(TEXT, &changed), ["cargo run"]);
        let shorter = TEXT.replace("\n```sh\ncargo test\n```\n", "");
        assert_eq!(differing_blocks(TEXT, &shorter), ["cargo test"]);
    }
}
