//! The command line's help and its complaints in Korean: a table of texts laid over the commands as they are declared.

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use toml_edit::{Document, Item};

/// A table for each command: `_` for what it does, then its arguments by their ids.
const HELP: &str = include_str!("../../assets/help.ko.toml");
/// How a page is laid out.
const PAGE: &str = "{about-with-newline}\n사용법: {usage}\n\n{all-args}{after-help}";

type Words = Document<&'static str>;

/// The commands with Korean help. What the table lacks stays English.
pub(crate) fn in_korean(mut command: Command) -> Command {
    command.build();
    match Document::parse(HELP) {
        Ok(words) => told(command, "nunchi", &words),
        Err(_) => command,
    }
}

/// A text of the table.
fn text<'a>(words: &'a Words, path: &str, name: &str) -> Option<&'a str> {
    words.get(path)?.get(name).and_then(Item::as_str)
}

fn told(mut command: Command, path: &str, words: &Words) -> Command {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace("[OPTIONS]", "[옵션]").replace("COMMAND", "명령");
    for child in command.get_subcommands_mut() {
        let path = format!("{path} {}", child.get_name());
        *child = told(std::mem::take(child), &path, words);
    }
    if let Some(about) = text(words, path, "_") {
        command = command.about(about.to_owned());
    }
    let command = command.override_usage(usage).help_template(PAGE).subcommand_help_heading("명령");
    command.mut_args(|argument| {
        let id = argument.get_id().as_str();
        let everywhere = argument.is_global_set() || matches!(id, "help" | "version");
        let help = text(words, if everywhere { "nunchi" } else { path }, id).map(str::to_owned);
        explained(argument, help)
    })
}

/// An argument with its help, and what clap would add in English.
fn explained(argument: Arg, help: Option<String>) -> Arg {
    let heading = if argument.is_positional() { "인자" } else { "옵션" };
    let argument = argument.help_heading(heading);
    let Some(mut help) = help else { return argument };
    let mut note = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            help.push_str(&format!(" [{name}: {}]", values.join(", ")));
        }
    };
    if argument.get_action().takes_values() {
        let possible = argument.get_possible_values();
        note("값", possible.iter().map(|value| value.get_name().to_owned()).collect());
        let defaults = argument.get_default_values();
        note("기본값", defaults.iter().map(|value| value.to_string_lossy().into_owned()).collect());
    }
    note("환경 변수", argument.get_env().iter().map(|name| name.to_string_lossy().into_owned()).collect());
    argument
        .help(help)
        .long_help(Resettable::Reset)
        .hide_default_value(true)
        .hide_possible_values(true)
        .hide_env(true)
}

/// Why a line was not understood, with what helps.
pub(crate) fn complaint(error: &Error) -> String {
    let told = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(ContextValue::StyledStrs(texts)) => {
            texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    };
    let [argument, value] = [ContextKind::InvalidArg, ContextKind::InvalidValue].map(told);
    let mut lines = vec![format!("오류: {}", reason(error.kind(), &argument, &value, told))];
    for (name, kinds) in [
        ("쓸 수 있는 값", &[ContextKind::ValidValue, ContextKind::ValidSubcommand][..]),
        (
            "비슷한 것",
            &[ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue],
        ),
    ] {
        let texts = kinds.iter().map(|kind| told(*kind)).filter(|text| !text.is_empty());
        lines.extend(texts.map(|text| format!("  {name}: {text}")));
    }
    let usage = told(ContextKind::Usage);
    if !usage.is_empty() {
        lines.push(format!("\n사용법: {}", usage.trim_start_matches("Usage: ")));
    }
    lines.push("\n더 알아보려면 `--help`를 쓰세요.".to_owned());
    lines.join("\n")
}

fn reason(kind: ErrorKind, argument: &str, value: &str, told: impl Fn(ContextKind) -> String) -> String {
    let command = || told(ContextKind::InvalidSubcommand);
    match kind {
        ErrorKind::ArgumentConflict => match told(ContextKind::PriorArg) {
            prior if prior == argument => format!("`{argument}`은(는) 한 번만 쓸 수 있습니다"),
            prior => format!("`{argument}`은(는) `{prior}`와(과) 함께 쓸 수 없습니다"),
        },
        ErrorKind::InvalidValue if value.is_empty() => format!("`{argument}`에는 값이 있어야 합니다"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues => {
            format!("`{value}`은(는) `{argument}`의 값이 될 수 없습니다")
        }
        ErrorKind::UnknownArgument => format!("`{argument}`(이)라는 인자는 없습니다"),
        ErrorKind::InvalidSubcommand => format!("`{}`(이)라는 명령은 없습니다", command()),
        ErrorKind::MissingRequiredArgument => format!("꼭 있어야 하는 인자가 없습니다: {argument}"),
        ErrorKind::MissingSubcommand => format!("`{}` 뒤에 명령이 있어야 합니다", command()),
        _ => "명령줄을 이해할 수 없습니다".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;
    use std::collections::BTreeSet;

    fn korean(text: &str) -> bool {
        text.contains(|c: char| ('가'..='힣').contains(&c))
    }

    /// What lacks Korean, and every place of the table that is used.
    fn walk(command: &Command, path: &str, lacks: &mut Vec<String>, used: &mut BTreeSet<String>) {
        used.insert(format!("{path} _"));
        if !command.get_about().is_some_and(|about| korean(&about.to_string())) {
            lacks.push(path.to_owned());
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let place = format!("{path} {}", argument.get_id());
            if !argument.get_help().is_some_and(|help| korean(&help.to_string()))
                || !argument.get_help_heading().is_some_and(korean)
            {
                lacks.push(place.clone());
            }
            used.insert(place);
        }
        for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
            walk(child, &format!("{path} {}", child.get_name()), lacks, used);
        }
    }

    #[test]
    fn everything_visible_is_told_in_korean() {
        let (mut lacks, mut used) = (Vec::new(), BTreeSet::new());
        walk(&in_korean(Cli::command()), "nunchi", &mut lacks, &mut used);
        assert!(used.len() > 250, "the whole tree was walked");
        assert_eq!(lacks, Vec::<String>::new());
        let words = Document::parse(HELP).unwrap();
        let places = words.iter().flat_map(|(path, table)| {
            table.as_table().unwrap().iter().map(move |(name, _)| format!("{path} {name}"))
        });
        let stale: Vec<_> = places.filter(|place| !used.contains(place)).collect();
        assert_eq!(stale, Vec::<String>::new(), "these no longer exist");
    }

    #[test]
    fn pages_and_complaints_hold_no_english_sentence() {
        let page = |words: &[&str]| {
            let mut command = in_korean(Cli::command());
            command.try_get_matches_from_mut(words).unwrap_err()
        };
        let english = [
            "Usage",
            "Options",
            "Commands",
            "Arguments",
            "OPTIONS",
            "COMMAND",
            "default",
            "possible",
            "Print",
        ];
        for words in [
            &["nunchi", "--help"][..],
            &["nunchi", "-h"],
            &["nunchi", "stats", "--help"],
            &["nunchi", "budget", "set", "-h"],
            &["nunchi", "budget"],
        ] {
            let told = page(words).to_string();
            assert!(english.iter().all(|word| !told.contains(word)), "{words:?}: {told}");
            assert!(told.contains("사용법: nunchi") && told.contains("[옵션]"), "{told}");
        }
        let stats = page(&["nunchi", "stats", "--help"]).to_string();
        assert!(stats.contains("[값: provider, model, ") && stats.contains("[기본값: model]"), "{stats}");
        for (words, reason) in [
            (&["nunchi", "fly"][..], "`fly`"),
            (&["nunchi", "stat"], "비슷한 것: stats"),
            (&["nunchi", "stats", "--by", "colour"], "쓸 수 있는 값: provider"),
            (&["nunchi", "stats", "--wat"], "`--wat`"),
            (&["nunchi", "stats", "--once"], "인자는 없습니다"),
            (&["nunchi", "keys", "create"], "<NAME>"),
            (&["nunchi", "ask", "--max-tokens"], "값이 있어야"),
            (&["nunchi", "ask", "--max-tokens", "x"], "`x`"),
            (&["nunchi", "top", "--once", "--once"], "한 번만"),
            (&["nunchi", "stats", "--savings", "--export", "f"], "함께"),
        ] {
            let told = complaint(&page(words));
            assert!(told.contains(reason) && korean(&told) && !told.contains("Usage"), "{words:?}: {told}");
        }
    }
}
