//! The `wa.toml` that `wa init` and the first ingest write: every setting with its comment.

use super::ResolvedConfig;
use super::keys::{KEYS, Key};
use super::origin::Origin;
use crate::settings::Settings;

/// Returns the text of a settings file with the values in force.
///
/// Settings that have a default by nature stand there, so that what the file says is what is in
/// force; paths and budgets, and what came from the environment, stay comments.
pub(super) fn text(resolved: &ResolvedConfig) -> String {
    let mut text = String::from(
        "# Settings of this wa store.\n\
         # Flags win over environment variables, these over this file, this file over defaults.\n\
         # `wa config` shows what is in force, and where each value comes from.\n",
    );
    let mut table = "";
    for (key, origin) in KEYS.iter().zip(&resolved.origins) {
        let (this, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if this != table {
            text.push_str(&format!("\n[{this}]\n"));
            table = this;
        } else {
            text.push('\n');
        }
        for line in key.doc.lines() {
            text.push_str(&format!("# {line}\n"));
        }
        if let Some(variable) = key.variable {
            text.push_str(&format!("# The environment variable {variable} wins over it.\n"));
        }
        let chosen = matches!(origin, Origin::Flag { .. });
        let value = if matches!(origin, Origin::Environment { .. }) {
            key.show(&Settings::default())
        } else {
            key.show(&resolved.settings)
        };
        let comment = if chosen || stands(key) { "" } else { "# " };
        let value = value.unwrap_or_else(|| key.example.to_owned());
        text.push_str(&format!("{comment}{name} = {}\n", quoted(&value)));
    }
    text
}

/// Tells whether a setting stands in the file even where it has its default.
fn stands(key: &Key) -> bool {
    !matches!(key.name, "geoip" | "memory" | "privacy.key_file")
}

/// Writes a TOML string.
fn quoted(value: &str) -> String {
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
