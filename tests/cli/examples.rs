//! The examples in the documentation: commands on the sample data, and what they print.
//!
//! In these pages, a block of `sh` with one `wa` command is followed by a block of `text` with its
//! output, or a block of `text` begins with the command after a `$`. Blocks of `toml` are the
//! settings of the page. `UPDATE_DOCS=1` writes the current output into the pages.

use std::ops::Range;

use crate::harness::{Sandbox, root};

/// The pages, and the minimum number of examples in each.
const PAGES: [(&str, usize); 10] = [
    ("questions.md", 6),
    ("questions-pages.md", 4),
    ("questions-visitors.md", 5),
    ("questions-conversations.md", 5),
    ("funnels.md", 2),
    ("goals.md", 1),
    ("paths.md", 1),
    ("conversations.md", 1),
    ("report-heatmap.md", 1),
    ("report-retention.md", 1),
];

/// A command and the range of its output in the page.
struct Example {
    command: String,
    output: Range<usize>,
}

/// A code block: its language, and the range of its text.
struct Block {
    language: String,
    text: Range<usize>,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut start, mut at) = (Vec::new(), None, 0);
    for line in page.split_inclusive('\n') {
        let end = at + line.len();
        if let Some(language) = line.strip_prefix("```") {
            match start.take() {
                None => start = Some((language.trim().to_owned(), end)),
                Some((language, from)) => blocks.push(Block { language, text: from..at }),
            }
        }
        at = end;
    }
    blocks
}

fn examples(page: &str) -> Vec<Example> {
    let blocks = blocks(page);
    let mut examples = Vec::new();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "text") {
        let text = &page[block.text.clone()];
        let before = index.checked_sub(1).map(|index| &blocks[index]);
        if let Some((command, output)) = text.strip_prefix("$ ").and_then(|text| text.split_once('\n')) {
            let output = block.text.end - output.len()..block.text.end;
            examples.push(Example { command: command.to_owned(), output });
        } else if let Some(command) = before.filter(|block| block.language == "sh")
            && page[command.text.end..block.text.start].trim_start_matches('`').trim() == "```text"
        {
            let command = page[command.text.clone()].trim().to_owned();
            examples.push(Example { command, output: block.text.clone() });
        }
    }
    examples
}

/// Splits a command into words, without the quotes of the shell. A backslash continues a line.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, false);
    for letter in command.replace("\\\n", " ").chars() {
        match letter {
            '\'' => {
                quote = !quote;
                word.get_or_insert_default();
            }
            letter if letter.is_whitespace() && !quote => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn examples_show_what_the_program_prints() {
    let sandbox = Sandbox::new();
    let logs = std::fs::read_dir(root().join("sample-data")).unwrap().map(|entry| entry.unwrap().path());
    let logs =
        logs.filter(|path| path.to_string_lossy().contains(".ndjson")).map(|path| path.display().to_string());
    let ingest = ["ingest".to_owned(), "--quiet".to_owned()].into_iter().chain(logs);
    sandbox.run(ingest).exits(0);
    let settings = sandbox.read("wa-store/wa.toml");
    for (name, least) in PAGES {
        let path = root().join("docs").join(name);
        let mut page = std::fs::read_to_string(&path).unwrap();
        let definitions = blocks(&page).into_iter().filter(|block| block.language == "toml");
        let definitions: String = definitions.map(|block| page[block.text].to_owned()).collect();
        sandbox.write("wa-store/wa.toml", format!("{settings}\n{definitions}"));
        let examples = examples(&page);
        assert!(examples.len() >= least, "{name} has only {} examples", examples.len());
        for Example { command, output } in examples.into_iter().rev() {
            let arguments = words(&command);
            assert_eq!(arguments[0], "wa", "{name}: {command}");
            let run = sandbox.run(&arguments[1..]).exits(0);
            if std::env::var_os("UPDATE_DOCS").is_some() {
                page.replace_range(output, &run.stdout);
            } else {
                assert!(
                    page[output.clone()] == run.stdout,
                    "docs/{name} is stale: run `UPDATE_DOCS=1 cargo test --release --test cli`\n\
                     {command}\n--- page\n{}--- program\n{}",
                    &page[output],
                    run.stdout
                );
            }
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, page).unwrap();
        }
    }
}

#[test]
fn quoted_words_and_continued_lines_are_split_as_in_a_shell() {
    let command = "wa events --where 'event_name=a and plan=\"x y\"' \\\n  --limit 5";
    assert_eq!(words(command), ["wa", "events", "--where", "event_name=a and plan=\"x y\"", "--limit", "5"]);
}
