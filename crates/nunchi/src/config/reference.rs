//! The reference page of all settings, written from the same table that reads them.

use super::field::Kind;
use super::fields::FIELDS;
use super::lists::LISTS;
use std::fmt::Write;

/// The page, as Markdown.
pub(crate) fn reference() -> String {
    let mut page = String::from(
        "# Configuration\n\n`nunchi.toml` in the home folder, then `nunchi.<NUNCHI_ENV>.toml`, then `NUNCHI_SECTION__KEY` in the\nenvironment, then flags: the last one wins. `nunchi config show` prints what is in force and where it comes from.\nSecrets stand only in the environment.\n",
    );
    let mut section = "";
    for field in &FIELDS {
        if field.section != section {
            section = field.section;
            let _infallible =
                write!(page, "\n## [{section}]\n\n| key | kind | default | meaning |\n|---|---|---|---|\n");
        }
        let default = if field.default.is_empty() { "-".to_owned() } else { format!("`{}`", field.default) };
        let _infallible =
            writeln!(page, "| `{}` | {} | {default} | {} |", field.key, kind(field.kind), field.meaning);
    }
    for (list, about, keys) in &LISTS {
        let _infallible = write!(page, "\n## [[{list}]]\n\n{about}\n\n| key | meaning |\n|---|---|\n");
        for (key, meaning) in *keys {
            let _infallible = writeln!(page, "| `{key}` | {meaning} |");
        }
    }
    page.push_str(
        "\n## [aliases] and [fallbacks]\n\n`name = \"provider/model\"` gives a model another name; `\"provider/model\" = [\"provider/model\", …]` names the models that are\ntried when an explicitly chosen one fails.\n\n## Environment\n\n`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`, `PERPLEXITY_API_KEY` and `OLLAMA_HOST` bring their provider by\nthemselves. `NUNCHI_HOME` names the home folder, `NUNCHI_ENV` the second file, `NUNCHI_WEIGHTS_DIR` the folder of weights.\n",
    );
    page
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".into(),
        Kind::Count => "whole number".into(),
        Kind::Decimal => "decimal".into(),
        Kind::Flag => "true/false".into(),
        Kind::Time => "time".into(),
        Kind::Texts => "list".into(),
        Kind::OneOf(words) => words.join(" / "),
    }
}
