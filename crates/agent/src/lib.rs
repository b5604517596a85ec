//! One run of an agent: a pure turn machine (`step`) and the driver that performs its effects through ports.
//!
//! It is handed a `core::Model` and nothing else that can spend.

mod calls;
mod circles;
mod desk;
mod driver;
mod effect;
mod ending;
mod guards;
mod judge;
mod machine;
mod masks;
mod memory;
mod modes;
mod offers;
mod order;
mod people;
mod planning;
mod prompts;
mod recall;
mod record;
mod remote;
mod results;
mod state;
mod thinking;
mod undo;
mod verifying;
mod waves;
mod workflow;

pub use desk::{DeskParts, Offer, OfferFor, OrderDesk, PriceOf, RunRequest, SessionBudget};
pub use driver::{Agent, AgentError, AgentParts, RunEvent};
pub use effect::{ChildResult, Effect, EffectId, Event, ModelAsk, ModelFailure, ModelReply, Notice, Work};
pub use judge::{Judge, JudgeCase, JudgeError, JudgeParts, JudgeSource, JudgeWish, RunFacts, rule_scores};
pub use machine::{Transition, step};
pub use memory::{
    Conversation, LearnReport, MemoryEncoder, MemoryKeeper, MemoryParts, MemorySettings, SaidTurn,
};
pub use modes::choose_mode;
pub use order::{Brief, RunOrder};
pub use remote::{CallDesk, CallDeskParts, CallOrder};
pub use state::{Phase, RunState};
pub use thinking::request_for;
pub use workflow::{
    Baseline, CompileError, CompiledWorkflow, Earlier, Edge, Node, NodeMark, NodeProgress, NodeResult,
    NodeStage, NodeWork, OrderError, Param, ParamKind, PastRun, Progress, PromptWork, Rehearsed, When,
    Workflow, WorkflowErrors, WorkflowOrder, WorkflowProblem, WorkflowRefused, WorkflowRequest,
    WorkflowSource, compile_workflow, draw_marked_workflow, draw_workflow, parse_workflow,
};
