//! Databases: looked at before they are changed, changed once, taken back row by row.

use super::stage::{Scenario, Talk, call, says};
use crate::support::Home;
use rusqlite::Connection;
use serde_json::{Value, json};

const SHOP: &str = "[[databases]]\nname = \"shop\"\npath = \"shop.db\"\nwrite = [\"products\"]";

fn shop(home: &Home) {
    let database = Connection::open(home.path("shop.db")).expect("a database");
    let made = database.execute_batch(
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL);
         INSERT INTO products VALUES (7, '사과', 1000), (8, '배', 3000);
         CREATE TABLE customers (name TEXT); INSERT INTO customers VALUES ('secret');",
    );
    made.expect("tables");
}

fn price(home: &Home, id: i64) -> i64 {
    let database = Connection::open(home.path("shop.db")).expect("a database");
    database.query_row("SELECT price FROM products WHERE id = ?", [id], |row| row.get(0)).expect("a row")
}

fn set_price(id: i64) -> Value {
    json!({"sql": "UPDATE products SET price = ? WHERE id = ?", "parameters": [1200, id]})
}

fn says_yes(question: &Value) -> Option<Value> {
    assert!(
        question["subject"]["calls"][0]["diff"].as_str().is_some_and(|diff| diff.contains("1200")),
        "{question:#}"
    );
    Some(json!({ "answer": "approve" }))
}

#[test]
fn a_wrong_product_id_is_caught_before_the_write() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("sql_modify", set_price(70)),
        1 => call(
            "sql_query",
            json!({"sql": "SELECT id, price FROM products WHERE name = ?", "parameters": ["사과"]}),
        ),
        2 => call("sql_modify", set_price(7)),
        _ => says("사과의 가격을 1200원으로 바꿨습니다."),
    };
    Scenario::new("사과 가격을 1200원으로 바꿔줘", "reflexive", script)
        .config(SHOP)
        .prepare(shop)
        .person(says_yes)
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert_eq!((price(&ended.home, 7), price(&ended.home, 8)), (1200, 3000));
            assert!(
                ended.codes().contains(&"sql.no_rows"),
                "refused before anybody is asked: {:?}",
                ended.codes()
            );
            assert_eq!(ended.done("sql_modify"), 1);
        })
        .plays();
}

#[test]
fn a_changed_row_is_put_back() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("sql_query", json!({"sql": "SELECT * FROM products"})),
        1 => call("sql_modify", set_price(7)),
        _ => says("I updated the price to 1200."),
    };
    Scenario::new("Update the price of product 7 to 1200.", "reflexive", script)
        .config(SHOP)
        .prepare(shop)
        .person(says_yes)
        .then(|stage, run| {
            assert_eq!(price(&stage.home, 7), 1200);
            stage.post(&format!("/api/runs/{run}/undo"), &json!({}));
            assert_eq!(price(&stage.home, 7), 1000);
            stage.post(&format!("/api/runs/{run}/undo"), &json!({ "redo": true }));
            assert_eq!(price(&stage.home, 7), 1200, "the undo is undone");
        })
        .check(|ended| assert_eq!((ended.status(), ended.done("sql_modify")), ("done", 1), "{}", ended.run))
        .plays();
}

#[test]
fn a_table_that_is_not_allowed_is_as_if_it_were_not_there() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("sql_query", json!({"sql": "SELECT * FROM customers"})),
        _ => says("There is no such table here."),
    };
    Scenario::new("Who are our customers?", "reflexive", script)
        .config(SHOP)
        .prepare(shop)
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert_eq!(ended.done("sql_query"), 0);
            assert!(!ended.run.to_string().contains("secret"));
        })
        .plays();
}
