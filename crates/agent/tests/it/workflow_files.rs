//! Workflow files: what is read of them, and everything that is wrong with one, at once and where it stands.

use nunchi_agent::{
    NodeWork, OrderError, ParamKind, RunOrder, Workflow, WorkflowErrors, WorkflowOrder, WorkflowRequest,
    WorkflowSource, draw_workflow, parse_workflow,
};
use nunchi_core::{Explain, Lang, ToolSpec};
use serde_json::json;

const REVIEW: &str = include_str!("workflows/review.toml");

fn tools() -> Vec<ToolSpec> {
    let text = json!({"type": "string"});
    let read = json!({"type": "object", "required": ["path"], "properties": {"path": text}, "additionalProperties": false});
    let write = json!({"type": "object", "required": ["path", "text"], "properties": {"path": text, "text": text}, "additionalProperties": false});
    vec![ToolSpec::new("read_file", "", read), ToolSpec::new("write_file", "", write)]
}

fn read(name: &str, text: &str) -> Result<Workflow, WorkflowErrors> {
    let prompt = |file: &str| match file {
        "draft.md" => Ok("Draft.\nUse {{ nodes.nobody.text }}.".to_owned()),
        other => Err(format!("no file {other}")),
    };
    parse_workflow(&WorkflowSource { name, text, prompt: &prompt }, Some(&tools()))
}

/// `line:column code` of all that is wrong.
fn wrong(text: &str) -> Vec<String> {
    let errors = read("w.toml", text).expect_err("something is wrong");
    errors.0.iter().map(|problem| format!("{} {}", problem.at, problem.code)).collect()
}

#[test]
fn toml_and_yaml_say_the_same() {
    let toml = read("review.toml", REVIEW).unwrap_or_else(|errors| panic!("{errors}"));
    let yaml = read("review.yaml", include_str!("workflows/review.yaml"))
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(toml, yaml);
    assert_eq!(toml.tools(), ["read_file", "write_file"]);
    let ids: Vec<_> = toml.nodes.iter().map(|node| (node.id.as_str(), node.work.kind())).collect();
    assert_eq!(
        ids,
        [
            ("source", "tool"),
            ("draft", "prompt"),
            ("judge", "prompt"),
            ("good", "if"),
            ("consent", "approve"),
            ("save", "tool"),
            ("sorry", "merge")
        ]
    );
    assert!(matches!(&toml.nodes[1].work, NodeWork::Prompt(work) if work.turns == Some(3)));
    assert_eq!((toml.params[0].kind, toml.params[1].kind), (ParamKind::String, ParamKind::Integer));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = r#"name = "Wrong Name"
colour = "red"

[params.n]
type = "integer"
default = "three"

[nodes.a]
prompt = "About {{ params.topic }}"
tools = ["read_file", "read_mind"]
next = "b"

[nodes.b]
tool = "write_file"
args = { path = "x" }
next = ["c", "gone"]

[nodes.c]
if = "nodes.z.output > 1 and nodes.d.ok"
then = "a"
else = "d"

[nodes.d]
merge = "{{ nodes.a.words }} {{ oops"

[nodes.lost]
ask = "?"
"#;
    assert_eq!(
        wrong(text),
        [
            "1:8 workflow.value",
            "2:1 workflow.unknown_key",
            "6:11 workflow.value",
            "9:20 workflow.undefined",
            "10:23 workflow.unknown_tool",
            "15:8 workflow.arguments",
            "16:14 workflow.unknown_node",
            "19:7 workflow.undefined",
            "19:30 workflow.undefined",
            "20:8 workflow.endless",
            "24:9 workflow.template",
            "26:8 workflow.unreachable",
        ]
    );
    let errors = read("w.toml", text).unwrap_err();
    let korean = errors.message(Lang::Ko);
    assert!(
        korean.contains("오류가 12개") && korean.contains("w.toml:9:20: `topic`라는 매개변수가 없습니다"),
        "{korean}"
    );
    assert!(errors.message(Lang::En).contains("w.toml:26:8: nothing leads to the node `lost`"));
    assert_eq!((errors.code(), errors.hint(Lang::En).is_some()), ("workflow.invalid", true));
}

#[test]
fn loops_have_a_bound_one_entry_and_one_exit() {
    let graph = |edges: &str| {
        let nodes: String = ["a", "b", "c", "d"].map(|id| format!("[nodes.{id}]\nmerge = \"x\"\n")).concat();
        format!("name = \"w\"\n{nodes}{edges}")
    };
    let edge =
        |from: &str, to: &str, rest: &str| format!("[[edges]]\nfrom = \"{from}\"\nto = \"{to}\"\n{rest}");
    let chain = [edge("a", "b", ""), edge("b", "c", ""), edge("c", "d", "")].concat();
    let codes = |text: String| -> Vec<String> {
        let errors = read("w.toml", &text).map_or_else(|errors| errors.0, |_| Vec::new());
        errors.iter().map(|problem| problem.code.to_owned()).collect()
    };
    assert_eq!(codes(graph(&chain)), [""; 0]);
    let back = edge("c", "b", "max = 3\nwhen = \"nodes.c.visits < 9\"\n");
    assert_eq!(codes(graph(&[chain.clone(), back.clone()].concat())), [""; 0]);
    assert_eq!(codes(graph(&[chain.clone(), edge("c", "b", "")].concat())), ["workflow.endless"]);
    assert_eq!(codes(graph(&[chain.clone(), edge("b", "d", "max = 2\n")].concat())), ["workflow.bound"]);
    assert_eq!(
        codes(graph(&[chain.clone(), back.clone(), edge("b", "d", "")].concat())),
        ["workflow.loop_exit"]
    );
    assert_eq!(codes(graph(&[chain, back, edge("a", "c", "")].concat())), ["workflow.loop_entry"]);
}

#[test]
fn syntax_and_prompt_files() {
    assert_eq!(wrong("name = \n[nodes.a\n").len(), 2);
    let errors = read("w.yaml", "name: w\nnodes:\n  a: &x {merge: y}\n").unwrap_err();
    assert!(errors.0[0].message.contains("anchors") && errors.0[0].at.line == 3);
    let text = "name = \"w\"\n[nodes.a]\nprompt_file = \"draft.md\"\nnext = \"b\"\n[nodes.b]\nprompt_file = \"gone.md\"\n";
    let errors = read("w.toml", text).unwrap_err();
    let lines: Vec<_> = errors.0.iter().map(|problem| problem.line(Lang::En)).collect();
    assert_eq!(
        lines,
        [
            "draft.md:2:8: there is no node `nobody` [workflow.undefined]",
            "w.toml:6:15: `gone.md` cannot be read: no file gone.md [workflow.prompt_file]",
        ]
    );
    assert_eq!(wrong("name = \"w\"\n"), ["1:1 workflow.size"]);
    assert_eq!(wrong("name = \"w\"\n[nodes.a]\nask = \"x\"\ntool = \"read_file\"\n"), ["2:8 workflow.work"]);
}

#[test]
fn parameters_are_typed() {
    let workflow = || read("review.toml", REVIEW).unwrap();
    let given = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    let order = WorkflowOrder::new(workflow(), given(json!({"path": "a.md"}))).unwrap();
    assert_eq!(order.params, given(json!({"path": "a.md", "least": 7})));
    assert_eq!(order.goal(), "workflow review path=a.md least=7");
    let error = |params| WorkflowOrder::new(workflow(), given(params)).unwrap_err();
    assert_eq!(error(json!({})), OrderError::MissingParam("path".into()));
    assert_eq!(error(json!({"path": "a", "least": "7"})), OrderError::WrongParam("least".into(), "integer"));
    assert_eq!(error(json!({"path": "a", "x": 1})), OrderError::UnknownParam("x".into()));
    let texts = [("path".to_owned(), "a.md".to_owned()), ("least".to_owned(), "9".to_owned())];
    assert_eq!(WorkflowOrder::from_texts(workflow(), &texts).unwrap().params["least"], json!(9));
    let bad = [("least".to_owned(), "many".to_owned())];
    let error = WorkflowOrder::from_texts(workflow(), &bad).unwrap_err();
    assert_eq!(error.message(Lang::Ko), "매개변수 `least`은(는) integer 값이어야 합니다");
    assert_eq!(ParamKind::List.read("a, b"), Some(json!(["a", "b"])));
}

/// The numbers of an attribute that a drawing gives to elements of one kind.
fn boxes(svg: &str) -> Vec<[i32; 4]> {
    let attribute = |line: &str, name: &str| -> Option<i32> {
        line.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.parse().ok()
    };
    svg.lines()
        .filter_map(|line| line.split("<rect").nth(1))
        .filter_map(|rect| {
            Some([
                attribute(rect, "x")?,
                attribute(rect, "y")?,
                attribute(rect, "width")?,
                attribute(rect, "height")?,
            ])
        })
        .collect()
}

#[test]
fn a_drawing_shows_every_node_and_none_overlap() {
    let workflow = read("review.toml", REVIEW).unwrap();
    let svg = draw_workflow(&workflow, None, Lang::Ko);
    assert_eq!(svg, draw_workflow(&workflow, None, Lang::Ko));
    for id in ["source", "draft", "judge", "good", "consent", "save", "sorry"] {
        assert!(svg.contains(&format!("<g id=\"node-{id}\"")), "{id}");
    }
    assert!(svg.contains(">저장할까요?<") && svg.contains(">승인<") && svg.contains(">아니요 ×2<"), "{svg}");
    let boxes = boxes(&svg);
    assert_eq!(boxes.len(), 6, "all but the condition");
    for (at, [x, y, width, height]) in boxes.iter().enumerate() {
        assert!(*x >= 0 && *y >= 0);
        for [other_x, other_y, other_width, other_height] in &boxes[at + 1..] {
            let apart = x + width <= *other_x
                || other_x + other_width <= *x
                || y + height <= *other_y
                || other_y + other_height <= *y;
            assert!(apart, "{boxes:?}");
        }
    }
    let hostile = "name = \"w\"\n[nodes.a]\ntitle = \"<script>alert('x')</script>\"\nmerge = \"x\"\n";
    let svg = draw_workflow(&read("w.toml", hostile).unwrap(), None, Lang::En);
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"));
}

#[test]
fn a_request_is_checked_and_rehearsed_without_doing_anything() {
    let request = |params: serde_json::Value, from: Option<&str>| WorkflowRequest {
        file: "review.toml".into(),
        text: REVIEW.into(),
        params: params.as_object().cloned().unwrap_or_default(),
        from: from.map(str::to_owned),
        ..WorkflowRequest::default()
    };
    let order = request(json!({"path": "a.md", "least": "9"}), None).order(&tools()).unwrap();
    assert_eq!(order.params["least"], json!(9), "a command line gives texts");
    let mut run = RunOrder::new(nunchi_core::RunId(uuid::Uuid::nil()), order.goal());
    run.tools = tools();
    run.tools[1].effect = nunchi_core::EffectClass::Compensable;
    run.workflow = Some(Box::new(order));
    let rehearsed = run.rehearsed();
    assert_eq!(rehearsed.len(), 7);
    assert_eq!(rehearsed[0].arguments, Some(json!({"path": "a.md"})));
    assert_eq!(rehearsed[0].verdict, Some(nunchi_core::Verdict::Allow));
    let save = &rehearsed[5];
    assert_eq!(
        (save.effect, save.verdict, &save.arguments),
        (nunchi_core::EffectClass::Compensable, None, &None)
    );
    let refused = |params, from| request(params, from).order(&tools()).unwrap_err().code();
    assert_eq!(refused(json!({}), None), "workflow.param");
    assert_eq!(refused(json!({"path": "a", "least": "x"}), None), "workflow.param");
    assert_eq!(refused(json!({"path": "a"}), Some("gone")), "workflow.unknown_node");
    assert_eq!(refused(json!({"path": "a"}), Some("save")), "workflow.not_reached");
    assert_eq!(request(json!({}), None).order(&[]).unwrap_err().code(), "workflow.invalid");
}
