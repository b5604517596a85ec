//! What a Gemini model takes, read from its name: generations differ, and refuse with a 400 what they do not know.

use super::models::bare;

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// It cannot.
    None,
    /// By a number of tokens within these bounds.
    Budget {
        least: u64,
        most: u64,
        /// Whether zero switches thinking off.
        off: bool,
    },
    /// By a level; `low` and `high` are always there.
    Level { minimal: bool, medium: bool },
}

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) thinking: Style,
    /// Gemini 3 and later: calls need their signature back, results of tools hold media, and JSON goes together with tools. These are
    /// also charged by the search, older ones by the searching request.
    pub(super) newest: bool,
    /// Whether it takes penalties and gives log probabilities: 2.0 alone does.
    pub(super) extras: bool,
}

/// Reads a name. Of one that is not Gemini's (Gemma, a tuned model) nothing special is believed.
pub(super) fn facts(model: &str) -> Facts {
    let name = bare(model);
    let version = version(name);
    let has = |word: &str| name.split('-').any(|part| part == word);
    let thinking = match version {
        _ if has("image") || has("tts") || has("audio") => Style::None,
        _ if version < (2, 5) => Style::None,
        (2, _) if has("lite") => Style::Budget { least: 512, most: 24_576, off: true },
        (2, _) if has("pro") => Style::Budget { least: 128, most: 32_768, off: false },
        (2, _) => Style::Budget { least: 1, most: 24_576, off: true },
        _ if has("pro") => Style::Level { minimal: false, medium: version > (3, 0) },
        _ => Style::Level { minimal: true, medium: true },
    };
    Facts { thinking, newest: version >= (3, 0), extras: version == (2, 0) }
}

/// The generation: `gemini-2.5-pro`, `gemini-3-flash-preview`; `gemini-flash-latest` is an alias of the newest.
fn version(name: &str) -> (u32, u32) {
    let Some(rest) = name.strip_prefix("gemini-") else { return (0, 0) };
    let numbers = rest.split('-').find_map(|word| {
        let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
        // A longer number is a date.
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() <= 2);
        Some((number(major)?, number(minor)?))
    });
    match numbers {
        Some(version) => version,
        None if rest.ends_with("-latest") => (u32::MAX, 0),
        None => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations() {
        let budget = |least, most, off| Style::Budget { least, most, off };
        let level = |minimal, medium| Style::Level { minimal, medium };
        for (model, thinking, newest, extras) in [
            ("gemini-1.5-flash", Style::None, false, false),
            ("gemini-2.0-flash-001", Style::None, false, true),
            ("gemini-2.5-pro", budget(128, 32_768, false), false, false),
            ("models/gemini-2.5-flash", budget(1, 24_576, true), false, false),
            ("gemini-2.5-flash-preview-09-2025", budget(1, 24_576, true), false, false),
            ("gemini-2.5-flash-lite", budget(512, 24_576, true), false, false),
            ("gemini-2.5-flash-image", Style::None, false, false),
            ("gemini-3-pro-preview", level(false, false), true, false),
            ("gemini-3.1-pro-preview", level(false, true), true, false),
            ("gemini-3-flash-preview", level(true, true), true, false),
            ("gemini-3.1-flash-lite", level(true, true), true, false),
            ("gemini-flash-latest", level(true, true), true, false),
            ("gemini-pro-latest", level(false, true), true, false),
            ("gemini-exp-1206", Style::None, false, false),
            ("gemma-3-27b-it", Style::None, false, false),
            ("tunedModels/mine", Style::None, false, false),
        ] {
            assert_eq!(facts(model), Facts { thinking, newest, extras }, "{model}");
        }
    }
}
