//! `config`: what is in force and where it comes from.

use super::{print_json, print_line};
use crate::cli::ConfigCommand;
use crate::config::{Config, Layers, shown_settings};
use crate::failure::Failure;
use crate::home::Home;
use crate::render::table;
use nunchi_core::Lang;
use serde_json::json;
use std::collections::BTreeMap;

/// Runs a config command; it works with a broken configuration too.
pub(crate) fn config(
    home: &Home,
    layers: Layers,
    variables: &BTreeMap<String, String>,
    command: &ConfigCommand,
    lang: Lang,
    json: bool,
) -> Result<(), Failure> {
    match command {
        ConfigCommand::Path => print_line(&home.path().display().to_string()),
        ConfigCommand::Show => {
            let settings = shown_settings(&layers);
            if json {
                let rows: Vec<_> = settings
                    .iter()
                    .map(|(name, value, from)| json!({ "setting": name, "value": value, "from": from }))
                    .collect();
                return print_json(&rows);
            }
            let headings = lang.pick(["setting", "value", "from"], ["설정", "값", "출처"]);
            print_line(&table(
                &headings,
                settings.into_iter().map(|(name, value, from)| vec![name, value, from]),
            ))
        }
        ConfigCommand::Check => {
            let resolved = Config::resolve(layers, variables)?;
            let names: Vec<_> = resolved
                .providers
                .iter()
                .map(|provider| format!("{} ({})", provider.name, provider.origin))
                .collect();
            if json {
                return print_json(&json!({ "ok": true, "providers": names }));
            }
            let list = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
            print_line(&lang.pick(
                format!("The configuration is right. Providers: {list}"),
                format!("설정이 올바릅니다. 제공자: {list}"),
            ))
        }
    }
}
