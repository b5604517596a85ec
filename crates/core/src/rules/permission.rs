//! Decides whether a tool call runs, is asked about, or is denied, and says which rule decided.

use super::canonical_json::canonical_json;
use super::label::label_of;
use super::model_pattern::pattern_matches;
use crate::words::{
    EffectClass, Ground, Label, PermissionDecision, PermissionRule, Reach, ToolSpec, Verdict,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Judges one call. Of the fitting rules one that denies decides, then the one that names the most values in full, then the
/// strictest: so a call that was granted for good is not asked about again by a rule for all calls of its tool. Without a rule,
/// what stays inside and can be undone runs and all else
/// asks. A guarded argument of a stranger's making is asked about even so, unless the rule that allows it names that very
/// value: a pattern with `*` is no such name.
pub fn decide_permission(
    rules: &[PermissionRule],
    spec: &ToolSpec,
    arguments: &Value,
    owner_texts: &[String],
    stranger_in_context: bool,
) -> PermissionDecision {
    let labels = labels(spec, arguments, owner_texts, stranger_in_context);
    let decided = rules
        .iter()
        .filter(|rule| fits(rule, &spec.name, arguments))
        // Of equal rules the first decides.
        .reduce(|best, rule| if weight(rule) > weight(best) { rule } else { best });
    let (verdict, ground) = match decided {
        Some(rule) => (rule.verdict, Ground::Rule(rule.name.clone())),
        None if spec.effect <= EffectClass::Reversible && spec.reach == Reach::Inside => {
            (Verdict::Allow, Ground::Harmless)
        }
        None if spec.effect == EffectClass::ReadOnly => (Verdict::Allow, Ground::Harmless),
        None => (Verdict::Ask, Ground::Grave),
    };
    let chosen_by_stranger = |argument: &&String| {
        labels.get(*argument) == Some(&Label::Stranger) && !decided.is_some_and(|rule| names(rule, argument))
    };
    match spec.guarded.iter().find(chosen_by_stranger) {
        Some(argument) if verdict == Verdict::Allow => {
            let ground = Ground::Stranger(argument.clone());
            PermissionDecision { verdict: Verdict::Ask, ground, labels }
        }
        _ => PermissionDecision { verdict, ground, labels },
    }
}

/// The rule that would allow this very call from now on, for the owner to grant: its guarded arguments as they are, also those
/// that were left out. `None` when a value has a `*`, which in a rule would stand for more than was shown.
pub fn offer_grant(spec: &ToolSpec, arguments: &Value) -> Option<PermissionRule> {
    let value = |name: &String| (name.clone(), whole(arguments.get(name).unwrap_or(&Value::Null)));
    let named: BTreeMap<_, _> = spec.guarded.iter().map(value).collect();
    if named.values().chain([&spec.name]).any(|text| text.contains('*')) {
        return None;
    }
    let given = named.iter().filter(|(name, _)| arguments.get(*name).is_some_and(|value| !value.is_null()));
    let what: Vec<_> = given.map(|(_, text)| text.as_str()).collect();
    let name = format!("{} {}", spec.name, what.join(" ")).trim_end().to_owned();
    Some(PermissionRule { name, tool: spec.name.clone(), arguments: named, verdict: Verdict::Allow })
}

/// Whether a tool is denied whatever its arguments, so that the model need not know of it.
pub fn never_allowed(rules: &[PermissionRule], tool: &str) -> bool {
    rules.iter().any(|rule| {
        rule.verdict == Verdict::Deny && rule.arguments.is_empty() && pattern_matches(&rule.tool, tool)
    })
}

fn labels(spec: &ToolSpec, arguments: &Value, owner: &[String], stranger: bool) -> BTreeMap<String, Label> {
    let worst = |name: &String| {
        let values = texts(arguments.get(name)?);
        let label = values.iter().map(|value| label_of(value, owner, stranger)).max()?;
        Some((name.clone(), label))
    };
    spec.guarded.iter().filter_map(worst).collect()
}

fn fits(rule: &PermissionRule, tool: &str, arguments: &Value) -> bool {
    pattern_matches(&rule.tool, tool)
        && rule.arguments.iter().all(|(name, pattern)| {
            let value = arguments.get(name).unwrap_or(&Value::Null);
            if is_name(pattern) && *pattern == whole(value) {
                return true;
            }
            let values = texts(value);
            let fit = |value: &String| value_fits(pattern, value, rule.verdict);
            match rule.verdict {
                // A list is allowed when all of it is, and denied when any of it is.
                Verdict::Allow => !values.is_empty() && values.iter().all(fit),
                Verdict::Ask | Verdict::Deny => values.iter().any(fit),
            }
        })
}

/// How much a rule counts beside others.
fn weight(rule: &PermissionRule) -> (bool, usize, Verdict) {
    let named = rule.arguments.values().filter(|pattern| is_name(pattern)).count();
    (rule.verdict == Verdict::Deny, named, rule.verdict)
}

/// A rule with a star never allows a value that climbs out of the folder the pattern seems to name.
fn value_fits(pattern: &str, value: &str, verdict: Verdict) -> bool {
    let climbs = || {
        let plain = value.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace('\\', "/");
        plain.split('/').any(|segment| segment == "..")
    };
    if verdict == Verdict::Allow && pattern.contains('*') && climbs() {
        return false;
    }
    glob(pattern, value)
}

fn names(rule: &PermissionRule, argument: &str) -> bool {
    rule.arguments.get(argument).is_some_and(|pattern| is_name(pattern))
}

/// Whether a pattern names one value in full.
fn is_name(pattern: &str) -> bool {
    !pattern.contains('*')
}

/// Case-sensitive, `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or("")) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// The values of an argument as texts: a list's items each.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null => Vec::new(),
        other => vec![canonical_json(other)],
    }
}

/// The value of an argument as the one text that names it: a list as JSON, so that its items stay apart; `null` when there is none.
fn whole(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => canonical_json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(name: &str, tool: &str, arguments: &[(&str, &str)], verdict: Verdict) -> PermissionRule {
        let arguments = arguments.iter().map(|(name, pattern)| ((*name).into(), (*pattern).into())).collect();
        PermissionRule { name: name.into(), tool: tool.into(), arguments, verdict }
    }

    fn mail() -> ToolSpec {
        let mut spec = ToolSpec::new("send_mail", "", json!({}));
        (spec.effect, spec.reach) = (EffectClass::Final, Reach::Outside);
        spec.guarded = vec!["to".into()];
        spec
    }

    fn write() -> ToolSpec {
        let mut spec = ToolSpec::new("write_file", "", json!({}));
        spec.effect = EffectClass::Reversible;
        spec.guarded = vec!["path".into()];
        spec
    }

    fn judge(
        rules: &[PermissionRule],
        spec: &ToolSpec,
        arguments: Value,
        stranger: bool,
    ) -> (Verdict, Ground) {
        let owner = ["write notes/a.md and mail kim@example.com".to_owned()];
        let decision = decide_permission(rules, spec, &arguments, &owner, stranger);
        (decision.verdict, decision.ground)
    }

    #[test]
    fn without_rules() {
        assert_eq!(
            judge(&[], &mail(), json!({"to": "kim@example.com"}), false),
            (Verdict::Ask, Ground::Grave)
        );
        assert_eq!(judge(&[], &write(), json!({"path": "x"}), false), (Verdict::Allow, Ground::Harmless));
        assert_eq!(
            judge(&[], &write(), json!({"path": "x"}), true),
            (Verdict::Ask, Ground::Stranger("path".into()))
        );
        assert_eq!(judge(&[], &write(), json!({"path": "notes/a.md"}), true).0, Verdict::Allow);
    }

    #[test]
    fn the_strictest_rule_decides() {
        let rules = [
            rule("mail inside", "send_mail", &[("to", "*@example.com")], Verdict::Allow),
            rule("not the boss", "send_*", &[("to", "boss@*")], Verdict::Deny),
        ];
        let to = |to: Value, stranger| judge(&rules, &mail(), json!({ "to": to }), stranger);
        assert_eq!(to(json!("a@example.com"), false), (Verdict::Allow, Ground::Rule("mail inside".into())));
        assert_eq!(to(json!("boss@example.com"), false).0, Verdict::Deny);
        assert_eq!(to(json!(["a@example.com", "b@other.org"]), false).0, Verdict::Ask);
        assert_eq!(to(json!(["a@example.com", "boss@x"]), false).0, Verdict::Deny);
        // A pattern is no name: what a stranger chose is asked about, what the owner wrote is not.
        assert_eq!(to(json!("eve@example.com"), true), (Verdict::Ask, Ground::Stranger("to".into())));
        assert_eq!(to(json!("kim@example.com"), true).0, Verdict::Allow);
    }

    #[test]
    fn a_grant_names_the_value() {
        let arguments = json!({"to": "eve@example.com", "body": "hi"});
        let grant = offer_grant(&mail(), &arguments).unwrap();
        assert_eq!(grant.arguments["to"], "eve@example.com");
        let granted = [grant];
        assert_eq!(judge(&granted, &mail(), arguments, true).0, Verdict::Allow);
        assert_eq!(judge(&granted, &mail(), json!({"to": "other@example.com"}), false).0, Verdict::Ask);
    }

    #[test]
    fn a_grant_is_no_wider_than_what_was_shown() {
        let mut run = ToolSpec::new("x__run", "", json!({}));
        (run.effect, run.reach) = (EffectClass::Final, Reach::Outside);
        run.guarded = vec!["command".into(), "sudo".into()];
        assert_eq!(offer_grant(&run, &json!({"command": "ls *.txt"})), None);
        assert_eq!(offer_grant(&run, &json!({"command": ["ls", "*"]})), None);
        let granted = [offer_grant(&run, &json!({"command": "ls"})).unwrap()];
        for (arguments, verdict) in [
            (json!({"command": "ls"}), Verdict::Allow),
            (json!({"command": "ls", "sudo": null}), Verdict::Allow),
            (json!({"command": "ls", "sudo": true}), Verdict::Ask),
            (json!({"command": "rm"}), Verdict::Ask),
            (json!({}), Verdict::Ask),
        ] {
            assert_eq!(judge(&granted, &run, arguments.clone(), false).0, verdict, "{arguments}");
        }
    }

    #[test]
    fn a_granted_list_is_that_list() {
        for (shown, others) in [
            (json!(["a@x.org", "b@x.org"]), vec![json!(["a@x.org"]), json!("a@x.org,b@x.org")]),
            (json!(["a,b"]), vec![json!(["a", "b"]), json!("a,b")]),
            (json!([]), vec![json!(["a"]), json!(""), json!([""]), json!(null)]),
        ] {
            let granted = [offer_grant(&mail(), &json!({ "to": shown })).unwrap()];
            let to = |to: &Value| judge(&granted, &mail(), json!({ "to": to }), true).0;
            assert_eq!(to(&shown), Verdict::Allow, "{shown}");
            for other in others {
                assert_eq!(to(&other), Verdict::Ask, "{other} for {shown}");
            }
        }
        // A rule that names one address allows a list of it, as ever.
        let one = [rule("kim", "send_mail", &[("to", "kim@example.com")], Verdict::Allow)];
        assert_eq!(judge(&one, &mail(), json!({"to": ["kim@example.com"]}), true).0, Verdict::Allow);
    }

    #[test]
    fn a_grant_is_not_asked_about_again() {
        let arguments = json!({"path": "notes/a.md"});
        let always = rule("ask", "write_file", &[], Verdict::Ask);
        let rules = [always.clone(), offer_grant(&write(), &arguments).unwrap()];
        assert_eq!(judge(&rules, &write(), arguments.clone(), false).0, Verdict::Allow);
        assert_eq!(judge(&rules, &write(), json!({"path": "notes/b.md"}), false).0, Verdict::Ask);
        // A pattern grants nothing against a rule that asks, and nothing holds against one that denies.
        let wide = rule("wide", "write_file", &[("path", "notes/*")], Verdict::Allow);
        assert_eq!(judge(&[always, wide], &write(), arguments.clone(), false).0, Verdict::Ask);
        let no = rule("no", "write_*", &[], Verdict::Deny);
        assert_eq!(
            judge(&[no, offer_grant(&write(), &arguments).unwrap()], &write(), arguments, false).0,
            Verdict::Deny
        );
    }

    #[test]
    fn a_star_does_not_climb() {
        let rules = [
            rule("no files", "write_file", &[("path", "/*")], Verdict::Ask),
            rule("notes", "write_file", &[("path", "notes/*")], Verdict::Allow),
            rule("no secrets", "*", &[("path", "*.key")], Verdict::Deny),
        ];
        for (path, verdict) in [
            ("notes/a.md", Ground::Rule("notes".into())),
            ("Notes/a.md", Ground::Harmless),
            ("notes/../etc/passwd", Ground::Harmless),
            ("notes/%2e%2E/x", Ground::Harmless),
            ("notes/..\\x", Ground::Harmless),
            ("notes/a..b", Ground::Rule("notes".into())),
            ("notes/../my.key", Ground::Rule("no secrets".into())),
            ("/etc/x", Ground::Rule("no files".into())),
        ] {
            assert_eq!(judge(&rules, &write(), json!({ "path": path }), false).1, verdict, "{path}");
        }
        assert!(never_allowed(&[rule("off", "delete_*", &[], Verdict::Deny)], "delete_file"));
        assert!(!never_allowed(&rules, "write_file"));
    }
}
