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

/// The code blocks, each with its language in the first line.
pub(super) fn blocks(markdown: &str) -> Vec<String> {
    let parts = markdown.split("\n```");
    parts
        .skip(1)
        .step_by(2)
        .map(|block| block.trim_end().to_owned())
        .collect()
}

/// The content of the blocks in `sh`.
pub(super) fn commands(markdown: &str) -> Vec<String> {
    let shell = |block: &String| {
        block
            .strip_prefix("sh\n")
            .map(|text| text.trim().to_owned())
    };
    blocks(markdown).iter().filter_map(shell).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\n```sh\ncargo run\n```\n\n## Part\n\n```yaml\n# no heading\n```\n\n```sh\ncargo test\n```\n";

    #[test]
    fn comments_in_code_are_no_headings() {
        assert_eq!(outline(TEXT), [1, 2]);
    }

    #[test]
    fn commands_are_the_shell_blocks_in_order() {
        assert_eq!(commands(TEXT), ["cargo run", "cargo test"]);
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
