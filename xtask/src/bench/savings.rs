//! The savings suite: a day and a month replayed under several policies, a sample of the day really sent, times, and what the
//! semantic cache shares.

use super::load::{Connection, request};
use super::page::Section;
use super::servers::{Bench, Server, scratch};
use crate::workload::{Call, Hours, Source, day, month, write};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Requests of the day that are really sent.
const SAMPLE: usize = 300;
/// Tokens of the scripted answer.
const ANSWER_TOKENS: u64 = 6;

/// Models by tier, and what savings are counted against.
const CASCADE: &str = "[tiers]\ntrivial = [\"ollama/llama3.2:3b\"]\nstandard = [\"openai/gpt-6-luna\"]\ncomplex = [\"anthropic/claude-opus-5-5\"]\nbaseline = \"anthropic/claude-opus-5-5\"\n";

/// The policies, by name: the tiers above, and what is changed.
fn policies() -> [(&'static str, String); 6] {
    let thrifty =
        CASCADE.replace("complex = [\"anthropic/claude-opus-5-5\"]", "complex = [\"gemini/gemini-4-argon\"]");
    let one = CASCADE
        .replace("gpt-6-luna", "gpt-6.1-sol")
        .replace("[\"anthropic/claude-opus-5-5\"]", "[\"openai/gpt-6.1-sol\"]");
    [
        ("cascade", CASCADE.to_owned()),
        ("one-model", one),
        ("tools", format!("{CASCADE}[tools]\nselect = true\n")),
        ("everything", format!("{CASCADE}[compress]\nmode = \"auto\"\n")),
        ("thrifty", format!("{thrifty}[compress]\nmode = \"auto\"\n")),
        ("thrifty-labelled", format!("{thrifty}[compress]\nmode = \"auto\"\n[replay]\ntiers = \"labels\"\n")),
    ]
}

/// A folder with the policies and the workloads.
struct Desk<'a> {
    bench: &'a Bench,
    folder: PathBuf,
}

/// Runs the suite.
pub(crate) fn run(root: &Path, data: &str) -> Result<Section> {
    let data = std::path::absolute(data).context("the folder of data")?;
    let bench = Bench::quick(root)?;
    let desk = Desk { bench: &bench, folder: scratch("savings")? };
    for (name, text) in policies() {
        std::fs::write(desk.path(&format!("{name}.toml")), text)?;
    }
    let source = Source::read(&data)?;
    let mut text = String::from("`cargo xtask bench --suite savings --data DIR`\n\n");
    // Shown as it comes: the whole takes a quarter of an hour.
    let mut tell = |part: String| {
        print!("{part}");
        text.push_str(&part);
    };
    for (title, calls, names) in [
        ("The day, nine to six", day(&source, Hours::Office)?, &["cascade", "one-model", "tools"][..]),
        (
            "The day, evenly around the clock",
            day(&source, Hours::Even)?,
            &["cascade", "one-model", "tools"][..],
        ),
        ("The month", month(&source)?, &["cascade", "everything", "thrifty", "thrifty-labelled"][..]),
    ] {
        eprintln!("replaying: {title} …");
        let reports = desk.replay(&calls, names)?;
        tell(replayed(title, &reports)?);
    }
    eprintln!("sending a sample …");
    tell(desk.sample(&day(&source, Hours::Office)?)?);
    for (title, package, example) in [
        ("Times, two cores", "nunchi", "saving_speed"),
        ("What is shared by meaning", "nunchi-saving", "eval_guard"),
    ] {
        eprintln!("measuring: {title} …");
        let printed = example_of(root, package, example, &data)?;
        let tables = printed.split("As the gateway serves").last().unwrap_or_default();
        let table: Vec<&str> = tables.lines().filter(|line| line.starts_with('|')).collect();
        tell(format!("### {title}\n\n{}\n\n", table.join("\n")));
    }
    std::fs::remove_dir_all(&desk.folder)?;
    Ok(Section { name: "savings".into(), text })
}

impl Desk<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Replays calls under policies.
    fn replay(&self, calls: &[Call], names: &[&str]) -> Result<Vec<Value>> {
        let file = self.path("calls.jsonl");
        write(calls, &file)?;
        self.replay_file(&file, names)
    }

    fn replay_file(&self, file: &Path, names: &[&str]) -> Result<Vec<Value>> {
        let mut command = Command::new(&self.bench.nunchi);
        command.arg("replay").arg(file).args(["--json", "--home"]).arg(self.path("home"));
        for name in names {
            command.arg("--policy").arg(self.path(&format!("{name}.toml")));
        }
        let found = answer(&mut command)?;
        if found["meaning"] != json!(true) {
            bail!("the sentence encoder is not here: `nunchi models pull` fetches it");
        }
        Ok(found["policies"].as_array().context("no policies")?.clone())
    }

    /// Sends the beginning of a day through the real gateway, one after the other, and puts its ledger beside the simulation.
    fn sample(&self, calls: &[Call]) -> Result<String> {
        let mut order: Vec<&Call> = calls.iter().collect();
        order.sort_by_key(|call| call.at);
        // The real run takes seconds, so the simulated one does; an upstream without a cache of prefixes is simulated without one.
        let lines: Vec<Value> = order
            .into_iter()
            .take(SAMPLE)
            .enumerate()
            .map(|(at, call)| {
                let mut line = call.line();
                line["at"] = json!(1_793_491_200 + at);
                line["output_tokens"] = json!(ANSWER_TOKENS);
                if let Some(fields) = line.as_object_mut() {
                    fields.remove("session");
                }
                line
            })
            .collect();
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        let file = self.path("sample.jsonl");
        std::fs::write(&file, text.join("\n"))?;
        std::fs::write(self.path("sample.toml"), format!("{CASCADE}[replay]\nprefixes = false\n"))?;
        let simulated = self.replay_file(&file, &["sample"])?.remove(0);
        let upstream = self.bench.silent_upstream()?;
        let nunchi = self.bench.nunchi_with(&upstream, CASCADE, &["ollama", "openai", "anthropic"])?;
        send(&nunchi, &lines)?;
        let home = nunchi.home.as_ref().context("no home")?;
        let booked = answer(
            Command::new(&self.bench.nunchi)
                .args(["stats", "--savings", "--period", "all", "--json", "--home"])
                .arg(home),
        )?;
        sample_table(&booked, &simulated["savings"])
    }
}

/// Sends the bodies in order, each when the one before is answered.
fn send(nunchi: &Server, lines: &[Value]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(nunchi.address).await?;
        for line in lines {
            let body = line["body"].to_string();
            let status = connection.exchange(&request(nunchi.key.as_deref(), &body)).await?;
            if status != 200 {
                bail!("status {status}");
            }
            // An answer is kept behind its reply.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        Ok(())
    })
}

fn answer(command: &mut Command) -> Result<Value> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What an example prints.
fn example_of(root: &Path, package: &str, example: &str, data: &Path) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["run", "--release", "-q", "-p", package, "--example", example])
        .args(super::servers::QUICK)
        .arg("--")
        .arg("--data")
        .arg(data)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("{example} failed");
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// Dollars of billionths, with four decimals.
fn usd(value: &Value) -> String {
    let nanos = number(value);
    let ten_thousandths = (nanos.abs() + 50_000) / 100_000;
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}${}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

/// A share in percent with one decimal.
fn percent(part: i64, whole: i64) -> String {
    let tenths = i128::from(part) * 1_000 / i128::from(whole.max(1));
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{} %", tenths.abs() / 10, tenths.abs() % 10)
}

/// A line of a table: a name, and a cell for every policy.
fn line(text: &mut String, name: &str, reports: &[Value], cell: impl Fn(&Value) -> String) {
    let cells: Vec<String> = reports.iter().map(cell).collect();
    let _infallible = writeln!(text, "| {name} | {} |", cells.join(" | "));
}

fn wrong(among: &Value) -> String {
    let (wrong, labelled) = (number(&among["wrong"]), number(&among["labelled"]));
    if labelled == 0 { "-".into() } else { format!("{wrong} of {labelled} ({})", percent(wrong, labelled)) }
}

/// The table of a workload.
fn replayed(title: &str, reports: &[Value]) -> Result<String> {
    let names: Vec<&str> = reports.iter().filter_map(|report| report["policy"].as_str()).collect();
    let mut text =
        format!("### {title}\n\n| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let tokens = |report: &Value, name: &str| number(&report["tokens"][name]);
    let fewer = |report: &Value, name: &str| {
        let (came, left) = (tokens(report, "came"), tokens(report, name));
        format!("{left} (-{})", percent(came - left, came))
    };
    line(&mut text, "prompt tokens as they came", reports, |report| tokens(report, "came").to_string());
    line(&mut text, "sent to any model", reports, |report| fewer(report, "sent"));
    line(&mut text, "**worth in full-price tokens**", reports, |report| fewer(report, "full_price"));
    line(&mut text, "baseline", reports, |report| usd(&report["savings"]["baseline"]));
    line(&mut text, "**spent**", reports, |report| {
        let (spent, whole) = (&report["savings"]["spent"], number(&report["savings"]["baseline"]));
        format!("{} (-{})", usd(spent), percent(whole - number(spent), whole))
    });
    for (cause, name) in [
        ("exact", "exact cache"),
        ("semantic", "shared by meaning"),
        ("tier", "cheaper models"),
        ("tools", "tools not sent"),
        ("prompt_cache", "prompt cache"),
        ("compression", "compression"),
        ("batch", "batches"),
    ] {
        line(&mut text, &format!("saved: {name}"), reports, |report| {
            percent(number(&report["savings"][cause]), number(&report["savings"]["baseline"]))
        });
    }
    for (figure, name) in [
        ("exact", "another's answer, exact cache"),
        ("semantic", "another's answer, by meaning"),
        ("under_routed", "tier lower than labelled"),
        ("over_routed", "tier higher than labelled"),
        ("tools", "needed tool left out"),
        ("answers", "answers wrong, of those known"),
    ] {
        line(&mut text, &format!("quality: {name}"), reports, |report| wrong(&report["quality"][figure]));
    }
    let floors = reports.first().and_then(|report| report["floors"].as_array()).context("no floors")?;
    let _infallible = writeln!(
        text,
        "\n| beside it, without any cache | spent | of the baseline | lower tier than labelled | answers wrong |\n|---|---|---|---|---|"
    );
    let whole = number(&reports[0]["savings"]["baseline"]);
    for floor in floors {
        let name = floor["name"].as_str().unwrap_or_default();
        let (spent, under) = (&floor["spent"], wrong(&floor["under_routed"]));
        let _infallible = writeln!(
            text,
            "| {name} | {} | {} | {under} | {} |",
            usd(spent),
            percent(number(spent), whole),
            wrong(&floor["answers"])
        );
    }
    text.push('\n');
    Ok(text)
}

fn sample_table(booked: &Value, simulated: &Value) -> Result<String> {
    let mut text = format!(
        "### The first {SAMPLE} requests of the day, really sent\n\n| | ledger | simulated |\n|---|---|---|\n"
    );
    for (name, field) in [
        ("baseline", "baseline"),
        ("spent", "spent"),
        ("exact cache", "exact"),
        ("shared by meaning", "semantic"),
        ("cheaper models", "tier"),
    ] {
        let _infallible = writeln!(text, "| {name} | {} | {} |", usd(&booked[field]), usd(&simulated[field]));
    }
    let _infallible =
        writeln!(text, "| calls | {} | {} |\n", number(&booked["calls"]), number(&simulated["calls"]));
    Ok(text)
}
