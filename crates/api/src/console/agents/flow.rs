//! A workflow as a drawing: its nodes where they stand, each leading to its step.

use super::super::session::Session;
use super::run::Found;
use super::standing::{Standing, legend, of_node};
use maud::{Markup, PreEscaped, html};
use nunchi_agent::{NodeMark, Progress, Workflow, draw_marked_workflow};

/// The drawing.
pub(super) fn flow(session: &Session, workflow: &Workflow, progress: &Progress, found: &Found) -> Markup {
    let lang = session.taste.lang;
    let nodes = workflow.nodes.iter().zip(&progress.nodes);
    let standings: Vec<Standing> = nodes.map(|(node, progress)| of_node(node, progress, found)).collect();
    let mark = |index: usize| {
        let standing = standings.get(index)?;
        let (class, words) = (standing.stage.class(), standing.stage.words(lang));
        Some(NodeMark { class, words, href: standing.href() })
    };
    // What is drawn escapes all names itself. As an image its links would be hidden from readers of the page's words.
    let drawn = draw_marked_workflow(workflow, Some(progress), lang, &mark);
    let drawn = drawn.replacen("role=\"img\"", "role=\"group\"", 1);
    html! {
        div.dag.flow tabindex="0" role="group" aria-label=(workflow.name) { (PreEscaped(drawn)) }
        (legend(session, &standings))
    }
}
