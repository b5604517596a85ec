//! The database tools over a real PostgreSQL that the test starts.

use super::{DatabasePlace, DatabaseSettings, SqlCaps, TableAccess, sql_tools};
use nunchi_core::{Expect, Label, RunId, Tool, ToolCall, ToolError, ToolFate, ToolOutput, UndoCall, Undone};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A server of the test's own, on a socket in a folder of its own.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
}

/// Debian puts the programs of each version into a folder of its own.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").is_file());
    found.sort();
    found.pop().expect("PostgreSQL is installed (`cargo xtask test` does that)")
}

impl Server {
    fn start() -> Self {
        let server = Self { folder: tempfile::tempdir().unwrap(), programs: programs() };
        let data = server.data();
        let path = data.to_str().unwrap();
        if rustix::process::geteuid().is_root() {
            // It does not run as root.
            let owned = Command::new("chown").arg("postgres").arg(server.folder.path()).status();
            assert!(owned.unwrap().success());
        }
        server.run(
            "initdb",
            &["-D", path, "-A", "trust", "-U", "owner", "-E", "UTF8", "--locale=C", "--no-sync"],
        );
        let socket = server.folder.path().to_str().unwrap();
        let options = format!("-k {socket} -c listen_addresses='' -c fsync=off");
        server.run("pg_ctl", &["-D", path, "-o", &options, "-l", "/dev/null", "-w", "start"]);
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let done =
            command.args(arguments).current_dir(self.folder.path()).stdout(Stdio::null()).status().unwrap();
        assert!(done.success(), "{arguments:?}");
    }

    fn address(&self) -> String {
        format!("host={} user=owner dbname=postgres", self.folder.path().display())
    }

    fn sql(&self, sql: &str) -> String {
        let done = Command::new(self.programs.join("psql"))
            .args(["-h", self.folder.path().to_str().unwrap(), "-U", "owner", "-d", "postgres", "-Atqc", sql])
            .output()
            .unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

// drop: stops the server
impl Drop for Server {
    fn drop(&mut self) {
        let path = self.data();
        let _ended_before = self.stop(&path);
    }
}

impl Server {
    fn stop(&self, path: &Path) -> std::io::Result<()> {
        let pid = std::fs::read_to_string(path.join("postmaster.pid"))?;
        let pid = pid.lines().next().unwrap_or_default().to_owned();
        drop(Command::new("kill").args(["-INT", &pid]).status());
        let end = Instant::now() + Duration::from_secs(10);
        while path.join("postmaster.pid").exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

const SCHEMA: &str = "
    CREATE TABLE products (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE,
        price numeric CHECK (price >= 0), photo bytea, tags text[], made timestamptz,
        twice numeric GENERATED ALWAYS AS (price * 2) STORED);
    INSERT INTO products (name, price, photo, tags, made) VALUES
        ('사과', 1000.10, '\\x00ff', '{a,\"b c\"}', '2026-11-21 10:00+09'), ('배', 0.1, NULL, NULL, NULL);
    CREATE TABLE orders (id int PRIMARY KEY, product bigint REFERENCES products ON DELETE CASCADE, ratio float8);
    INSERT INTO orders VALUES (1, 1, 0.1), (2, 1, 1e-300);
    CREATE TABLE secrets (password text);
    INSERT INTO secrets VALUES ('hunter2');
    CREATE TABLE loose (v text);
    INSERT INTO loose VALUES ('v');
    CREATE SCHEMA other;
    CREATE TABLE other.notes (a int, b text, v text, PRIMARY KEY (a, b));
    INSERT INTO other.notes VALUES (1, 'x''y', 'v');
";

struct World {
    server: Server,
    tools: Vec<Arc<dyn Tool>>,
    calls: u32,
}

impl World {
    fn new() -> Self {
        let server = Server::start();
        server.sql(SCHEMA);
        let table = |name: &str, access| (name.to_owned(), access);
        let shop = DatabaseSettings {
            name: "shop".into(),
            place: DatabasePlace::Postgres(server.address()),
            tables: [
                table("products", TableAccess::Write),
                table("orders", TableAccess::Write),
                table("loose", TableAccess::Write),
                table("other.notes", TableAccess::Write),
            ]
            .into(),
            label: Label::Tool,
        };
        let tools = sql_tools(vec![shop], SqlCaps { statement_ms: 1_500, ..SqlCaps::default() });
        Self { server, tools, calls: 0 }
    }

    fn order(&mut self, tool: usize, arguments: Value) -> (Arc<dyn Tool>, ToolCall) {
        self.calls += 1;
        let (key, tool) = (format!("run.{}", self.calls), Arc::clone(&self.tools[tool]));
        let call = ToolCall { run: RunId(Uuid::nil()), key, tool: tool.spec().name, arguments, expect: None };
        (tool, call)
    }

    async fn ask(&mut self, sql: &str, parameters: Value) -> Result<String, ToolError> {
        let (tool, call) = self.order(0, json!({"sql": sql, "parameters": parameters}));
        tool.run(call).await.map(|output| output.text)
    }

    async fn change(&mut self, sql: &str, parameters: Value, rows: u64) -> Result<ToolOutput, ToolError> {
        let (tool, call) = self.order(1, json!({"sql": sql, "parameters": parameters, "rows": rows}));
        tool.run(call).await
    }

    /// The version of the rows that a person is shown.
    async fn shown(&mut self, sql: &str) -> Option<Expect> {
        let (tool, call) = self.order(1, json!({ "sql": sql }));
        tool.preview(call).await.unwrap().current.map(Expect::Version)
    }

    async fn preview(&mut self, sql: &str) -> Result<String, ToolError> {
        let (tool, call) = self.order(1, json!({ "sql": sql }));
        tool.preview(call).await.map(|preview| preview.diff)
    }

    async fn undo(&mut self, record: &Value) -> Undone {
        let (tool, call) = self.order(1, json!({}));
        let order = UndoCall {
            run: call.run,
            key: call.key,
            record: record.clone(),
            dry_run: false,
            taken_back: Vec::new(),
        };
        tool.undo(order).await.unwrap()
    }
}

async fn questions(world: &mut World) {
    let told = world
        .ask("SELECT id, name FROM products WHERE price > $1 AND name <> $2", json!([1, "a''b' OR 1=1 --"]))
        .await;
    assert_eq!(told.unwrap(), "id | name\n1 | 사과\n[1 rows]");
    let told = world.ask("WITH n AS (SELECT count(*) AS c FROM orders) SELECT c FROM n", json!([])).await;
    assert_eq!(told.unwrap(), "c\n2\n[1 rows]");
    // What stands in a text is no place of a value.
    let told = world.ask("SELECT '$1' || $1", json!(["$nunchi0_1' $1"])).await;
    assert_eq!(told.unwrap(), "?column?\n$1$nunchi0_1' $1\n[1 rows]");
    let (tool, call) = world.order(0, json!({}));
    let schema = tool.run(call).await.unwrap().text;
    assert!(schema.contains("orders (id integer KEY, product bigint, ratio double precision)"), "{schema}");
    assert!(
        schema.contains("other.notes (a integer KEY, b text KEY") && !schema.contains("secrets"),
        "{schema}"
    );
    for (sql, code) in [
        ("SELECT * FROM secrets", "sql.not_allowed"),
        ("SELECT * FROM public.secrets", "sql.not_allowed"),
        (
            "SELECT * FROM products UNION SELECT 1, password, 1, NULL, NULL, NULL, 1 FROM secrets",
            "sql.not_allowed",
        ),
        ("SELECT (SELECT password FROM secrets)", "sql.not_allowed"),
        ("SELECT * FROM secrets, (WITH secrets AS (SELECT 1) SELECT * FROM secrets) AS x", "sql.not_allowed"),
        ("SELECT * FROM pg_shadow", "sql.not_allowed"),
        ("SELECT pg_read_file('/etc/passwd')", "sql.not_allowed"),
        ("SELECT query_to_xml('SELECT * FROM secrets', true, true, '')", "sql.not_allowed"),
        ("SELECT pg_catalog.set_config('a.b', 'x', false)", "sql.not_allowed"),
        ("SELECT * FROM generate_series(1, 10)", "sql."),
        ("TABLE secrets", "sql."),
        ("WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone", "sql.not_allowed"),
        ("SELECT * FROM orders FOR UPDATE", "sql.not_allowed"),
        ("SELECT * INTO copy FROM orders", "sql."),
        ("DELETE FROM orders", "sql.not_a_query"),
        ("COPY orders TO '/tmp/x'", "sql."),
        ("SELECT 1; DELETE FROM orders", "sql.statement"),
        ("SELECT E'\\'; DELETE FROM orders; --'", "sql.literal"),
        ("SELECT 'a''''b'", "sql.literal"),
        ("SELECT $2", "sql.parameters"),
        (
            "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f, orders g, orders h, orders i, orders j, orders k, orders l, orders m, orders n, orders o, orders p, orders q, orders r, orders s, orders t, orders u, orders v, orders w, orders x, orders y, orders z, orders aa, orders bb",
            "sql.too_slow",
        ),
    ] {
        let error = world.ask(sql, json!([])).await.unwrap_err();
        assert!(error.code.starts_with(code), "{sql}: {error}");
        assert!(!error.to_string().contains("hunter2"));
    }
    assert_eq!(world.server.sql("SELECT count(*) FROM orders"), "2");
}

async fn changes(world: &mut World) {
    let rows = "SELECT string_agg(p::text, ';' ORDER BY id) FROM products p";
    let start = world.server.sql(rows);
    let shown =
        world.preview("UPDATE products SET price = price + 1, photo = NULL, tags = '{}' WHERE id = 1").await;
    assert!(
        shown.unwrap().starts_with("~ products id=1: price 1000.10 → 1001.10, photo \\\\x00ff → NULL, tags")
    );
    assert_eq!(world.server.sql(rows), start);
    let sql =
        "UPDATE products AS p SET price = p.price * $1, photo = NULL, tags = $3, made = NULL WHERE p.id = $2";
    let updated = world.change(sql, json!([2, 1, "{x}"]), 1).await.unwrap();
    let inserted = world
        .change("INSERT INTO products (name, price) VALUES ($1, -($2))", json!(["it's", -3]), 1)
        .await
        .unwrap();
    let gone = world.change("DELETE FROM other.notes WHERE b = $1", json!(["x'y"]), 1).await.unwrap();
    let deleted = world.change("DELETE FROM orders", json!([]), 2).await.unwrap();
    assert_eq!(world.server.sql("SELECT count(*) FROM orders"), "0");
    let undone = world.undo(deleted.undo.as_ref().unwrap()).await;
    assert_eq!(
        world.server.sql("SELECT string_agg(o::text, '' ORDER BY id) FROM orders o"),
        "(1,1,0.1)(2,1,1e-300)"
    );
    world.undo(undone.redo.as_ref().unwrap()).await;
    assert_eq!(world.server.sql("SELECT count(*) FROM orders"), "0");
    for output in [gone, inserted, updated] {
        let undone = world.undo(output.undo.as_ref().unwrap()).await;
        assert!(undone.redo.is_some() && undone.conflicts.is_empty(), "{undone:?}");
    }
    assert_eq!(world.server.sql(rows), start);
    assert_eq!(world.server.sql("SELECT v FROM other.notes"), "v");
    world.server.sql("INSERT INTO orders VALUES (1, 1, 0.1), (2, 1, 1e-300)");

    for (sql, rows, code) in [
        ("UPDATE products SET price = 1 WHERE id = 99", 1, "sql.no_rows"),
        ("UPDATE products SET price = 1", 1, "sql.row_count"),
        ("UPDATE products SET price = -1 WHERE id = 1", 1, "sql.constraint"),
        ("INSERT INTO orders VALUES (9, 99, 1)", 1, "sql.constraint"),
        ("UPDATE orders SET id = 7 WHERE id = 1", 1, "sql.key_change"),
        ("UPDATE loose SET v = 'w'", 1, "sql.untracked"),
        ("DELETE FROM products WHERE id = 1", 1, "sql.cascade"),
        ("UPDATE secrets SET password = 'x'", 1, "sql.not_allowed"),
        ("UPDATE products SET name = (SELECT password FROM secrets) WHERE id = 1", 1, "sql.not_allowed"),
        ("UPDATE products SET price = 1 FROM orders WHERE orders.id = 1", 1, "sql.form"),
        ("INSERT INTO products (name) VALUES ('사과') ON CONFLICT DO NOTHING", 1, "sql.form"),
        ("WITH x AS (DELETE FROM orders RETURNING id) INSERT INTO loose SELECT 'x' FROM x", 1, "sql."),
        ("DELETE FROM _nunchi_calls", 1, "sql.not_allowed"),
        ("TRUNCATE orders", 1, "sql."),
        ("DROP TABLE orders", 1, "sql.not_a_change"),
    ] {
        let error = world.change(sql, json!([]), rows).await.unwrap_err();
        assert!(error.code.starts_with(code) && !error.uncertain, "{sql}: {error}");
    }
    assert_eq!(world.server.sql(rows), start);
}

async fn others(world: &mut World) {
    let updated = world.change("UPDATE products SET price = 7", json!([]), 2).await.unwrap();
    world.server.sql("UPDATE products SET name = 'theirs' WHERE id = 2");
    let undone = world.undo(updated.undo.as_ref().unwrap()).await;
    assert_eq!(undone.conflicts, ["products id=2 has changed since; it was left as it is"]);
    assert_eq!(
        world.server.sql("SELECT string_agg(name || price, ',' ORDER BY id) FROM products"),
        "사과1000.10,theirs7"
    );
    let inserted =
        world.change("INSERT INTO products (name, price) VALUES ('감', 1)", json!([]), 1).await.unwrap();
    world.server.sql("INSERT INTO orders SELECT 5, id, 1 FROM products WHERE name = '감'");
    let undone = world.undo(inserted.undo.as_ref().unwrap()).await;
    assert_eq!((undone.conflicts.len(), undone.redo), (1, None));
    assert_eq!(world.server.sql("SELECT count(*) FROM orders WHERE id = 5"), "1");
    let sql = "UPDATE products SET price = 8 WHERE id = 1";
    let shown = world.shown(sql).await;
    world.server.sql("UPDATE products SET price = 5 WHERE id = 1");
    let (tool, call) = world.order(1, json!({ "sql": sql }));
    assert_eq!(tool.run(ToolCall { expect: shown, ..call }).await.unwrap_err().code, "tool.changed");
    // The database gives a new row another number at each try.
    let sql = "INSERT INTO products (name, price) VALUES ('귤', 1)";
    let shown = world.shown(sql).await;
    let (tool, call) = world.order(1, json!({ "sql": sql }));
    tool.run(ToolCall { expect: shown, ..call }).await.unwrap();
}

async fn fates(world: &mut World) {
    let (tool, call) = world.order(1, json!({"sql": "UPDATE products SET price = price + 1 WHERE id = 1"}));
    assert_eq!(tool.fate(call.clone()).await, ToolFate::DidNot);
    let price = || world.server.sql("SELECT price FROM products WHERE id = 1");
    let before = price();
    let first = tool.run(call.clone()).await.unwrap();
    let once = price();
    assert_ne!(before, once);
    assert_eq!(tool.run(call.clone()).await.unwrap(), first);
    assert_eq!((price(), tool.fate(call).await), (once, ToolFate::Happened(first)));
    // Given up in the middle: what becomes of it is known, and nothing is half done.
    let (mut happened, mut did_not) = (0, 0);
    for wait in 0..25_u64 {
        let before: f64 = world.server.sql("SELECT price FROM products WHERE id = 1").parse().unwrap();
        let (tool, call) =
            world.order(1, json!({"sql": "UPDATE products SET price = price + 1 WHERE id = 1"}));
        drop(tokio::time::timeout(Duration::from_micros(wait * 1_500), tool.run(call.clone())).await);
        let fate = tool.fate(call).await;
        let after: f64 = world.server.sql("SELECT price FROM products WHERE id = 1").parse().unwrap();
        match fate {
            ToolFate::Happened(_) => happened += 1,
            ToolFate::DidNot => did_not += 1,
            ToolFate::Unknown => panic!("unknown"),
        }
        let added = if matches!(fate, ToolFate::Happened(_)) { 1.0 } else { 0.0 };
        assert!((after - before - added).abs() < 1e-9, "{before} {after} {fate:?}");
    }
    assert_eq!(happened + did_not, 25);
}

#[tokio::test]
async fn a_real_server() {
    let mut world = World::new();
    questions(&mut world).await;
    changes(&mut world).await;
    others(&mut world).await;
    fates(&mut world).await;
}

#[tokio::test]
async fn a_server_over_the_network_is_not_reached_in_the_clear() {
    let shop = DatabaseSettings {
        name: "shop".into(),
        place: DatabasePlace::Postgres("host=db.example.com user=u password=very-secret".into()),
        tables: [("orders".to_owned(), TableAccess::Read)].into(),
        label: Label::Tool,
    };
    assert!(!format!("{shop:?}").contains("secret"));
    let tools = sql_tools(vec![shop], SqlCaps::default());
    let arguments = json!({"sql": "SELECT 1"});
    let call = ToolCall {
        run: RunId(Uuid::nil()),
        key: "k".into(),
        tool: "sql_query".into(),
        arguments,
        expect: None,
    };
    let error = tools[0].run(call).await.unwrap_err();
    assert!(error.code == "sql.cannot_open" && !error.to_string().contains("secret"), "{error}");
}
