//! The language of messages: the flag, else the setting, else the system's.

use crate::config::Layers;
use nunchi_core::Lang;
use std::path::{Path, PathBuf};

/// The language, with the flag and the home folder that the command line named.
pub(crate) fn language(flag: Option<Lang>, home: Option<&Path>) -> Lang {
    flag.or_else(|| setting(home)).unwrap_or_else(system)
}

/// The same for a line that was not understood, or asks for help: flags count wherever they stand.
pub(crate) fn language_of_line(words: &[String]) -> Lang {
    let before_rest = || words.iter().take_while(|word| *word != "--");
    let flag = |name: &str| {
        let apart = before_rest().skip_while(|word| *word != name).nth(1);
        let joined = before_rest().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        joined.or(apart.map(String::as_str))
    };
    let lang = flag("--lang").filter(|tag| matches!(*tag, "en" | "ko")).map(Lang::from_tag);
    let home =
        flag("--home").map(PathBuf::from).or_else(|| std::env::var_os("NUNCHI_HOME").map(PathBuf::from));
    language(lang, home.as_deref())
}

/// `[server] lang`, if it is set.
fn setting(home: Option<&Path>) -> Option<Lang> {
    let home = home.map(Path::to_owned).or_else(|| Some(std::env::home_dir()?.join(".nunchi")))?;
    let variables = || {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
    };
    let environment = std::env::var("NUNCHI_ENV").ok();
    let tag = Layers::read(&home, environment.as_deref(), variables()).shown("server.lang", "");
    (!tag.is_empty()).then(|| Lang::from_tag(&tag))
}

fn system() -> Lang {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|tag| !tag.is_empty()));
    set.map_or(Lang::En, |tag| Lang::from_tag(&tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_counts_wherever_it_stands() {
        let of = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            language_of_line(&words)
        };
        for line in ["--lang ko budget --help", "budget set --lang=ko", "--lang en fly --lang=ko"] {
            assert_eq!(of(line), Lang::Ko, "{line}");
        }
        assert_eq!(of("--lang en fly"), Lang::En);
        // What belongs to a program behind `--` is not ours.
        assert_eq!(of("mcp add x --lang en -- serve --lang=ko"), Lang::En);
    }
}
