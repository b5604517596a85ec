//! Declared workflows: a graph from a file, carried out by the same machine as every other run.

mod check;
mod compile;
mod draw;
mod graph;
mod order;
mod parse;
mod parse_nodes;
mod problem;
mod progress;
mod request;
mod resume;
mod run;
mod templates;

pub use compile::{CompileError, CompiledWorkflow, PastRun, compile_workflow};
pub use draw::{NodeMark, draw_marked_workflow, draw_workflow};
pub use graph::{Baseline, Edge, Node, NodeWork, Param, ParamKind, PromptWork, When, Workflow};
pub use order::{Earlier, OrderError, WorkflowOrder};
pub use parse::{WorkflowSource, parse_workflow};
pub use problem::{WorkflowErrors, WorkflowProblem};
pub use progress::{NodeProgress, NodeResult, NodeStage, Progress};
pub use request::{Rehearsed, WorkflowRefused, WorkflowRequest};

pub(crate) use run::{ChildEnd, approval_spec};
