//! Feedback: it teaches the router, takes back stored answers, and is nobody's but the one's who asked.

use crate::saving::warm;
use crate::support::{Got, Home, Server, one_provider};
use nunchi_testkit::{Dialect, Turn, Upstream};
use serde_json::{Value, json};

/// A server whose tiers are all one model, with its encoder loaded.
fn routing(upstream: &Upstream) -> (Home, Server, String) {
    let tiers = ["trivial", "standard", "complex"].map(|tier| format!("{tier} = [\"up/gpt-5-mini\"]\n"));
    let config = format!("{}\n[tiers]\n{}", one_provider(&upstream.base_url()), tiers.concat());
    let home = Home::with_config(&config).with_encoder();
    let server = home.up();
    let key = server.first_key();
    warm(&server, &key);
    (home, server, key)
}

fn request_of(got: &Got) -> String {
    assert_eq!(got.status, 200, "{}", got.body);
    got.header("x-nunchi-request-id").expect("an id").to_owned()
}

const PLACES: [&str; 15] = [
    "Busan", "Seoul", "Daegu", "Jeju", "Incheon", "Ulsan", "Suwon", "Sokcho", "Mokpo", "Jeonju", "Gunsan",
    "Andong", "Yeosu", "Pohang", "Gwangju",
];
const THINGS: [&str; 4] = ["ferry", "warehouse", "bakery", "library"];

/// Texts of a house with words of its own: a `slip` is quickly done, a `dossier` never is, whatever it is about.
fn house_texts() -> Vec<(String, &'static str)> {
    let each = PLACES.iter().flat_map(|place| THINGS.map(|thing| (*place, thing)));
    each.enumerate()
        .map(|(number, (place, thing))| {
            if number % 2 == 0 {
                (format!("slip for the {thing} in {place}"), "trivial")
            } else {
                (format!("dossier for the {thing} in {place}"), "complex")
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_learns_what_a_house_means_by_its_words() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("done"));
    let (home, server, key) = routing(&upstream);
    let refused = home.run(["route", "train", "--json"]);
    assert_eq!(refused.error()["code"], "route.train.too_few", "{}", refused.err);
    for (text, tier) in house_texts() {
        let request = request_of(&server.chat(&key, "auto", &text));
        let said = json!({ "request": request, "rating": "good", "tier": tier });
        let taken = server.post("/api/feedback", &key, &said);
        assert_eq!(taken.json()["effect"], json!({ "teaches_tier": tier }), "{}", taken.body);
    }
    let agreement = |found: &Value, router: &str| {
        let row = found.as_array().unwrap().iter().find(|row| row["router"] == router).unwrap();
        row["agreement"]["value"].as_f64().unwrap()
    };
    let before = agreement(&home.json(&["route", "eval"]), "shipped");
    assert!(before < 0.7, "the house's words say nothing to the shipped model: {before}");
    let trained = home.json(&["route", "train"]);
    assert!(trained["tiers"]["difference"]["value"].as_f64().unwrap() > 0.0, "{trained}");
    let found = home.json(&["route", "eval"]);
    assert!(agreement(&found, "in force") > 0.9, "{found}");
    assert!(agreement(&found, "always complex") < 0.6, "{found}");
    let unseen = "dossier for the theatre in Gangneung";
    let got = server.chat(&key, "auto", unseen);
    assert_eq!(got.header("x-nunchi-tier"), Some("complex"), "{:?}", got.header("x-nunchi-reason"));
    server.stop();
    // A restart keeps what was learned; a command can take it back.
    let explained = home.json(&["route", "explain", unseen]);
    assert!(explained["trained"].is_string() && explained["tier"] == "complex", "{explained}");
    assert_eq!(home.json(&["route", "train", "--revert"])["was_trained"], true);
    assert!(home.json(&["route", "explain", unseen])["trained"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_word_takes_a_stored_answer_back() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("done"));
    let (home, server, key) = routing(&upstream);
    let ask = |text: &str| server.chat(&key, "auto", text);
    ask("What is the capital of France?");
    let hit = ask("What is the capital of France?");
    assert_eq!(hit.header("x-nunchi-cache"), Some("exact"));
    let rated = home.json(&["route", "rate", &request_of(&hit), "bad"]);
    assert_eq!(rated["effect"], "forgotten", "{rated}");
    assert_eq!(ask("What is the capital of France?").header("x-nunchi-cache"), Some("miss"));
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_is_for_one_s_own_requests() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("done"));
    let (home, server, key) = routing(&upstream);
    let other = home.json(&["keys", "create", "other"])["key"].as_str().unwrap().to_owned();
    let request = request_of(&server.chat(&key, "auto", "thanks!"));
    let say = |key: &str, body: Value| server.post("/api/feedback", key, &body);
    let good = json!({ "request": request, "rating": "good" });
    let refused = say(&other, good.clone());
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (404, &json!("feedback.unknown_request")));
    assert_eq!(say("nk-nobody", good.clone()).status, 401);
    assert_eq!(say(&key, good).status, 200);
    let named = request_of(&server.chat(&key, "up/gpt-5-mini", "What is a monad, in one line?"));
    assert_eq!(say(&key, json!({ "request": named, "rating": "bad" })).status, 404, "its model was named");
    assert_eq!(say(&key, json!({ "request": request, "rating": "great" })).status, 400);
    let korean = home.run(["route", "rate", &named, "bad", "--lang", "ko"]);
    assert!(korean.err.contains("최근 요청"), "{}", korean.err);
}
