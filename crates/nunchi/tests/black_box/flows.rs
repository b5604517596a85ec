//! Workflow files and skills on the command line: what is wrong is told with its place, what is right is drawn and listed.

use crate::support::Home;
use serde_json::Value;

const FLOW: &str = "name = \"hello\"\n[params.who]\n[nodes.ask]\ntitle = \"인사말 쓰기\"\nprompt_file = \"ask.md\"\nnext = \"fine\"\n[nodes.fine]\nif = \"nodes.ask.text != ''\"\nthen = \"end\"\nelse = \"ask\"\nmax = 2\n[nodes.end]\nmerge = \"{{ nodes.ask.text }}\"\n";

#[test]
fn a_workflow_file_is_checked_and_drawn() {
    let home = Home::with_config("");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, FLOW).unwrap();
    std::fs::write(folder.path().join("ask.md"), "Greet {{ params.who }}.").unwrap();
    let ran = home.run(["flow", "check", path]);
    assert_eq!((ran.code, ran.out.trim()), (0, "hello: 3 nodes, 3 edges, no errors"), "{}", ran.err);
    let ran = home.run(["flow", "draw", path, "--lang", "ko"]);
    assert!(
        ran.out.starts_with("<svg ") && ran.out.contains("인사말 쓰기") && ran.out.contains("조건"),
        "{}",
        ran.out
    );

    let broken = FLOW.replace("next = \"fine\"", "next = \"gone\"").replace("ask.md", "../ask.md");
    std::fs::write(&file, broken.replace("max = 2\n", "")).unwrap();
    let ran = home.run(["flow", "check", path, "--lang", "ko"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("[workflow.invalid]") && ran.err.contains(":6:8: `gone`라는 노드가 없습니다"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("`../ask.md`을(를) 읽을 수 없습니다: it is outside the workflow's folder"),
        "{}",
        ran.err
    );
    let ran = home.run(["flow", "check", path, "--json"]);
    let error: Value = serde_json::from_str(ran.err.trim()).unwrap();
    assert_eq!(error["error"]["code"], "workflow.invalid");
}

#[test]
fn skills_are_made_checked_added_and_listed() {
    let home = Home::with_config("");
    let made = home.run(["skills", "new", "weekly-report", "--description", "주간 보고서: \"누구나\""]);
    assert_eq!(made.code, 0, "{}", made.err);
    let again = home.run(["skills", "new", "weekly-report", "-d", "x"]);
    assert!(again.code == 1 && again.err.contains("[skill.exists]"), "{}", again.err);
    let bad = home.run(["skills", "new", "../x", "-d", "x"]);
    assert!(bad.err.contains("[skill.name]"), "{}", bad.err);

    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("their-skill");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("SKILL.md"), "---\nname: other\ndescription: x\n---\n").unwrap();
    let path = theirs.to_str().unwrap();
    let ran = home.run(["skills", "validate", path]);
    assert!(
        ran.code == 1 && ran.err.contains("SKILL.md:2:7: the name `other` is not that of its folder"),
        "{}",
        ran.err
    );
    std::fs::write(
        theirs.join("SKILL.md"),
        "---\nname: their-skill\ndescription: x\nversion: 1\n---\nDo it.\n",
    )
    .unwrap();
    let ran = home.run(["skills", "validate", path]);
    assert!(ran.code == 0 && ran.out.contains("[skill.unknown_key]"), "{} {}", ran.out, ran.err);
    assert_eq!(home.run(["skills", "add", path]).code, 0);

    let ran = home.run(["skills", "list", "--json"]);
    let listed: Value = serde_json::from_str(&ran.out).unwrap();
    let skills: Vec<_> = listed["skills"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|skill| skill["origin"] == "home")
        .map(|skill| (skill["name"].as_str().unwrap(), skill["label"].as_str().unwrap()))
        .collect();
    assert_eq!(skills, [("their-skill", "stranger"), ("weekly-report", "tool")]);
    let ran = home.run(["skills", "show", "weekly-report", "--lang", "ko"]);
    assert!(
        ran.out.contains("weekly-report (홈, 내 것)") && ran.out.contains("주간 보고서: \"누구나\""),
        "{}",
        ran.out
    );
    assert!(home.run(["skills", "show", "gone"]).err.contains("[skill.unknown]"));
}
