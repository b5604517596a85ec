//! Prompts: Markdown files with `{{variables}}`, short, in English; the language of the answer is told.

use nunchi_core::Lang;

macro_rules! prompts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) const $name: &str = include_str!(concat!("prompts/", $file, ".md"));
    )*};
}

prompts! {
    /// Who the model is.
    SYSTEM = "system";
    /// Who a sub-agent is.
    SUB_AGENT = "sub_agent";
    /// What a sub-agent is told.
    BRIEF = "brief";
    /// The answer is JSON.
    OUTPUT = "output";
    /// Plan, and ask what changes the plan.
    PLAN = "plan";
    /// Carry out the plan.
    ACT = "act";
    /// Check goals against receipts.
    VERIFY = "verify";
    /// Reach what was not reached.
    REPAIR = "repair";
    /// Make one answer of many.
    MERGE = "merge";
    /// Propose what to remember.
    MEMORY = "memory";
    /// What is remembered.
    REMEMBERED = "remembered";
    /// What fits of earlier turns.
    EARLIER = "earlier";
    /// Judge an answer.
    JUDGE = "judge";
    /// How claims are judged where there are sources.
    JUDGE_GROUNDS = "judge_grounds";
    /// How claims are judged where there need be none.
    JUDGE_KNOWLEDGE = "judge_knowledge";
    /// Said behind what is to be judged.
    JUDGE_ORDER = "judge_order";
    /// Leave a loop.
    NUDGE = "nudge";
    /// Take back a claim, or make it true.
    UNBACKED = "unbacked";
    /// Reply in the form that was asked for.
    AGAIN = "again";
}

/// Fills the variables in. A value is not searched for variables again.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, tail) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = tail;
    }
    out.push_str(rest);
    out.truncate(out.trim_end().len());
    out
}

/// A language's English name.
pub(crate) fn language(lang: Lang) -> &'static str {
    lang.pick("the owner's language (English unless they write another)", "Korean")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        assert_eq!(fill("a {{x}} b {{y}}.\n", &[("x", "{{y}}"), ("y", "2")]), "a {{y}} b 2.");
    }

    #[test]
    fn prompts_are_short() {
        let all =
            [SYSTEM, SUB_AGENT, BRIEF, OUTPUT, PLAN, ACT, VERIFY, REPAIR, MERGE, NUDGE, UNBACKED, AGAIN];
        for prompt in all {
            assert!(prompt.len() < 900, "{} bytes: {prompt}", prompt.len());
        }
    }
}
