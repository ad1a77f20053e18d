//! Quoting of words in commands that are printed for the user to copy.

/// Quotes a word for a POSIX shell, if it needs quotes. Control characters are written as escapes
/// (`$'…'`), so that the command stays on one line.
pub fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if word.chars().any(char::is_control) {
        return format!("$'{}'", word.chars().map(escaped).collect::<String>());
    }
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Quotes the name of a file. A name that begins with `-` gets the prefix `./`, since it would be
/// read as an option.
pub fn quote_file(name: &str) -> String {
    match name.strip_prefix('-') {
        Some(_) => quote(&format!("./{name}")),
        None => quote(name),
    }
}

/// Returns a character between `$'` and `'`.
fn escaped(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        _ if c.is_control() => c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        _ => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_with_special_characters_is_quoted() {
        let cases = [
            ("logs/a-1.ndjson", "logs/a-1.ndjson"),
            ("Größe_2@x+y:%20,", "Größe_2@x+y:%20,"),
            ("", "''"),
            ("my log.csv", "'my log.csv'"),
            ("it's", r"'it'\''s'"),
            ("$HOME/*.log;rm", "'$HOME/*.log;rm'"),
            ("~root", "'~root'"),
            ("a\nb'\\\u{1b}\u{9b}", r"$'a\nb\'\\\x1b\xc2\x9b'"),
        ];
        for (word, quoted) in cases {
            assert_eq!(quote(word), quoted);
        }
    }

    #[test]
    fn file_name_is_not_read_as_an_option() {
        assert_eq!(quote_file("-x.log"), "./-x.log");
        assert_eq!(quote_file("- x.log"), "'./- x.log'");
        assert_eq!(quote_file("a-x.log"), "a-x.log");
    }

    // Compares with the shell itself.
    #[test]
    fn shell_reads_the_word_that_was_quoted() {
        for word in
            ["=a", "a b", "it's", "$HOME `x` \"y\" \\ !", "a\nb\t'\\\u{1}\u{9b}é", "*?[x]{a,b}~#&|;<>()"]
        {
            let command = format!("printf %s {}", quote(word));
            let Ok(output) = std::process::Command::new("bash").args(["-c", &command]).output() else {
                return;
            };
            assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
    }
}
