//! The configuration: every error at once with file and line, layers, where a value comes from.

use crate::support::Home;
use serde_json::Value;

/// Five mistakes of five kinds.
const FIVE: &str = r#"[server]
listen = "nowhere"
body_limit_mb = "many"

[cache]
tll = "24h"
scope = "galaxy"

[[providers]]
name = "mine"
dialect = "klingon"
base_url = "https://example.com/v1"
"#;

#[test]
fn five_errors_at_once() {
    let home = Home::with_config(FIVE);
    for words in [["config", "check"], ["keys", "list"], ["stats", "--json"]] {
        let ran = home.run(words);
        assert_eq!(ran.code, 1, "{words:?} {}", ran.out);
        let told = format!("{}{}", ran.out, ran.err);
        for (line, setting) in [
            (2, "server.listen"),
            (3, "server.body_limit_mb"),
            (6, "cache.tll"),
            (7, "cache.scope"),
            (9, "providers.dialect"),
        ] {
            let near = [line, line + 1].map(|line| format!("nunchi.toml:{line}"));
            let found = told.split("\\n").flat_map(str::lines).find(|text| text.contains(setting));
            let found = found.unwrap_or_else(|| panic!("{setting} is not told: {told}"));
            assert!(near.iter().any(|place| found.contains(place)), "{setting}: {found}");
        }
        assert!(told.contains("ttl"), "did you mean: {told}");
    }
}

#[test]
fn errors_are_told_in_korean() {
    let ran = Home::with_config(FIVE).run(["config", "check", "--lang", "ko"]);
    assert!(format!("{}{}", ran.out, ran.err).contains("그런 설정은 없습니다"), "{} {}", ran.out, ran.err);
}

#[test]
fn broken_syntax_names_the_line() {
    let ran = Home::with_config("[server]\n\nlisten = \n").run(["config", "check"]);
    assert_eq!(ran.code, 1);
    assert!(format!("{}{}", ran.out, ran.err).contains("nunchi.toml:3"), "{} {}", ran.out, ran.err);
}

#[test]
fn a_key_in_a_file_is_an_error_that_does_not_repeat_it() {
    for line in ["api_key = \"sk-very-secret\"", "api_key_env = \"sk-very-secret\""] {
        let home = Home::with_config(&format!(
            "[[providers]]\nname = \"mine\"\ndialect = \"compatible\"\nbase_url = \"https://example.com/v1\"\n{line}\n"
        ));
        let ran = home.run(["config", "check"]);
        let told = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, 1, "{told}");
        assert!(told.contains("nunchi.toml:5") && told.contains("api_key_env"), "{told}");
        assert!(!told.contains("very-secret"), "{told}");
    }
}

#[test]
fn only_a_dialect_with_a_batch_api_takes_batches() {
    for (dialect, code) in
        [("compatible", 0), ("anthropic", 0), ("openai_responses", 0), ("ollama", 1), ("gemini", 1)]
    {
        let home = Home::with_config(&format!(
            "[[providers]]\nname = \"mine\"\ndialect = \"{dialect}\"\nbase_url = \"https://example.com/v1\"\nbatch = true\n"
        ));
        let ran = home.run(["config", "check"]);
        assert_eq!(ran.code, code, "{dialect}: {}{}", ran.out, ran.err);
        let told = format!("{}{}", ran.out, ran.err);
        assert_eq!(told.contains("providers.batch"), code == 1, "{dialect}: {told}");
    }
}

#[test]
fn the_last_layer_wins_and_says_where_it_is() {
    let home = Home::with_config("[cache]\nttl = \"1h\"\nmax_mb = 7\n\n[retry]\nattempts = 4\n")
        .variable("NUNCHI_ENV", "night")
        .variable("NUNCHI_RETRY__ATTEMPTS", "9");
    home.write("nunchi.night.toml", "# at night\n[cache]\nttl = \"2h\"\n");
    let shown = home.json(&["config", "show"]);
    for (setting, value, place) in [
        ("cache.ttl", "2h", "nunchi.night.toml:3"),
        ("cache.max_mb", "7", "nunchi.toml:3"),
        ("retry.attempts", "9", "NUNCHI_RETRY__ATTEMPTS"),
        ("log.level", "info", "default"),
    ] {
        let line = setting_of(&shown, setting);
        assert!(line.contains(value) && line.contains(place), "{setting}: {line}");
    }
}

/// The part of the answer that is about one setting, as text.
fn setting_of(shown: &Value, setting: &str) -> String {
    let settings = shown.as_array().or_else(|| shown["settings"].as_array()).expect("a list of settings");
    let found =
        settings.iter().find(|one| one["setting"] == setting).unwrap_or_else(|| panic!("{setting}: {shown}"));
    found.to_string()
}

#[test]
fn secrets_are_not_shown() {
    let home = Home::new().variable("OPENAI_API_KEY", "sk-very-secret");
    for words in [vec!["config", "show"], vec!["config", "show", "--json"], vec!["config", "check"]] {
        let ran = home.run(&words);
        assert_eq!(ran.code, 0, "{words:?} {}", ran.err);
        assert!(!ran.out.contains("very-secret") && !ran.err.contains("very-secret"), "{}", ran.out);
    }
}

#[test]
fn a_check_without_files_is_fine() {
    let home = Home::new();
    assert_eq!(home.run(["config", "check"]).code, 0);
    let path = home.run(["config", "path"]);
    assert!(path.out.contains(home.path("").to_str().unwrap().trim_end_matches('/')), "{}", path.out);
}
