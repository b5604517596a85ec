//! The console's pages of agents over HTTP: a real agent and a real gateway behind them.

use crate::agent_world::{AgentWorld, calls, plan, says};
use crate::support::Got;
use axum::body::Body;
use futures_util::StreamExt;
use http::Request;
use nunchi_core::{AccessRole, KeyLimits, RunId};
use nunchi_gateway::NewKey;
use nunchi_testkit::ScriptedReply;
use serde_json::{Value, json};
use tower::ServiceExt;

const HOSTILE: &str = "<script>alert(1)</script>";

/// A signed-in administrator.
struct Reader {
    world: AgentWorld,
    cookie: String,
}

impl Reader {
    async fn new(script: impl IntoIterator<Item = ScriptedReply>) -> Self {
        let world = AgentWorld::with_console(script);
        let new = NewKey {
            name: "owner".into(),
            user: None,
            role: AccessRole::Admin,
            allowed_models: Vec::new(),
            limits: KeyLimits::default(),
            expires: None,
        };
        let (_, secret) = world.gateway.as_ref().unwrap().keys().create(new).await.expect("a key");
        let cookie = format!("nunchi_session={}", secret.reveal());
        Self { world, cookie }
    }

    async fn page_in(&self, lang: &str, path: &str) -> Got {
        let request = Request::get(path).header("cookie", &self.cookie).header("accept-language", lang);
        self.world.send(request.body(Body::empty()).unwrap()).await
    }

    async fn page(&self, path: &str) -> Got {
        let got = self.page_in("en", path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        got
    }

    /// Sends a form as its own page would.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        let page = self.page("/console/runs").await;
        let (_, rest) = page.text().split_once("name=\"form_token\" value=\"").expect("a form");
        let token = rest.split('"').next().unwrap();
        let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let body: Vec<_> = std::iter::once(format!("form_token={token}")).chain(pairs).collect();
        let request = Request::post(path)
            .header("cookie", &self.cookie)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.world.send(request.body(Body::from(body.join("&"))).unwrap()).await
    }

    /// Begins a run by the box on the page, and waits until it stops.
    async fn run(&self, goal: &str, mode: &str) -> RunId {
        let got = self.form("/console/runs", &[("goal", goal), ("mode", mode), ("money", "")]).await;
        assert_eq!(got.status, 303, "{}", got.text());
        let id = got.header("location").rsplit('/').next().unwrap().parse().unwrap();
        self.world.agent.wait(id).await.unwrap();
        id
    }
}

fn write(path: &str) -> ScriptedReply {
    calls("", &[("write_file", json!({"path": path, "text": "hello"}))])
}

fn mail(to: &str) -> ScriptedReply {
    calls("", &[("send_mail", json!({"to": to, "body": "hi"}))])
}

/// The ids of the questions on a page.
fn questions(page: &Got) -> Vec<String> {
    page.text()
        .split("data-question=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_run_is_begun_and_drawn() {
    let reader = Reader::new([write("a.md"), says("I wrote a.md.")]).await;
    let id = reader.run("Write a.md, <script>alert(1)</script> and all", "reflexive").await;
    let list = reader.page("/console/runs").await;
    assert!(list.text().contains(&format!("/console/runs/{id}")) && list.text().contains("done"));
    let page = reader.page(&format!("/console/runs/{id}")).await;
    let text = page.text();
    assert!(!text.contains(HOSTILE), "text is no markup");
    for part in
        ["I wrote a.md.", "write_file", "receipt", "data-step=\"3\"", "cloud/m", "Undo …", "data-over"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(" style="), "the policy allows no inline styles");
    assert!(text.contains("$0.003000"), "two calls");
    assert_eq!(text.matches("cloud/m").count(), 2, "each has the ledger's row");
    let korean = reader.page_in("ko", &format!("/console/runs/{id}")).await;
    assert!(korean.text().contains("실행 기록") && korean.text().contains("완료"));
}

#[tokio::test]
async fn only_those_who_administer_look() {
    let reader = Reader::new([]).await;
    for path in ["/console/runs", "/console/approvals", "/console/activity", "/console/runs/events"] {
        let got = reader.world.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((got.status.as_u16(), got.header("location")), (303, "/console/sign-in"), "{path}");
    }
    // A form of another site's making does nothing.
    let request = Request::post("/console/runs")
        .header("cookie", &reader.cookie)
        .header("sec-fetch-site", "cross-site");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(reader.world.send(request.body(Body::from("goal=x")).unwrap()).await.status, 403);
    assert!(reader.world.runs.all().is_empty());
    let missing = reader.page_in("en", "/console/runs/00000000000000000000000000000009").await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn a_box_that_makes_no_sense_comes_back() {
    let reader = Reader::new([]).await;
    let got = reader.form("/console/runs", &[("goal", "keep me"), ("money", "lots")]).await;
    assert_eq!(got.status, 422);
    assert!(
        got.text().contains("keep me") && got.text().contains("Check this field: money."),
        "{}",
        got.text()
    );
}

#[tokio::test]
async fn questions_are_answered_on_their_page_and_on_the_runs() {
    let reader = Reader::new([mail("kim@example.com"), says("I sent it.")]).await;
    let id = reader.run("Mail kim@example.com", "reflexive").await;
    let page = reader.page("/console/approvals").await;
    for part in [
        "May it use send_mail?",
        "cannot be undone",
        "&quot;to&quot;: &quot;kim@example.com&quot;",
        "+ To: kim@example.com",
        "needs your approval",
    ] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    let on_run = reader.page(&format!("/console/runs/{id}")).await;
    assert_eq!(questions(&page), questions(&on_run));
    let path = format!("/console/approvals/{}", questions(&page)[0]);
    let got = reader.form(&path, &[("answer", "grant"), ("back", &id.to_string())]).await;
    assert_eq!(got.header("location"), format!("/console/runs/{id}?done=granted"));
    reader.world.agent.wait(id).await.unwrap();
    assert_eq!(reader.world.read("outbox"), "kim@example.com: hi\n");
    let late = reader.form(&path, &[("answer", "deny"), ("back", "approvals")]).await;
    assert_eq!(late.header("location"), "/console/approvals?done=late");
    assert!(reader.page("/console/approvals").await.text().contains("Nothing waits for you"));
    // The rule that was granted lets the next one through.
    reader.world.model.script([mail("kim@example.com"), says("I sent it.")]);
    let next = reader.run("Mail kim@example.com once more", "reflexive").await;
    assert!(reader.page(&format!("/console/runs/{next}")).await.text().contains("I sent it."));
    // It stands below, and is taken back there.
    let page = reader.page("/console/approvals").await;
    for part in ["Allowed for good", "send_mail", "to=kim@example.com", &format!("/console/runs/{id}")] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    let (_, path) = page.text().split_once("/console/permissions/").expect("a form");
    let path = format!("/console/permissions/{}", path.split('"').next().unwrap());
    let got = reader.form(&path, &[]).await;
    assert_eq!(got.header("location"), "/console/approvals?done=revoked");
    let page = reader.page("/console/approvals?done=revoked").await;
    assert!(
        page.text().contains("Taken back.") && !page.text().contains("Allowed for good"),
        "{}",
        page.text()
    );
    reader.world.model.script([mail("kim@example.com")]);
    let asks = reader.run("Mail kim@example.com a third time", "reflexive").await;
    assert!(reader.page(&format!("/console/runs/{asks}")).await.text().contains("May it use send_mail?"));
}

#[tokio::test]
async fn like_questions_are_answered_at_once() {
    let reader = Reader::new([mail("a@x.org")]).await;
    let first = reader.run("Mail a@x.org", "reflexive").await;
    reader.world.model.script([mail("b@x.org")]);
    let second = reader.run("Mail b@x.org", "reflexive").await;
    let page = reader.page("/console/approvals").await;
    assert!(page.text().contains("Approve all 2"), "{}", page.text());
    let ids = questions(&page);
    reader.world.model.always(says("Done."));
    let got = reader
        .form("/console/approvals/all", &[("id", &ids[0]), ("id", &ids[1]), ("answer", "approve")])
        .await;
    assert_eq!(got.header("location"), "/console/approvals?done=answered");
    for run in [first, second] {
        reader.world.agent.wait(run).await.unwrap();
    }
    assert_eq!(reader.world.read("outbox").lines().count(), 2);
}

#[tokio::test]
async fn a_plan_is_drawn_and_agreed_to() {
    let reader = Reader::new([plan(&["write_file", "send_mail"])]).await;
    let id = reader.run("Write the report and mail it to kim@example.com", "deliberate").await;
    let page = reader.page(&format!("/console/runs/{id}")).await;
    assert!(page.text().contains("May it carry out this plan?"));
    assert!(
        page.text().contains("data-node=\"g1\"") && page.text().contains("class=\"edge\""),
        "{}",
        page.text()
    );
    let path = format!("/console/approvals/{}", questions(&page)[0]);
    reader.world.model.script([write("report.md"), mail("kim@example.com")]);
    reader.form(&path, &[("answer", "approve"), ("back", &id.to_string())]).await;
    reader.world.agent.wait(id).await.unwrap();
    assert_eq!(reader.world.read("report.md"), "hello");
    let page = reader.page(&format!("/console/runs/{id}")).await;
    assert!(page.text().contains("May it use send_mail?"), "each grave call is asked about all the same");
}

#[tokio::test]
async fn an_undo_shows_first_what_it_would_do() {
    let reader = Reader::new([write("a.md"), says("I wrote a.md.")]).await;
    let id = reader.run("Write a.md", "reflexive").await;
    let path = format!("/console/runs/{id}/undo");
    let look = reader.form(&path, &[]).await;
    assert!(
        look.text().contains("What an undo would do") && look.text().contains("Undo now"),
        "{}",
        look.text()
    );
    assert_eq!(reader.world.read("a.md"), "hello");
    let done = reader.form(&path, &[("sure", "yes")]).await;
    assert!(done.text().contains("Undone") && done.text().contains("Undo the undo"), "{}", done.text());
    assert!(!reader.world.folder.path().join("a.md").exists());
}

#[tokio::test]
async fn a_run_is_stopped() {
    let reader = Reader::new([ScriptedReply::hang()]).await;
    let got = reader.form("/console/runs", &[("goal", "wait for ever")]).await;
    let path = got.header("location").to_owned();
    assert!(reader.page(&path).await.text().contains("Stop the run"));
    assert_eq!(reader.form(&format!("{path}/cancel"), &[]).await.header("location"), path);
    assert!(reader.page(&path).await.text().contains("cancelled"));
}

#[tokio::test]
async fn a_page_keeps_itself_up_to_date() {
    let reader = Reader::new([mail("kim@example.com"), says("I sent it.")]).await;
    let id = reader.run("Mail kim@example.com", "reflexive").await;
    let open = |path: String| {
        let request = Request::get(path).header("cookie", &reader.cookie).body(Body::empty()).unwrap();
        let router = reader.world.router.clone();
        async move { router.oneshot(request).await.unwrap().into_body().into_data_stream() }
    };
    let mut list = open("/console/runs/events".into()).await;
    let mut one = open(format!("/console/runs/{id}/events")).await;
    let first = String::from_utf8(one.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.starts_with("event: parts") && first.contains("May it use send_mail?"), "{first}");
    let path = format!("/console/approvals/{}", questions(&reader.page("/console/approvals").await)[0]);
    reader.form(&path, &[("answer", "approve"), ("back", "approvals")]).await;
    let mut rest = String::new();
    while let Some(more) = one.next().await {
        rest.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
    }
    let texts = rest.split("event: text\ndata: ").skip(1).map(|rest| rest.split('\n').next().unwrap());
    let texts: String = texts.map(|text| serde_json::from_str::<String>(text).unwrap()).collect();
    assert_eq!(texts, "I sent it.");
    let (_, last) = rest.rsplit_once("event: end\ndata: ").expect("an end");
    let last: Value = serde_json::from_str(last.lines().next().unwrap()).unwrap();
    assert!(last.as_str().unwrap().contains("data-step=\"7\""), "{last}");
    let mut rows = String::new();
    while !rows.contains("done") {
        rows.push_str(std::str::from_utf8(&list.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(rows.contains(&id.to_string()));
}

#[tokio::test]
async fn activity_is_shown() {
    let reader = Reader::new([write("a.md"), says("I wrote it.")]).await;
    assert!(reader.page("/console/activity").await.text().contains("No runs in this period"));
    reader.run("Write a.md", "reflexive").await;
    let page = reader.page("/console/activity").await;
    for part in ["Mean steps", "5.0", "Failure rate", "write_file", "Tokens by day", "reflexive"] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    assert!(reader.page_in("ko", "/console/activity").await.text().contains("작성"));
}
