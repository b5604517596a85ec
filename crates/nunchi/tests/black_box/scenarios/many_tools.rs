//! Many tools: the model is shown those that the goal needs and finds the others, and what was sent once stays.

use super::stage::{Ended, Scenario, Talk, call, says};
use crate::support::Home;
use axum::Json;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use serde_json::{Value, json};

/// Tools of an office, as such servers declare them: name, what it does, argument.
const OFFICE: [(&str, &str, &str); 24] = [
    ("create_invoice", "Create an invoice for a customer with line items, tax and a due date.", "customer"),
    ("list_invoices", "List invoices, filtered by customer, status or period.", "status"),
    ("send_invoice", "Send an invoice to the customer by e-mail.", "invoice"),
    ("refund_payment", "Refund a payment in full or in part.", "payment"),
    ("get_exchange_rate", "Get the exchange rate between two currencies on a day.", "currency"),
    ("book_flight", "Book a flight between two airports on a date.", "route"),
    ("search_hotels", "Search hotels in a city for a stay, with price and rating.", "city"),
    ("cancel_booking", "Cancel a flight or hotel booking.", "booking"),
    ("create_calendar_event", "Create an event in the calendar with guests and a reminder.", "title"),
    ("list_calendar_events", "List the events of a day or week in the calendar.", "day"),
    ("find_free_slot", "Find a time at which all guests are free.", "guests"),
    ("get_weather_forecast", "Get the weather forecast of a city for the coming days.", "city"),
    ("create_ticket", "Create a support ticket with a priority and an assignee.", "subject"),
    ("close_ticket", "Close a support ticket with a resolution.", "ticket"),
    ("assign_ticket", "Assign a support ticket to a colleague.", "ticket"),
    ("search_contacts", "Search people in the address book by name or company.", "name"),
    ("add_contact", "Add a person to the address book.", "name"),
    ("translate_text", "Translate a text into another language.", "text"),
    ("track_parcel", "Track a parcel by its number and carrier.", "number"),
    ("order_supplies", "Order office supplies from the catalogue.", "item"),
    ("get_stock_level", "Get how many pieces of a product are in the warehouse.", "product"),
    ("update_stock_level", "Set how many pieces of a product are in the warehouse.", "product"),
    ("start_deployment", "Start the deployment of a service to an environment.", "service"),
    ("roll_back_deployment", "Roll the deployment of a service back to the last version.", "service"),
];

fn declared((name, description, argument): (&str, &str, &str)) -> Value {
    json!({
        "name": name, "description": description, "annotations": {"readOnlyHint": true},
        "inputSchema": {"type": "object", "required": [argument], "properties": {
            argument: {"type": "string", "description": format!("The {argument}, as it is known in the system.")},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "description": "Most results."},
            "dry_run": {"type": "boolean", "description": "Only check, change nothing."},
        }},
    })
}

async fn answer(Json(request): Json<Value>) -> Response {
    if request.get("id").is_none() {
        return StatusCode::ACCEPTED.into_response();
    }
    let result = match request["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "office", "version": "1"}}),
        "tools/list" => json!({"tools": OFFICE.map(declared)}),
        "tools/call" => {
            json!({"content": [{"type": "text", "text": match request["params"]["name"].as_str() {
                Some("get_stock_level") => "42 pieces",
                Some("track_parcel") => "out for delivery",
                _ => "done",
            }}]})
        }
        _ => json!({}),
    };
    Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).into_response()
}

/// The office, for as long as the test's process lives.
fn office() -> String {
    let (told, address) = std::sync::mpsc::channel();
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            told.send(listener.local_addr().expect("an address")).expect("somebody waits");
            let router = axum::Router::new().route("/mcp", post(answer));
            axum::serve(listener, router).await.expect("it serves");
        });
    };
    std::thread::Builder::new().name("office".into()).spawn(serve).expect("a thread");
    format!("http://{}/mcp", address.recv().expect("an address"))
}

fn with_office(url: &str) -> impl Fn(&Home) + use<> {
    let url = url.to_owned();
    move |home| {
        home.json(&["mcp", "add", "office", "--url", &url, "--trust-hints"]);
        home.json(&["mcp", "accept", "office"]);
    }
}

/// The tools that each call of the model was sent, and the bytes of their definitions.
fn sent(ended: &Ended) -> Vec<(Vec<String>, usize)> {
    let of = |body: &Value| {
        let tools = body["tools"].as_array().cloned().unwrap_or_default();
        let names = tools.iter().filter_map(|tool| tool["function"]["name"].as_str().map(str::to_owned));
        (names.collect(), tools.iter().map(|tool| tool.to_string().len()).sum())
    };
    ended.upstream.requests().iter().map(|seen| of(&seen.body)).collect()
}

/// How many tools there were and about how many tokens of definitions the first call was spared, as its ledger row says.
fn left_out(ended: &Ended) -> (usize, usize) {
    let ledger = rusqlite::Connection::open(ended.home.path("nunchi.db")).expect("a ledger");
    let sql = "SELECT notes FROM calls WHERE notes LIKE '%tools sent%' ORDER BY started LIMIT 1";
    let notes: String = ledger.query_row(sql, [], |row| row.get(0)).expect("a row that says so");
    let (before, after) = notes.split_once(" tools sent, about ").expect("its form");
    let number = |text: Option<&str>| text.and_then(|word| word.parse().ok()).expect("a number");
    (number(before.rsplit(' ').next()), number(after.split(' ').next()))
}

#[test]
fn a_goal_is_sent_the_tools_that_it_needs_and_finds_the_others() {
    let url = office();
    // A search for tools is the gateway's to answer, so the run's own turns do not count it.
    let script = |talk: &Talk| match talk.text() {
        _ if talk.turn() == 0 => call("office__get_stock_level", json!({"product": "blue pens"})),
        text if text.contains("out for delivery") => {
            says("There are 42 blue pens, and KR-1 is out for delivery.")
        }
        text if text.contains("office__track_parcel") => {
            call("office__track_parcel", json!({"number": "KR-1"}))
        }
        _ => call("find_tools", json!({"query": "track a parcel by its number"})),
    };
    let goal = "How many blue pens are in the warehouse? Then tell me where KR-1 is.";
    Scenario::new(goal, "reflexive", script)
        .config("[[permissions]]\ntool = \"office__*\"\nverdict = \"allow\"")
        .prepare(with_office(&url))
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{:#}", ended.run);
            assert_eq!((ended.done("office__get_stock_level"), ended.done("office__track_parcel")), (1, 1));
            let sent = sent(ended);
            let (first, bytes) = &sent[0];
            assert!(first.contains(&"office__get_stock_level".to_owned()), "{first:?}");
            assert!(first.contains(&"find_tools".to_owned()) && first.len() < 12, "{first:?}");
            assert!(!first.contains(&"office__track_parcel".to_owned()), "{first:?}");
            let (tools, saved) = left_out(ended);
            // About four bytes of a definition are a token.
            let share = saved * 100 / (saved + bytes / 4);
            println!(
                "{} of {tools} tools sent, {bytes} bytes; {share} % of the definitions' tokens left out",
                first.len()
            );
            assert!(tools > 30 && share >= 80, "{share} % of {tools} tools");
            if ended.was_killed {
                return;
            }
            for pair in sent.windows(2) {
                let [(before, _), (after, _)] = pair else { continue };
                assert!(before.iter().all(|name| after.contains(name)), "only grows: {before:?} {after:?}");
            }
            assert!(sent.last().is_some_and(|(names, _)| names.contains(&"office__track_parcel".to_owned())));
        })
        .plays();
}
