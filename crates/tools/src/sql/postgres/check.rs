//! Judges statements: which tables, functions and forms they use. What is not known to be harmless is refused.

use super::super::rows::Cell;
use super::super::settings::{DatabaseSettings, TableAccess};
use super::super::statement::{is_plain, one_statement};
use super::value;
use nunchi_core::ToolError;
use sqlparser::ast::{
    Expr, ObjectName, Query, Statement, TableFactor, Value, ValueWithSpan, Visit, VisitMut, Visitor,
    VisitorMut,
};
use sqlparser::dialect::PostgreSqlDialect;
use std::ops::ControlFlow;

/// Functions that look at their arguments alone.
const HARMLESS: &str = " abs age array_agg array_length avg bool_and bool_or btrim cardinality ceil ceiling char_length
 character_length coalesce concat concat_ws count cume_dist current_date current_time current_timestamp date date_part
 date_trunc dense_rank every exp extract first_value floor format gen_random_uuid greatest initcap json_agg
 json_array_length json_build_object jsonb_agg jsonb_array_length jsonb_build_object jsonb_typeof lag last_value lead least
 left length ln localtime localtimestamp log lower ltrim make_date max md5 min mod mode now ntile nth_value nullif
 percent_rank percentile_cont percentile_disc position power random rank regexp_match regexp_replace replace reverse right
 round row_number rtrim sign split_part sqrt starts_with stddev string_agg strpos substr substring sum to_char to_date
 to_number to_timestamp trim trunc upper variance width_bucket ";

/// A statement that was judged.
pub(super) struct Checked {
    pub(super) statement: Statement,
    /// Names of its own `WITH`, which must not be those of tables.
    pub(super) named: Vec<String>,
    mark: String,
    parameters: Vec<Cell>,
}

/// Reads and judges a statement.
pub(super) fn check(
    settings: &DatabaseSettings,
    sql: &str,
    parameters: &[Cell],
) -> Result<Checked, ToolError> {
    let mut statement = one_statement(&PostgreSqlDialect {}, sql)?;
    let mut look = Look::default();
    if let ControlFlow::Break(error) = statement.visit(&mut look) {
        return Err(error);
    }
    for name in &look.tables {
        if !look.named.contains(name) && !settings.tables.contains_key(name) {
            return Err(not_allowed(format!("The table `{name}` may not be used.")));
        }
    }
    let wanted = look.places.iter().copied().max().unwrap_or(0);
    let all = (1..=wanted).all(|place| look.places.contains(&place));
    if wanted != parameters.len() || !all {
        let message =
            format!("The statement takes {wanted} parameters, and {} were given.", parameters.len());
        return Err(ToolError::new("sql.parameters", message).hint("Write $1, $2 and so on for the values."));
    }
    // A mark that stands nowhere in the statement, so that a value's place cannot be mistaken for text.
    let mark = (0..).map(|at| format!("$nunchi{at}_")).find(|mark| !sql.contains(mark.as_str()));
    let mark = mark.unwrap_or_default();
    let _all_visited: ControlFlow<()> = VisitMut::visit(&mut statement, &mut Mark(&mark));
    Ok(Checked { statement, named: look.named, mark, parameters: parameters.to_vec() })
}

impl Checked {
    /// A part of the statement as it is sent: as it was understood, with the values in their places.
    pub(super) fn text(&self, part: &impl ToString) -> Result<String, ToolError> {
        let whole = part.to_string();
        let mut pieces = whole.split(self.mark.as_str());
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
            let place: usize = piece[..end].parse().unwrap_or(0);
            let cell = self.parameters.get(place.wrapping_sub(1)).unwrap_or(&Cell::Null);
            text.push_str(&value(cell)?);
            text.push_str(&piece[end..]);
        }
        Ok(text)
    }
}

pub(super) fn not_allowed(message: String) -> ToolError {
    ToolError::new("sql.not_allowed", message)
        .hint("Use the tables you may use; sql_query without `sql` tells them.")
}

/// The name of a table, as the server would understand it.
pub(super) fn table_name(name: &ObjectName) -> Option<String> {
    let part = |part: &sqlparser::ast::ObjectNamePart| {
        let ident = part.as_ident()?;
        Some(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() })
    };
    let parts: Vec<_> = name.0.iter().map(part).collect::<Option<_>>()?;
    // A dot within a name would be taken for that before a schema.
    parts.iter().all(|part| !part.contains('.')).then(|| parts.join("."))
}

/// Refuses a table that may not be changed.
pub(super) fn must_write(settings: &DatabaseSettings, name: &ObjectName) -> Result<String, ToolError> {
    let name = table_name(name).unwrap_or_default();
    if settings.tables.get(&name) == Some(&TableAccess::Write) {
        return Ok(name);
    }
    Err(not_allowed(format!("The table `{name}` may not be changed.")))
}

#[derive(Default)]
struct Look {
    tables: Vec<String>,
    named: Vec<String>,
    places: Vec<usize>,
}

impl Visitor for Look {
    type Break = ToolError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<ToolError> {
        if !is_plain(query) {
            return ControlFlow::Break(not_allowed("A question within it would change or lock rows.".into()));
        }
        let own = query.with.iter().flat_map(|with| &with.cte_tables);
        self.named.extend(own.map(|own| {
            let ident = &own.alias.name;
            if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
        }));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<ToolError> {
        match table_name(name) {
            Some(name) => self.tables.push(name),
            None => return ControlFlow::Break(not_allowed(format!("`{name}` is no table."))),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<ToolError> {
        match factor {
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            other => ControlFlow::Break(not_allowed(format!("`{other}` is no table."))),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<ToolError> {
        if let Expr::Function(function) = expr {
            let name = function.name.to_string().to_lowercase();
            if !HARMLESS.split_whitespace().any(|harmless| harmless == name) {
                return ControlFlow::Break(not_allowed(format!("The function `{name}` may not be used.")));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &Value) -> ControlFlow<ToolError> {
        let wrong = |message: &str| {
            ControlFlow::Break(ToolError::new("sql.literal", message).hint("Give it as a parameter."))
        };
        match value {
            Value::Number(..) | Value::Boolean(_) | Value::Null => {}
            // Written anew it could come out as another text.
            Value::SingleQuotedString(text) if text.contains("''") => {
                return wrong("A text holds two quotes.");
            }
            Value::SingleQuotedString(_) => {}
            Value::Placeholder(place) => match place.strip_prefix('$').and_then(|place| place.parse().ok()) {
                Some(place @ 1..=1_000) => self.places.push(place),
                _ => return wrong("A place for a value is not written $1, $2 and so on."),
            },
            _ => return wrong("A text is written in an unusual way."),
        }
        ControlFlow::Continue(())
    }
}

/// Gives the places of values names that stand nowhere else.
struct Mark<'a>(&'a str);

impl VisitorMut for Mark<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(place), .. }) = expr {
            *place = format!("{}{}", self.0, place.trim_start_matches('$'));
        }
        ControlFlow::Continue(())
    }
}
