//! The form of one budget: how it is shown, and how it is read.

use super::layout::token;
use super::session::{Fields, Session};
use super::words::{self, words};
use maud::{Markup, html};
use nunchi_core::{
    Amount, Budget, BudgetAction, BudgetId, BudgetScope, BudgetWindow, Lang, ModelCard, NanoUsd, Threshold,
    VirtualKey,
};

/// Threshold rows shown at least.
const ROWS: usize = 4;
/// Longest name, in characters.
const MAX_NAME: usize = 100;

const SCOPES: [&str; 9] = ["everything", "key", "model", "provider", "task", "tag", "session", "user", "run"];
const WINDOWS: [(&str, BudgetWindow); 4] = [
    ("day", BudgetWindow::Day),
    ("week", BudgetWindow::Week),
    ("month", BudgetWindow::Month),
    ("total", BudgetWindow::Total),
];
const ACTIONS: [(&str, BudgetAction); 6] = [
    ("notify", BudgetAction::Notify),
    ("tell_model", BudgetAction::TellModel),
    ("downgrade", BudgetAction::Downgrade),
    ("local_only", BudgetAction::LocalOnly),
    ("pause", BudgetAction::Pause),
    ("stop", BudgetAction::Stop),
];

/// A scope's name.
pub(super) fn scope_name(lang: Lang, scope: &str) -> &'static str {
    match scope {
        "user" => lang.pick("One user", "사용자"),
        "key" => lang.pick("One key", "키"),
        "session" => lang.pick("One conversation", "대화"),
        "run" => lang.pick("One run", "실행"),
        "task" => lang.pick("One task", "작업"),
        "tag" => lang.pick("One tag", "태그"),
        "provider" => lang.pick("One provider", "제공자"),
        "model" => lang.pick("One model", "모델"),
        _ => words(lang).budget_everything,
    }
}

/// A scope as the form writes it: its kind, and of which one.
pub(super) fn limit_text(scope: &BudgetScope) -> (&'static str, String) {
    match scope {
        BudgetScope::Everything => ("everything", String::new()),
        BudgetScope::User(id) => ("user", id.to_string()),
        BudgetScope::Key(id) => ("key", id.to_string()),
        BudgetScope::Session(of) => ("session", of.clone()),
        BudgetScope::Run(id) => ("run", id.to_string()),
        BudgetScope::Task(of) => ("task", of.clone()),
        BudgetScope::Tag(of) => ("tag", of.clone()),
        BudgetScope::Provider(of) => ("provider", of.clone()),
        BudgetScope::Model(of) => ("model", of.clone()),
    }
}

/// The fields of a budget that is there.
pub(super) fn shown(budget: &Budget) -> Vec<(&'static str, String)> {
    let (scope, of) = limit_text(&budget.scope);
    let window = WINDOWS.iter().find(|(_, window)| *window == budget.window).map_or("day", |(name, _)| name);
    let (limit, unit) = match budget.limit {
        Amount::Money(money) => (money.to_string(), "usd"),
        Amount::Tokens(tokens) => (tokens.to_string(), "tokens"),
    };
    let mut fields = vec![
        ("name", budget.name.clone()),
        ("scope", scope.to_owned()),
        ("of", of),
        ("window", window.to_owned()),
        ("limit", limit),
        ("unit", unit.to_owned()),
    ];
    fields.extend(threshold_fields(&budget.thresholds));
    fields
}

/// The fields of a budget to be made.
pub(super) fn usual() -> Fields {
    let thresholds = [
        (50, BudgetAction::Notify),
        (75, BudgetAction::Notify),
        (90, BudgetAction::Downgrade),
        (100, BudgetAction::Stop),
    ]
    .map(|(percent, action)| Threshold { percent, action });
    Fields::shown(threshold_fields(&thresholds))
}

fn threshold_fields(thresholds: &[Threshold]) -> Vec<(&'static str, String)> {
    let name = |action| ACTIONS.iter().find(|(_, known)| *known == action).map_or("notify", |(name, _)| name);
    thresholds
        .iter()
        .flat_map(|threshold| {
            [("percent", threshold.percent.to_string()), ("action", name(threshold.action).to_owned())]
        })
        .collect()
}

/// The form; `id` is empty for a budget to be made.
pub(super) fn form(session: &Session, fields: &Fields, id: &str) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let choice = |value: &str, name: &str, chosen: &str| {
        html! { option value=(value) selected[value == chosen] { (name) } }
    };
    html! {
        form.grid method="post" action="/console/budgets" {
            (token(session))
            input type="hidden" name="id" value=(id);
            label.span-2 { span { (words.name) } input name="name" required maxlength=(MAX_NAME) value=(fields.text("name")) autocomplete="off"; }
            label { span { (words.limit) }
                input name="limit" required inputmode="decimal" placeholder="5.00" value=(fields.text("limit")) autocomplete="off"; }
            label { span { (words.unit) }
                select name="unit" {
                    (choice("usd", words.unit_money, fields.text("unit")))
                    (choice("tokens", words.tokens, fields.text("unit")))
                } }
            label { span { (words.window) }
                select name="window" {
                    @for (name, window) in WINDOWS { (choice(name, words::window(lang, window), fields.text("window"))) }
                } }
            label { span { (words.budget_scope) }
                select name="scope" data-scope {
                    @for scope in SCOPES { (choice(scope, scope_name(lang, scope), fields.text("scope"))) }
                } }
            label.span-2 data-scope-of { span { (words.budget_scope_of) }
                input name="of" list="scopes" maxlength="256" value=(fields.text("of")) autocomplete="off";
                small { (words.budget_scope_note) } }
            fieldset.span-2 {
                legend { (words.thresholds) }
                (threshold_rows(session, fields))
            }
            div.row.span-2 { button.primary type="submit" { (words.save) } }
        }
    }
}

fn threshold_rows(session: &Session, fields: &Fields) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let mut rows: Vec<(&str, &str)> = fields.all("percent").zip(fields.all("action")).collect();
    rows.resize(rows.len().max(ROWS), ("", ""));
    html! {
        @for (percent, chosen) in rows {
            div.threshold {
                input type="number" name="percent" min="1" max="100" step="1" value=(percent) aria-label=(words.at_percent);
                span aria-hidden="true" { "%" }
                select name="action" aria-label=(words.then) {
                    option value="" { (words.none) }
                    @for (name, action) in ACTIONS {
                        option value=(name) selected[name == chosen] { (words::action(lang, action)) }
                    }
                }
            }
        }
    }
}

/// Names that a scope is likely to be about.
pub(super) fn known_scopes(keys: &[VirtualKey], cards: &[ModelCard]) -> Markup {
    let mut names: Vec<&str> =
        keys.iter().filter(|key| key.revoked.is_none()).map(|key| key.name.as_str()).collect();
    names.extend(cards.iter().flat_map(|card| [card.provider.as_str(), card.model.as_str()]));
    names.sort_unstable();
    names.dedup();
    html! { datalist #scopes { @for name in names { option value=(name) {} } } }
}

/// Reads the form: a budget, or everything that is wrong with it.
pub(super) fn read(
    fields: &Fields,
    present: &[Budget],
    keys: &[VirtualKey],
    new_id: BudgetId,
    lang: Lang,
) -> Result<Budget, Vec<String>> {
    let words = words(lang);
    let known = present.iter().find(|budget| budget.id.to_string() == fields.text("id"));
    let id = known.map_or(new_id, |budget| budget.id);
    let name = fields.text("name");
    let taken = present.iter().any(|budget| budget.name == name && budget.id != id);
    let (scope, limit, thresholds) = (scope(fields, keys), limit(fields), thresholds(fields));
    let window = WINDOWS.iter().find(|(name, _)| *name == fields.text("window")).map(|(_, window)| *window);
    let sound_name = !name.is_empty() && name.chars().count() <= MAX_NAME;
    match (scope, limit, thresholds, window) {
        (Some(scope), Some(limit), Some(thresholds), Some(window)) if sound_name && !taken => Ok(Budget {
            id,
            name: name.to_owned(),
            scope,
            window,
            limit,
            thresholds,
            enabled: known.is_none_or(|budget| budget.enabled),
        }),
        (scope, limit, thresholds, window) => Err([
            (!sound_name, words.invalid_name),
            (taken, words.name_taken),
            (limit.is_none(), words.invalid_limit),
            (scope.is_none(), words.invalid_scope),
            (thresholds.is_none(), words.invalid_threshold),
            (window.is_none(), words.form_stale),
        ]
        .into_iter()
        .filter(|(wrong, _)| *wrong)
        .map(|(_, text)| text.to_owned())
        .collect()),
    }
}

fn scope(fields: &Fields, keys: &[VirtualKey]) -> Option<BudgetScope> {
    let of = fields.text("of");
    let named = || (!of.is_empty() && of.len() <= 256).then(|| of.to_owned());
    match fields.text("scope") {
        "everything" => Some(BudgetScope::Everything),
        "key" => {
            let mut fits = keys.iter().filter(|key| key.name == of && key.revoked.is_none());
            let by_name = fits.next().filter(|_| fits.next().is_none()).map(|key| key.id);
            by_name.or_else(|| of.parse().ok()).map(BudgetScope::Key)
        }
        "user" => of.parse().ok().map(BudgetScope::User),
        "run" => of.parse().ok().map(BudgetScope::Run),
        "session" => named().map(BudgetScope::Session),
        "task" => named().map(BudgetScope::Task),
        "tag" => named().map(BudgetScope::Tag),
        "provider" => named().map(BudgetScope::Provider),
        "model" => named().map(BudgetScope::Model),
        _ => None,
    }
}

fn limit(fields: &Fields) -> Option<Amount> {
    let text = fields.text("limit").replace([',', '_'], "");
    match fields.text("unit") {
        "usd" => {
            let money = text.parse::<NanoUsd>().ok()?;
            (money >= NanoUsd::ZERO && money < NanoUsd::MAX).then_some(Amount::Money(money))
        }
        "tokens" => {
            let tokens = text.parse::<u64>().ok()?;
            i64::try_from(tokens).ok().map(|_| Amount::Tokens(tokens))
        }
        _ => None,
    }
}

/// Rows without an action or without a number are left out; any other number must make sense.
fn thresholds(fields: &Fields) -> Option<Vec<Threshold>> {
    let mut thresholds = Vec::new();
    for (percent, action) in fields.all("percent").zip(fields.all("action")) {
        if percent.is_empty() || action.is_empty() {
            continue;
        }
        let percent = percent.parse::<u8>().ok().filter(|percent| (1..=100).contains(percent))?;
        let action = ACTIONS.iter().find(|(name, _)| *name == action).map(|(_, action)| *action)?;
        thresholds.push(Threshold { percent, action });
    }
    thresholds.sort_by_key(|threshold| threshold.percent);
    Some(thresholds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const BASE: [(&str, &str); 7] = [
        ("name", "daily"),
        ("scope", "everything"),
        ("of", ""),
        ("window", "day"),
        ("limit", "5"),
        ("unit", "usd"),
        ("id", ""),
    ];

    fn with(changes: &[(&'static str, &str)]) -> Fields {
        let kept = BASE.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        Fields::shown(kept.chain(changes).map(|(name, value)| (*name, (*value).to_owned())))
    }

    fn read_it(changes: &[(&'static str, &str)], present: &[Budget]) -> Result<Budget, Vec<String>> {
        read(&with(changes), present, &[], BudgetId(Uuid::from_u128(7)), Lang::En)
    }

    #[test]
    fn what_is_read() {
        let budget = read_it(
            &[
                ("limit", "1,250.5"),
                ("percent", "90"),
                ("action", "stop"),
                ("percent", "50"),
                ("action", "notify"),
                ("percent", ""),
                ("action", ""),
            ],
            &[],
        )
        .unwrap();
        assert_eq!(budget.limit, Amount::Money(NanoUsd(1_250_500_000_000)));
        assert_eq!(
            budget.thresholds,
            [
                Threshold { percent: 50, action: BudgetAction::Notify },
                Threshold { percent: 90, action: BudgetAction::Stop }
            ]
        );
        assert!(budget.enabled);
        let tokens =
            read_it(&[("unit", "tokens"), ("limit", "2_000"), ("scope", "tag"), ("of", "야간")], &[])
                .unwrap();
        assert_eq!((tokens.limit, tokens.scope), (Amount::Tokens(2_000), BudgetScope::Tag("야간".into())));
    }

    #[test]
    fn what_is_refused() {
        let words = words(Lang::En);
        let present = [read_it(&[], &[]).unwrap()];
        let long = "x".repeat(101);
        for (changes, problems) in [
            (&[("name", "")][..], vec![words.invalid_name]),
            (&[("name", long.as_str())], vec![words.invalid_name]),
            (&[("limit", "-1"), ("name", " ")], vec![words.invalid_name, words.invalid_limit]),
            (&[("limit", "99999999999")], vec![words.invalid_limit]),
            (&[("limit", "1.5"), ("unit", "tokens")], vec![words.invalid_limit]),
            (&[("scope", "key"), ("of", "nobody")], vec![words.invalid_scope]),
            (&[("scope", "model")], vec![words.invalid_scope]),
            (&[("percent", "101"), ("action", "stop")], vec![words.invalid_threshold]),
            (&[("window", "eternity")], vec![words.form_stale]),
        ] {
            assert_eq!(read_it(changes, &[]).unwrap_err(), problems, "{changes:?}");
        }
        let other = read(&with(&[]), &present, &[], BudgetId(Uuid::from_u128(8)), Lang::En);
        assert_eq!(other.unwrap_err(), [words.name_taken]);
        let id = present[0].id.to_string();
        assert_eq!(read_it(&[("id", &id), ("limit", "6")], &present).unwrap().id, present[0].id);
    }

    #[test]
    fn what_is_shown_is_what_was_read() {
        let budget = read_it(
            &[
                ("scope", "session"),
                ("of", "*"),
                ("window", "total"),
                ("percent", "75"),
                ("action", "local_only"),
            ],
            &[],
        )
        .unwrap();
        let again = read(&Fields::shown(shown(&budget)), &[], &[], budget.id, Lang::Ko).unwrap();
        assert_eq!(again, budget);
    }
}
