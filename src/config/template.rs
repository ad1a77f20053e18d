//! The `wa.toml` that `wa init` and the first ingest write: every setting with a comment.

use super::ResolvedConfig;
use super::keys::{KEYS, Key};
use super::origin::Origin;
use crate::settings::Settings;

/// Returns the text of a settings file with the given values.
///
/// Settings are written with their values, so that the file shows the values in effect. Paths and
/// the memory budget are commented out unless a flag set them. Values from environment variables
/// are not written.
pub(super) fn text(config: &ResolvedConfig) -> String {
    let mut text = String::from(
        "# Settings of this wa store.\n\
         # A flag overrides an environment variable, which overrides this file.\n\
         # `wa config` shows the value of each setting and its origin.\n",
    );
    let mut table = "";
    for (key, origin) in KEYS.iter().zip(&config.origins) {
        let (key_table, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if key_table != table {
            text.push_str(&format!("\n[{key_table}]\n"));
            table = key_table;
        } else {
            text.push('\n');
        }
        for line in key.doc.lines() {
            text.push_str(&format!("# {line}\n"));
        }
        if let Some(variable) = key.variable {
            text.push_str(&format!("# The environment variable {variable} overrides it.\n"));
        }
        let has_flag = matches!(origin, Origin::Flag { .. });
        let value = if matches!(origin, Origin::Environment { .. }) {
            key.format(&Settings::default())
        } else {
            key.format(&config.settings)
        };
        let comment = if has_flag || is_always_written(key) { "" } else { "# " };
        let value = value.unwrap_or_else(|| key.example.to_owned());
        text.push_str(&format!("{comment}{name} = {}\n", toml_string(&value)));
    }
    text
}

/// Returns whether a setting is written even if it has its default value.
fn is_always_written(key: &Key) -> bool {
    !matches!(key.name, "geoip" | "memory" | "privacy.key_file")
}

/// Returns a TOML string in quotes.
fn toml_string(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
