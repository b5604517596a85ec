//! The database tools over a real SQLite file.

use super::{DatabasePlace, DatabaseSettings, SqlCaps, TableAccess, sql_tools};
use nunchi_core::{Expect, Label, RunId, Tool, ToolCall, ToolError, ToolFate, ToolOutput, UndoCall, Undone};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

struct World {
    folder: tempfile::TempDir,
    tools: Vec<Arc<dyn Tool>>,
    calls: u32,
}

const SCHEMA: &str = "
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price REAL CHECK (price >= 0), photo BLOB);
    INSERT INTO products VALUES (1, '사과', 1000, x'00ff'), (2, '배', 0.1, NULL), (3, 'line\nbreak | bar', 3, NULL);
    CREATE TABLE orders (product INTEGER REFERENCES products (id) ON DELETE CASCADE, count INTEGER);
    INSERT INTO orders VALUES (1, 5), (1, 6), (2, 7);
    CREATE TABLE log (what TEXT);
    CREATE TABLE pairs (a INTEGER, b TEXT, v TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
    INSERT INTO pairs VALUES (1, 'x', 'v');
    CREATE TABLE secrets (password TEXT);
    INSERT INTO secrets VALUES ('hunter2');
    CREATE VIEW cheap AS SELECT name FROM products WHERE price < 10;
    CREATE TRIGGER counted AFTER UPDATE OF count ON orders BEGIN INSERT INTO log VALUES ('order'); END;
";

fn shown(value: rusqlite::types::ValueRef<'_>) -> String {
    format!("{:?}", rusqlite::types::Value::try_from(value).unwrap())
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self { folder, tools: Vec::new(), calls: 0 };
        world.sql(SCHEMA);
        world.start();
        world
    }

    /// As each start of the product does.
    fn start(&mut self) {
        let access = |names: &[&str], access| {
            names.iter().map(|name| ((*name).to_owned(), access)).collect::<Vec<_>>()
        };
        let mut tables = access(&["products", "orders", "pairs", "log"], TableAccess::Write);
        tables.extend(access(&["cheap"], TableAccess::Read));
        let shop = DatabaseSettings {
            name: "shop".into(),
            place: DatabasePlace::Sqlite(self.folder.path().join("shop.db")),
            tables: tables.into_iter().collect(),
            label: Label::Tool,
        };
        self.tools = sql_tools(vec![shop], SqlCaps { statement_ms: 300, ..SqlCaps::default() });
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("shop.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn one(&self, sql: &str) -> String {
        let connection = Connection::open(self.folder.path().join("shop.db")).unwrap();
        connection.query_row(sql, [], |row| row.get_ref(0).map(|value| shown(value))).unwrap()
    }

    fn tool(&self, name: &str) -> Arc<dyn Tool> {
        Arc::clone(self.tools.iter().find(|tool| tool.spec().name == name).unwrap())
    }

    fn order(&mut self, tool: &str, arguments: Value) -> ToolCall {
        self.calls += 1;
        let key = format!("run.{}", self.calls);
        ToolCall { run: RunId(Uuid::nil()), key, tool: tool.into(), arguments, expect: None }
    }

    async fn ask(&mut self, sql: &str) -> Result<String, ToolError> {
        let order = self.order("sql_query", json!({ "sql": sql }));
        self.tool("sql_query").run(order).await.map(|output| output.text)
    }

    async fn change(&mut self, arguments: Value) -> Result<ToolOutput, ToolError> {
        let order = self.order("sql_modify", arguments);
        self.tool("sql_modify").run(order).await
    }

    /// The version of the rows that a person is shown.
    async fn shown(&mut self, arguments: Value) -> Option<Expect> {
        let order = self.order("sql_modify", arguments);
        self.tool("sql_modify").preview(order).await.unwrap().current.map(Expect::Version)
    }

    async fn change_shown(
        &mut self,
        arguments: Value,
        expect: Option<Expect>,
    ) -> Result<ToolOutput, ToolError> {
        let order = ToolCall { expect, ..self.order("sql_modify", arguments) };
        self.tool("sql_modify").run(order).await
    }

    async fn preview(&mut self, arguments: Value) -> Result<String, ToolError> {
        let order = self.order("sql_modify", arguments);
        self.tool("sql_modify").preview(order).await.map(|preview| preview.diff)
    }

    async fn undo(&mut self, record: &Value, dry_run: bool) -> Undone {
        self.undo_after(record, dry_run, &[]).await
    }

    /// The same, or a look at it once others have been taken back.
    async fn undo_after(&mut self, record: &Value, dry_run: bool, taken_back: &[Value]) -> Undone {
        self.calls += 1;
        let key = format!("undo.{}", self.calls);
        let (record, taken_back) = (record.clone(), taken_back.to_vec());
        let order = UndoCall { run: RunId(Uuid::nil()), key, record, dry_run, taken_back };
        self.tool("sql_modify").undo(order).await.unwrap()
    }
}

#[tokio::test]
async fn questions_and_what_they_may_not() {
    let mut world = World::new();
    let told = world.ask("SELECT id, name, price FROM products ORDER BY id").await.unwrap();
    assert_eq!(
        told,
        "id | name | price\n1 | 사과 | 1000.0\n2 | 배 | 0.1\n3 | line\\nbreak \\| bar | 3.0\n[3 rows]"
    );
    assert_eq!(world.ask("SELECT name FROM cheap WHERE name = '배'").await.unwrap(), "name\n배\n[1 rows]");
    let schema = world.order("sql_query", json!({}));
    let schema = world.tool("sql_query").run(schema).await.unwrap().text;
    assert!(schema.contains("products (id INTEGER KEY, name TEXT, price REAL, photo BLOB)"), "{schema}");
    assert!(!schema.contains("secrets") && schema.contains("cheap (name TEXT) [read only]"), "{schema}");
    let recursive =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n";
    assert!(
        world.ask(recursive).await.unwrap().ends_with("[the first 100 rows; go on with LIMIT and OFFSET]")
    );
    for (sql, code) in [
        ("SELECT * FROM secrets", "sql.not_allowed"),
        ("SELECT name FROM products UNION SELECT password FROM secrets", "sql.not_allowed"),
        ("SELECT (SELECT password FROM secrets)", "sql.not_allowed"),
        ("SELECT sql FROM sqlite_master", "sql.not_allowed"),
        ("SELECT * FROM pragma_table_info('secrets')", "sql.not_allowed"),
        ("SELECT load_extension('x')", "sql.not_allowed"),
        ("DELETE FROM products", "sql.not_a_query"),
        ("INSERT INTO log VALUES ('x') RETURNING what", "sql.not_a_query"),
        ("PRAGMA user_version", "sql.not_a_query"),
        ("ATTACH 'other.db' AS other", "sql.not_a_query"),
        ("SELECT 1; DELETE FROM products", "sql.statement"),
        ("SELEC 1", "sql.statement"),
        ("SELECT nothing FROM products", "sql.failed"),
        ("SELECT ?", "sql.parameters"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
            "sql.too_slow",
        ),
    ] {
        let error = world.ask(sql).await.unwrap_err();
        assert_eq!(error.code, code, "{sql}: {error}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_change_is_shown_made_and_taken_back() {
    let mut world = World::new();
    let update = json!({"sql": "UPDATE products SET price = price * ?, photo = NULL WHERE id = ?", "parameters": [1.1, 1]});
    let shown = world.preview(update.clone()).await.unwrap();
    assert_eq!(shown, "~ products id=1: price 1000.0 → 1100.0, photo <2 bytes> → NULL");
    assert_eq!(world.one("SELECT price FROM products WHERE id = 1"), "Real(1000.0)");
    let changed = world.change(update).await.unwrap();
    let undone = world.undo(changed.undo.as_ref().unwrap(), true).await;
    assert!(undone.redo.is_none() && undone.summary.contains("1100.0 → 1000.0"));
    let undone = world.undo(changed.undo.as_ref().unwrap(), false).await;
    assert_eq!(world.one("SELECT hex(photo) || price FROM products WHERE id = 1"), "Text(\"00FF1000.0\")");
    world.undo(undone.redo.as_ref().unwrap(), false).await;
    assert!(world.one("SELECT price FROM products WHERE id = 1").starts_with("Real(1100.0"));

    let insert = json!({"sql": "INSERT INTO products (name, price) VALUES (?, ?), ('감', 4)", "parameters": ["귤", 2], "rows": 2});
    let inserted = world.change(insert).await.unwrap();
    assert!(inserted.text.contains("+ products: id=4, name=귤"), "{}", inserted.text);
    let undone = world.undo(inserted.undo.as_ref().unwrap(), false).await;
    assert_eq!(world.one("SELECT count(*) FROM products"), "Integer(3)");
    world.undo(undone.redo.as_ref().unwrap(), false).await;
    assert_eq!(world.one("SELECT name FROM products WHERE id = 5"), "Text(\"감\")");
}

#[tokio::test]
async fn what_goes_with_a_row_comes_back_with_it() {
    let mut world = World::new();
    let delete = json!({"sql": "DELETE FROM products WHERE name = '사과'"});
    let deleted = world.change(delete).await.unwrap();
    assert_eq!(world.one("SELECT count(*) FROM orders"), "Integer(1)");
    world.undo(deleted.undo.as_ref().unwrap(), false).await;
    assert_eq!(
        world.one("SELECT group_concat(rowid || ':' || product || ':' || count) FROM orders"),
        "Text(\"1:1:5,2:1:6,3:2:7\")"
    );
    assert_eq!(world.one("SELECT hex(photo) FROM products WHERE id = 1"), "Text(\"00FF\")");
    // What others have tied to a row of ours does not go with it.
    let inserted =
        world.change(json!({"sql": "INSERT INTO products VALUES (7, '감', 1, NULL)"})).await.unwrap();
    world.sql("INSERT INTO orders VALUES (7, 1)");
    let undone = world.undo(inserted.undo.as_ref().unwrap(), false).await;
    assert_eq!((undone.conflicts.len(), undone.redo), (1, None));
    assert_eq!(world.one("SELECT count(*) FROM orders WHERE product = 7"), "Integer(1)");
    // What a trigger did is taken back with what set it off.
    let updated =
        world.change(json!({"sql": "UPDATE orders SET count = 0 WHERE product = 2"})).await.unwrap();
    assert_eq!(world.one("SELECT count(*) FROM log"), "Integer(1)");
    let undone = world.undo(updated.undo.as_ref().unwrap(), false).await;
    assert_eq!(undone.conflicts, Vec::<String>::new());
    assert_eq!(world.one("SELECT count FROM orders WHERE product = 2"), "Integer(7)");
    assert_eq!(world.one("SELECT count(*) FROM log"), "Integer(0)");
}

#[tokio::test]
async fn changes_that_are_refused_change_nothing() {
    let mut world = World::new();
    let before = world.one("SELECT group_concat(name || price) FROM products");
    for (sql, rows, code) in [
        ("UPDATE products SET price = 1 WHERE id = 99", 1, "sql.no_rows"),
        ("UPDATE products SET price = 1", 1, "sql.row_count"),
        ("DELETE FROM products", 2, "sql.row_count"),
        ("UPDATE products SET price = -1 WHERE id = 1", 1, "sql.constraint"),
        ("INSERT INTO orders VALUES (99, 1)", 1, "sql.constraint"),
        ("INSERT OR REPLACE INTO products VALUES (9, '사과', 1, NULL)", 1, "sql.replace"),
        ("REPLACE INTO products VALUES (9, '사과', 1, NULL)", 1, "sql.replace"),
        ("UPDATE products SET id = 50 WHERE id = 3", 1, "sql.key_change"),
        ("UPDATE pairs SET v = 'w'", 1, "sql.untracked"),
        ("INSERT INTO products (name, price) VALUES (hex(randomblob(8)), 1)", 1, "sql.unstable"),
        ("UPDATE secrets SET password = 'x'", 1, "sql.not_allowed"),
        ("UPDATE products SET name = (SELECT password FROM secrets) WHERE id = 1", 1, "sql.not_allowed"),
        ("DELETE FROM _nunchi_calls", 1, "sql."),
        ("DROP TABLE products", 1, "sql.not_a_change"),
        ("SELECT 1", 1, "sql.not_a_change"),
        (
            "INSERT INTO log WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i FROM n",
            500,
            "sql.too_many_rows",
        ),
    ] {
        let error = world.change(json!({"sql": sql, "rows": rows})).await.unwrap_err();
        assert!(error.code.starts_with(code), "{sql}: {error}");
        assert!(!error.uncertain);
    }
    assert_eq!(world.one("SELECT group_concat(name || price) FROM products"), before);
    assert_eq!(world.one("SELECT count(*) FROM log"), "Integer(0)");
}

#[tokio::test]
async fn rows_changed_since_stay() {
    let mut world = World::new();
    let raise = json!({"sql": "UPDATE products SET price = 9 WHERE id <= 2", "rows": 2});
    let shown = world.shown(raise.clone()).await;
    world.sql("UPDATE products SET price = 5 WHERE id = 1");
    // What was shown is held to over a restart as well.
    world.start();
    assert_eq!(world.change_shown(raise.clone(), shown).await.unwrap_err().code, "tool.changed");
    let shown = world.shown(raise.clone()).await;
    let changed = world.change_shown(raise, shown).await.unwrap();
    world.sql("UPDATE products SET name = 'theirs' WHERE id = 2");
    let undone = world.undo(changed.undo.as_ref().unwrap(), false).await;
    assert_eq!(undone.conflicts, ["products id=2 has changed since; it was left as it is"]);
    assert_eq!(
        world.one("SELECT group_concat(name || price) FROM products WHERE id < 3"),
        "Text(\"사과5.0,theirs9.0\")"
    );
    // A new row is new whatever number it gets.
    let insert = json!({"sql": "INSERT INTO log VALUES ('mine')"});
    let shown = world.shown(insert.clone()).await;
    world.sql("INSERT INTO log VALUES ('theirs')");
    world.change_shown(insert, shown).await.unwrap();
    let delete = json!({"sql": "DELETE FROM orders WHERE product = 2"});
    let deleted = world.change(delete).await.unwrap();
    world.sql("INSERT INTO orders (rowid, product, count) VALUES (3, 2, 1)");
    let undone = world.undo(deleted.undo.as_ref().unwrap(), false).await;
    assert_eq!((undone.conflicts.len(), undone.redo), (1, None));
}

#[tokio::test]
async fn made_once_and_known_after_a_restart() {
    let mut world = World::new();
    let order =
        world.order("sql_modify", json!({"sql": "UPDATE products SET price = price + 1 WHERE id = 1"}));
    assert_eq!(world.tool("sql_modify").fate(order.clone()).await, ToolFate::DidNot);
    let first = world.tool("sql_modify").run(order.clone()).await.unwrap();
    world.start();
    assert_eq!(world.tool("sql_modify").run(order.clone()).await.unwrap(), first);
    assert_eq!(world.one("SELECT price FROM products WHERE id = 1"), "Real(1001.0)");
    assert_eq!(world.tool("sql_modify").fate(order).await, ToolFate::Happened(first));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    /// Changes by a run and by others, taken back in any order: what others changed last is never touched, and without them
    /// taking everything back from the last to the first leaves everything as it was.
    #[test]
    fn undoing_rows(deeds in proptest::collection::vec((0..5_u8, 1..5_i64, any::<i8>()), 1..10), others in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            let all = "SELECT group_concat(id || name || price) FROM (SELECT * FROM products ORDER BY id)";
            let start = world.one(all);
            let mut records = Vec::new();
            for (deed, id, value) in deeds {
                let value = i64::from(value).abs();
                let change = match deed {
                    0 => json!({"sql": "UPDATE products SET price = ? WHERE id = ?", "parameters": [value, id]}),
                    1 => json!({"sql": "INSERT INTO products VALUES (?, ?, 1, NULL)", "parameters": [id, format!("n{value}")]}),
                    2 => json!({"sql": "DELETE FROM products WHERE id = ?", "parameters": [id]}),
                    _ => {
                        if others {
                            world.sql(&format!("UPDATE products SET price = {} WHERE id = {id}", 1_000 + value));
                        }
                        continue;
                    }
                };
                records.extend(world.change(change).await.ok().and_then(|output| output.undo));
            }
            let theirs = "SELECT group_concat(id || ' ' || price) FROM products WHERE price > 1000";
            let stands = world.one(theirs);
            let each = |rows: &str| {
                let rows = rows.trim_start_matches("Text(\"").trim_end_matches("\")");
                rows.split(',').filter(|row| *row != "Null").map(str::to_owned).collect::<Vec<_>>()
            };
            let (mut taken_back, mut told) = (Vec::new(), Vec::new());
            for record in records.iter().rev() {
                let look = world.undo_after(record, true, &taken_back).await;
                taken_back.push(record.clone());
                told.push((look.summary, look.conflicts));
            }
            for (record, told) in records.iter().rev().zip(told) {
                let done = world.undo(record, false).await;
                prop_assert_eq!((done.summary, done.conflicts), told, "a look tells what is then done");
            }
            if others {
                // Rows that the run had deleted may have come back besides.
                let after = each(&world.one(theirs));
                prop_assert!(each(&stands).iter().all(|row| after.contains(row)), "{stands} {after:?}");
            } else {
                prop_assert_eq!(world.one(all), start);
            }
            Ok(())
        })?;
    }
}
