//! The stage of a scenario: a home folder, the real binary, and a scripted upstream that plays the model over HTTP. The server may
//! be killed at any moment and started again; the run must end the same.

use super::kills::{self, Kills, Progress};
use crate::support::{Home, Server};
use nunchi_core::{RunId, RunStore, StepRecord, verify_steps};
use nunchi_store::{LedgerOptions, SqliteLedger};
use nunchi_testkit::{Dialect, Seen, TokioClock, TokioSpawn, ToolCall, Turn, Upstream, UsageShape};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time that a run may take, kills and all.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at a run.
const LOOK: Duration = Duration::from_millis(10);

/// What the model sees of a conversation.
pub(crate) struct Talk {
    body: Value,
}

impl Talk {
    fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// How often the model has spoken.
    pub(crate) fn turn(&self) -> usize {
        self.messages().iter().filter(|message| message["role"] == "assistant").count()
    }

    /// All that stands in the conversation, tools included.
    pub(crate) fn text(&self) -> String {
        self.body.to_string()
    }

    /// What was said to the model last.
    pub(crate) fn last(&self) -> &str {
        self.messages().last().and_then(|message| message["content"].as_str()).unwrap_or_default()
    }

    /// Whether a sub-agent asks.
    pub(crate) fn is_sub_agent(&self) -> bool {
        self.messages().first().is_some_and(|system| {
            system["content"].as_str().is_some_and(|text| text.starts_with("You are a sub-agent"))
        })
    }

    /// The goal: the first thing that a person said.
    pub(crate) fn goal(&self) -> &str {
        let user = self.messages().iter().find(|message| message["role"] == "user");
        user.and_then(|message| message["content"].as_str()).unwrap_or_default()
    }
}

/// The model says this.
pub(crate) fn says(text: impl Into<String>) -> Turn {
    Turn::text(text).usage(UsageShape::Plain { input: 200, output: 40 })
}

/// The model calls these tools.
pub(crate) fn calls<'a>(wanted: impl IntoIterator<Item = (&'a str, Value)>) -> Turn {
    let calls = wanted.into_iter().map(|(name, arguments)| ToolCall::new(name, &arguments));
    Turn::tool_calls(calls).usage(UsageShape::Plain { input: 200, output: 40 })
}

/// The model calls one tool.
pub(crate) fn call(name: &str, arguments: Value) -> Turn {
    calls([(name, arguments)])
}

type Script = Arc<dyn Fn(&Talk) -> Turn + Send + Sync>;
type Person = Box<dyn Fn(&Value) -> Option<Value>>;
type Check = Box<dyn Fn(&Ended)>;
type Meanwhile = Box<dyn Fn(&Home)>;
type Then = Box<dyn Fn(&Stage, &str)>;

/// A story with one run.
pub(crate) struct Scenario {
    files: Vec<(&'static str, String)>,
    config: String,
    order: Value,
    path: &'static str,
    script: Script,
    person: Person,
    prepare: Meanwhile,
    then: Then,
    check: Check,
}

impl Scenario {
    /// Somebody asks for this, in this mode; the model follows the script: the same conversation gets the same answer, also when
    /// a killed process asks again.
    pub(crate) fn new(
        goal: &str,
        mode: &str,
        script: impl Fn(&Talk) -> Turn + Send + Sync + 'static,
    ) -> Self {
        Self {
            files: Vec::new(),
            config: String::new(),
            order: json!({ "goal": goal, "mode": mode, "model": "up/gpt-5-mini" }),
            path: "/api/runs",
            script: Arc::new(script),
            person: Box::new(|_| None),
            prepare: Box::new(|_| {}),
            then: Box::new(|_, _| {}),
            check: Box::new(|_| {}),
        }
    }

    /// A workflow instead of an order to a model.
    pub(crate) fn flow(mut self, flow: Value) -> Self {
        (self.order, self.path) = (flow, "/api/flows");
        self
    }

    /// A file in the folder that agents may work in.
    pub(crate) fn file(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.files.push((name, text.into()));
        self
    }

    /// More of `nunchi.toml`.
    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self.config.push('\n');
        self
    }

    /// More of the order.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.order[name] = value;
        self
    }

    /// What else must be there before it begins.
    pub(crate) fn prepare(mut self, prepare: impl Fn(&Home) + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// How the owner answers a question; nobody answers otherwise, and the story ends with the run parked.
    pub(crate) fn person(mut self, person: impl Fn(&Value) -> Option<Value> + 'static) -> Self {
        self.person = Box::new(person);
        self
    }

    /// What the owner does once the run has stopped.
    pub(crate) fn then(mut self, then: impl Fn(&Stage, &str) + 'static) -> Self {
        self.then = Box::new(then);
        self
    }

    /// What must be so at the end, however often the process was killed.
    pub(crate) fn check(mut self, check: impl Fn(&Ended) + 'static) -> Self {
        self.check = Box::new(check);
        self
    }

    /// Plays the story undisturbed, then with kills.
    pub(crate) fn plays(self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(self.plays_on());
    }

    async fn plays_on(self) {
        let events = self.play(&mut Kills::default()).await;
        let (wanted, mut hits, mut misses, mut rounds) = (kills::wanted(), 0, 0, 0);
        while hits < wanted {
            rounds += 1;
            assert!(rounds <= 2 * wanted + 10, "{hits} of {wanted} kills hit the run in {rounds} rounds");
            let mut kills = Kills::some(rounds, wanted - hits, events);
            self.play(&mut kills).await;
            hits += kills.hits;
            misses += kills.misses;
        }
        let story = std::thread::current().name().unwrap_or_default().to_owned();
        println!(
            "{story}: {hits} kills hit the run, {misses} came too late, in {rounds} rounds of {events} events"
        );
    }

    /// Tells how many events were stored.
    async fn play(&self, kills: &mut Kills) -> u64 {
        let upstream = Upstream::start(Dialect::OpenAi).await;
        let script = Arc::clone(&self.script);
        upstream.respond_with(move |seen: &Seen| script(&Talk { body: seen.body.clone() }));
        let home = Home::with_config(&format!(
            "{}\n[files]\nroots = [\"work\"]\n\n{}",
            crate::support::one_provider(&upstream.base_url()),
            self.config
        ))
        .variable("UP_KEY", "sk-test");
        std::fs::create_dir(home.path("work")).expect("a folder");
        for (name, text) in &self.files {
            let path = home.path("work").join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        (self.prepare)(&home);
        let mut stage = Stage { server: Some(home.up()), home, key: String::new(), log: String::new() };
        stage.key = stage.server().first_key();
        let made = stage.server().post(self.path, &stage.key, &self.order);
        assert_eq!(made.status, 201, "{}", made.body);
        let id = made.json()["run_id"].as_str().expect("an id").to_owned();
        let run = self.until_it_stops(&mut stage, &id, kills);
        let events = Progress::of(&stage.home).events();
        (self.then)(&stage, &id);
        let mut ended = stage.close(run, &id, upstream).await;
        ended.was_killed = kills.hits + kills.misses > 0;
        verify_steps(&ended.steps).expect("the chain holds");
        (self.check)(&ended);
        events
    }

    fn until_it_stops(&self, stage: &mut Stage, id: &str, kills: &mut Kills) -> Value {
        let (mut progress, mut begun) = (Progress::of(&stage.home), Instant::now());
        loop {
            assert!(begun.elapsed() < PATIENCE, "the run does not stop: {}", stage.run(id));
            if kills.come(&progress, LOOK) {
                // Nobody may hold the database open while the process that wrote it is dead: the next one must recover it alone.
                drop(progress);
                stage.kill_and_restart(kills);
                (progress, begun) = (Progress::of(&stage.home), Instant::now());
            }
            let run = stage.run(id);
            match run["status"].as_str() {
                Some("running") => {}
                Some("parked") => {
                    // Between the parking and the question in the queue a process may have died.
                    if !stage.questions().is_empty() && !stage.answer(&self.person) {
                        return stage.run(id);
                    }
                }
                _ => return run,
            }
        }
    }
}

/// A home folder with a running server.
pub(crate) struct Stage {
    server: Option<Server>,
    pub(crate) home: Home,
    key: String,
    /// What servers that were killed had logged.
    log: String,
}

impl Stage {
    fn server(&self) -> &Server {
        self.server.as_ref().expect("a server")
    }

    /// `POST` by the owner; what was answered must be a success.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let got = self.server().post(path, &self.key, body);
        assert!((200..300).contains(&got.status), "{path}: {}", got.body);
        got.json()
    }

    /// `GET` by the owner.
    pub(crate) fn get(&self, path: &str) -> Value {
        let got = self.server().get(path, &self.key);
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        got.json()
    }

    /// The text of a file in the folder that agents work in.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home.path("work").join(name)).ok()
    }

    /// Somebody else writes a file there.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.home.path("work").join(name), text).expect("a file");
    }

    pub(crate) fn run(&self, id: &str) -> Value {
        let got = self.server().get(&format!("/api/runs/{id}"), &self.key);
        assert_eq!(got.status, 200, "{}", got.body);
        got.json()
    }

    /// A run once it has stopped.
    pub(crate) fn stopped(&self, id: &str) -> Value {
        let begun = Instant::now();
        loop {
            let run = self.run(id);
            if run["status"] != "running" {
                return run;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not stop: {run:#}");
            std::thread::sleep(LOOK);
        }
    }

    fn questions(&self) -> Vec<Value> {
        self.server().get("/api/approvals", &self.key).json().as_array().cloned().expect("a list")
    }

    /// Lets the owner answer; tells whether there was an answer.
    fn answer(&self, person: &Person) -> bool {
        let mut answered = false;
        for question in self.questions() {
            let Some(answer) = person(&question) else { continue };
            let id = question["id"].as_str().expect("an id");
            let got = self.server().post(&format!("/api/approvals/{id}"), &self.key, &answer);
            assert_eq!(got.status, 200, "{}", got.body);
            answered = true;
        }
        answered
    }

    fn kill_and_restart(&mut self, kills: &mut Kills) {
        let (was_alive, log) = self.server.take().expect("a server").killed_at_work();
        self.log.push_str(&log);
        kills.count(was_alive, &self.home);
        self.server = Some(self.home.up());
    }

    /// Ends the server and reads what it left.
    async fn close(mut self, run: Value, id: &str, upstream: Upstream) -> Ended {
        let questions = self.questions();
        self.log.push_str(&self.server.take().expect("a server").stop());
        let options = LedgerOptions {
            time_zone: jiff::tz::TimeZone::UTC,
            clock: Arc::new(TokioClock::start()),
            spawn: Arc::new(TokioSpawn::new()),
            encryption_key: None,
        };
        let (ledger, _) = SqliteLedger::open(&self.home.path("nunchi.db"), options).expect("a ledger");
        let id = RunId(id.parse().expect("an id"));
        let steps = ledger.steps(id, 0, u32::MAX).await.expect("steps");
        ledger.close().await;
        Ended { run, steps, questions, home: self.home, upstream, log: self.log, was_killed: false }
    }
}

/// How a story ended.
pub(crate) struct Ended {
    /// The run as `runs show --json` prints it.
    pub(crate) run: Value,
    pub(crate) steps: Vec<StepRecord>,
    /// What still waits for the owner.
    pub(crate) questions: Vec<Value>,
    pub(crate) home: Home,
    pub(crate) upstream: Upstream,
    /// All that its servers have logged.
    pub(crate) log: String,
    /// Whether the process was killed in between: it then asks some things again.
    pub(crate) was_killed: bool,
}

impl Ended {
    pub(crate) fn status(&self) -> &str {
        self.run["status"].as_str().unwrap_or_default()
    }

    /// The answer.
    pub(crate) fn answer(&self) -> &str {
        self.run["outcome"]["text"].as_str().unwrap_or_default()
    }

    /// The text of a file in the folder that agents work in; `None` when it is not there.
    pub(crate) fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.home.path("work").join(name)).ok()
    }

    /// Steps of a tool that went well.
    pub(crate) fn done(&self, tool: &str) -> usize {
        let well = |step: &&StepRecord| {
            step.tool.as_deref() == Some(tool)
                && step.kind == nunchi_core::StepKind::Tool
                && step.status == nunchi_core::StepStatus::Ok
        };
        self.steps.iter().filter(well).count()
    }

    /// Codes of the steps that did not go well.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.steps.iter().filter_map(|step| step.code.as_deref()).collect()
    }
}
