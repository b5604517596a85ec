//! The data commands without a server: the same surface, built for the occasion, over the same files.

use crate::support::Home;
use serde_json::json;

#[test]
fn keys_live_from_creation_to_revocation() {
    let home = Home::new();
    let made = home.json(&[
        "keys",
        "create",
        "phone",
        "--models",
        "openai/*,auto",
        "--rpm",
        "30",
        "--expires",
        "30d",
    ]);
    let secret = made["key"].as_str().unwrap();
    assert!(secret.starts_with("nk-") && secret.len() > 40, "{secret}");
    let listed = home.json(&["keys", "list"]);
    let phone = listed.as_array().unwrap().iter().find(|key| key["name"] == "phone").unwrap().clone();
    assert_eq!(phone["allowed_models"], json!(["openai/*", "auto"]));
    assert_eq!(phone["limits"]["requests_per_minute"], 30);
    assert_eq!(phone["role"], "caller");
    assert!(phone["expires"].is_string());
    assert!(!listed.to_string().contains(secret), "a secret is shown once");

    let rotated = home.json(&["keys", "rotate", "phone"]);
    assert_ne!(rotated["key"], made["key"]);
    home.json(&["keys", "revoke", "phone"]);
    let again = home.run(["keys", "rotate", "phone", "--json"]);
    assert_eq!((again.code, again.error()["code"].as_str()), (1, Some("key.revoked")));
}

#[test]
fn a_daily_cap_exists_from_the_first_start() {
    let home = Home::new();
    let budgets = home.json(&["budget", "list"]);
    let cap = &budgets.as_array().unwrap()[0];
    assert_eq!(cap["budget"]["limit"], json!({ "money": 5_000_000_000_i64 }), "{budgets}");
    assert_eq!(
        (&cap["budget"]["window"], &cap["budget"]["scope"]["scope"]),
        (&json!("day"), &json!("everything"))
    );
}

#[test]
fn a_removed_cap_stays_removed() {
    let home = Home::new();
    let name = home.json(&["budget", "list"])[0]["budget"]["name"].as_str().unwrap().to_owned();
    home.json(&["budget", "remove", &name]);
    assert_eq!(home.json(&["budget", "list"]), json!([]));
    assert_eq!(home.json(&["stats"])["total"]["calls"], 0);
    assert_eq!(home.json(&["budget", "list"]), json!([]), "it does not come back");
}

#[test]
fn budgets_are_set_by_name() {
    let home = Home::new();
    let words = [
        "budget",
        "set",
        "mine",
        "--limit",
        "2usd",
        "--window",
        "month",
        "--at",
        "90=downgrade",
        "--at",
        "50=notify",
    ];
    home.json(&words);
    home.json(&[
        "budget",
        "set",
        "mine",
        "--limit",
        "300000tokens",
        "--window",
        "week",
        "--scope",
        "session:*",
    ]);
    let all = home.json(&["budget", "list"]);
    let mine: Vec<_> = all.as_array().unwrap().iter().filter(|one| one["budget"]["name"] == "mine").collect();
    assert_eq!(mine.len(), 1, "the second one replaced the first: {all}");
    assert_eq!(mine[0]["budget"]["limit"], json!({ "tokens": 300_000 }));
    assert_eq!(mine[0]["budget"]["scope"], json!({ "scope": "session", "of": "*" }));
    for (flag, value) in [
        ("--limit", "-5usd"),
        ("--limit", "99999999999999999999usd"),
        ("--limit", "lots"),
        ("--window", "fortnight"),
        ("--scope", "planet:earth"),
        ("--at", "101=stop"),
        ("--at", "50=explode"),
    ] {
        let given = format!("{flag}={value}");
        let mut words = vec!["budget", "set", "bad", given.as_str(), "--json"];
        if flag != "--limit" {
            words.push("--limit=1usd");
        }
        let ran = home.run(&words);
        assert_eq!(ran.code, 1, "{given} {}", ran.out);
        assert!(ran.error()["hint"].is_string() || ran.error()["message"].is_string(), "{given}");
    }
}

#[test]
fn empty_pages_say_so() {
    let home = Home::new();
    for (words, en, ko) in [
        (["stats", "--period"], "No calls", "호출이 없습니다"),
        (["cache", "list"], "Nothing is stored", "저장된 답이 없습니다"),
        (["budget", "notices"], "No threshold", "도달한 단계가 없습니다"),
    ] {
        let words: Vec<&str> =
            if words[1] == "--period" { vec!["stats", "--period", "all"] } else { words.to_vec() };
        for (lang, text) in [("en", en), ("ko", ko)] {
            let ran = home.run(words.iter().chain(&["--lang", lang]));
            assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
            assert!(ran.out.contains(text), "{words:?} {lang}: {}", ran.out);
        }
    }
}

#[test]
fn models_can_be_listed_without_weights_or_providers() {
    let home = Home::new();
    let models = home.json(&["models", "list"]);
    let weights = models["weights"].as_array().unwrap();
    assert!(weights.iter().any(|one| one["purpose"] == "chat" && one["present"] == false), "{models}");
    let doctor = home.run(["doctor", "--json"]);
    assert_eq!(doctor.code, 0, "{} {}", doctor.out, doctor.err);
    assert!(doctor.out.contains("hint"), "what is missing is said with what helps: {}", doctor.out);
}

#[test]
fn a_damaged_ledger_is_not_guessed_about() {
    let home = Home::new();
    home.json(&["keys", "create", "phone"]);
    let ledger = home.path("nunchi.db");
    let mut bytes = std::fs::read(&ledger).unwrap();
    let end = bytes.len().min(64 << 10);
    bytes[100..end].fill(0x5a);
    std::fs::write(&ledger, &bytes).unwrap();
    let ran = home.run(["keys", "list", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert_eq!(ran.error()["code"], "storage.damaged", "{}", ran.err);
    assert!(ran.error()["hint"].as_str().unwrap().contains("backup"), "{}", ran.err);
    assert_eq!(std::fs::read(&ledger).unwrap(), bytes, "nothing was changed");
}

#[test]
fn a_backup_brings_everything_back() {
    let home = Home::new();
    home.json(&["keys", "create", "phone"]);
    let copy = home.path("copy.db");
    let copy = copy.to_str().unwrap();
    assert_eq!(home.run(["backup", copy]).code, 0);
    home.json(&["keys", "revoke", "phone"]);
    let restored = home.run(["restore", copy]);
    assert_eq!(restored.code, 0, "{}", restored.err);
    let keys = home.json(&["keys", "list"]);
    let phone = keys.as_array().unwrap().iter().find(|key| key["name"] == "phone").unwrap();
    assert!(phone["revoked"].is_null(), "{phone}");
}

#[test]
fn the_doctor_checks_the_hashes_of_weights() {
    let home = Home::new();
    let weights = home.path("weights");
    let home = home.variable("NUNCHI_LOCAL__WEIGHTS", weights.to_str().unwrap());
    let listed = home.json(&["models", "list"]);
    let encoder =
        listed["weights"].as_array().unwrap().iter().find(|one| one["purpose"] == "encoder").unwrap();
    let folder = weights.join(encoder["id"].as_str().unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    // Right names and lengths, wrong content.
    for (name, length) in [("weights.npz", 30_377_056), ("sp.model", 2_527_207)] {
        std::fs::File::create(folder.join(name)).unwrap().set_len(length).unwrap();
    }
    let ran = home.run(["doctor", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    let failed: Vec<_> =
        ran.json().as_array().unwrap().iter().filter(|check| check["verdict"] == "fail").cloned().collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0]["what"].as_str().unwrap().contains("weights") && failed[0]["hint"].is_string(),
        "{failed:?}"
    );
}
