//! The reference pages name everything there is.

use crate::support::Home;

#[test]
fn pages() {
    let home = Home::new();
    for (page, words) in [
        (
            "cli",
            &["nunchi up", "nunchi budget set", "nunchi keys rotate", "--json", "--home", "nunchi restore"][..],
        ),
        ("config", &["## [server]", "`listen`", "[[providers]]", "`api_key_env`", "NUNCHI_SECTION__KEY"]),
        ("openapi", &["\"openapi\"", "/v1/chat/completions", "/v1/messages"]),
    ] {
        let ran = home.run(["reference", page]);
        assert_eq!(ran.code, 0, "{page}: {}", ran.err);
        for word in words {
            assert!(ran.out.contains(word), "{page} lacks {word}");
        }
        assert_eq!(ran.out, home.run(["reference", page]).out, "{page} is the same every time");
    }
    assert_ne!(home.run(["reference", "nothing"]).code, 0);
}
