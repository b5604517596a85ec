//! How the command line answers what it cannot understand.

use crate::support::Home;

#[test]
fn exit_codes() {
    let home = Home::new();
    for (words, code) in [
        (vec!["--version"], 0),
        (vec!["--help"], 0),
        (vec!["up", "--help"], 0),
        (vec![], 2),
        (vec!["fly"], 2),
        (vec!["up", "--listen", "somewhere"], 2),
        (vec!["stats", "--by", "colour"], 2),
        (vec!["stats", "--period", "someday"], 1),
        (vec!["keys", "revoke", "nobody"], 1),
    ] {
        assert_eq!(home.run(&words).code, code, "{words:?}");
    }
}

#[test]
fn errors_have_code_message_and_hint_in_both_languages() {
    let home = Home::new();
    for (lang, message, hint) in
        [("en", "there is no key `nobody`", "keys list"), ("ko", "키 `nobody`", "keys list")]
    {
        let words = ["keys", "revoke", "nobody", "--lang", lang];
        let text = home.run(words);
        assert!(text.err.contains(message) && text.err.contains("key.unknown"), "{}", text.err);
        let error = home.run(words.iter().chain(&["--json"])).error();
        assert_eq!(error["code"], "key.unknown");
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
    }
}

#[test]
fn the_system_language_counts() {
    let home = Home::new().variable("LC_ALL", "ko_KR.UTF-8");
    assert!(home.run(["stats"]).out.contains("호출"), "Korean by the locale");
    assert!(home.run(["stats", "--lang", "en"]).out.contains("No calls"), "the flag wins");
}

#[test]
fn help_speaks_the_language_too() {
    let home = Home::new().variable("LC_ALL", "ko_KR.UTF-8");
    let help = home.run(["budget", "set", "--help"]);
    assert!(help.code == 0 && help.out.contains("사용법: nunchi budget set"), "{}", help.out);
    assert!(home.run(["budget", "--help", "--lang", "en"]).out.contains("Usage: nunchi budget"));
    let refused = home.run(["stats", "--by", "colour"]);
    assert!(refused.code == 2 && refused.err.starts_with("오류: `colour`"), "{}", refused.err);
    let nothing = home.run::<&str>([]);
    assert!(nothing.code == 2 && nothing.err.contains("사용법: nunchi"), "{}", nothing.err);
    let home = Home::with_config("[server]\nlang = \"ko\"\n");
    assert!(home.run(["--help"]).out.contains("사용법: nunchi"), "by the setting");
    assert!(home.run(["keys", "revoke", "nobody"]).err.starts_with("오류: "), "failures as well");
}

#[test]
fn an_empty_question_is_refused() {
    let ran = Home::new().run(["ask", "-", "--offline", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.error()["code"], "ask.empty");
}
