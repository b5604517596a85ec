//! What a Claude model takes, read from its name: each generation takes other parameters and refuses the rest with a 400.

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// It cannot.
    None,
    /// By a number of tokens.
    Budget,
    /// By a number of tokens or by itself.
    Either,
    /// By itself, or not at all.
    Adaptive,
    /// By itself, always.
    Always,
}

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) thinking: Style,
    /// Whether it takes temperature, `top_p` and `top_k`.
    pub(super) samples: bool,
    /// Whether temperature and `top_p` exclude each other.
    pub(super) one_sampler: bool,
    /// Whether it takes a schema for its answer.
    pub(super) schemas: bool,
    /// Whether it takes an effort.
    pub(super) effort: bool,
    /// The word for the greatest effort below `max`.
    pub(super) most: &'static str,
}

/// Reads a name. One that is not Claude's belongs to a compatible server: nothing is held back from it.
pub(super) fn facts(model: &str) -> Facts {
    let Some((family, version)) = name(model) else {
        return Facts {
            thinking: Style::Budget,
            samples: true,
            one_sampler: false,
            schemas: true,
            effort: false,
            most: "high",
        };
    };
    let thinking = match family {
        "mythos" | "fable" => Style::Always,
        _ if version < (3, 7) => Style::None,
        _ if version < (4, 6) => Style::Budget,
        _ if version < (4, 7) => Style::Either,
        _ => Style::Adaptive,
    };
    let newest = matches!(thinking, Style::Adaptive | Style::Always);
    Facts {
        thinking,
        samples: !newest,
        one_sampler: version >= (4, 1),
        schemas: newest || version >= (4, 1),
        effort: newest || version >= (4, 6) || (version == (4, 5) && family == "opus"),
        most: if newest { "xhigh" } else { "max" },
    }
}

/// Family and version of a Claude model: `claude-opus-4-6`, `claude-3-7-sonnet-latest`, `anthropic/claude-sonnet-4.5`.
fn name(model: &str) -> Option<(&str, (u32, u32))> {
    let mut words = model.rsplit('/').next()?.split(['-', '.', '@', ':', '_']);
    words.find(|word| *word == "claude")?;
    let mut family = "";
    let mut numbers = Vec::new();
    for word in words {
        // A longer number is a date.
        match word.parse::<u32>() {
            Ok(number) if word.len() <= 2 => numbers.push(number),
            Ok(_) => break,
            Err(_) if family.is_empty() => family = word,
            Err(_) => break,
        }
    }
    let version = match numbers[..] {
        [] if matches!(family, "mythos" | "fable") => (4, 6),
        // A name without a number is an alias of the newest.
        [] => (u32::MAX, 0),
        [major] => (major, 0),
        [major, minor, ..] => (major, minor),
    };
    Some((family, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations() {
        for (model, thinking, samples, schemas) in [
            ("claude-3-5-haiku-20241022", Style::None, true, false),
            ("claude-3-7-sonnet-latest", Style::Budget, true, false),
            ("claude-sonnet-4-20250514", Style::Budget, true, false),
            ("claude-opus-4-1", Style::Budget, true, true),
            ("claude-haiku-4-5-20251001", Style::Budget, true, true),
            ("anthropic/claude-sonnet-4.5", Style::Budget, true, true),
            ("claude-opus-4-6", Style::Either, true, true),
            ("claude-opus-4-7", Style::Adaptive, false, true),
            ("claude-sonnet-5", Style::Adaptive, false, true),
            ("claude-fable-5", Style::Always, false, true),
            ("claude-mythos-preview", Style::Always, false, true),
            ("us.anthropic.claude-opus-4-5@20251101", Style::Budget, true, true),
            ("kimi-k2", Style::Budget, true, true),
        ] {
            let facts = facts(model);
            assert_eq!(
                (facts.thinking, facts.samples, facts.schemas),
                (thinking, samples, schemas),
                "{model}"
            );
        }
        assert!(facts("claude-opus-4-5").effort && !facts("claude-sonnet-4-5").effort);
        assert!(facts("claude-sonnet-4-5").one_sampler && !facts("claude-3-7-sonnet").one_sampler);
    }
}
