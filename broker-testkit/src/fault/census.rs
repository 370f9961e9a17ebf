//! How much a controller sent and heard, and what can go wrong on the way.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::harm::Harm;
use super::plan::{Fault, Plan};
use super::point::{Point, Series};

/// The counts of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Everything that was sent.
    pub requests: u32,
    /// Of these, what could change something.
    pub writes: u32,
    /// Of these, lists, page by page.
    pub lists: u32,
    /// Of these, watches.
    pub watches: u32,
    /// Events of the watches, bookmarks included.
    pub events: u32,
}

impl Census {
    /// How many there were of one series.
    pub const fn of(&self, series: Series) -> u32 {
        match series {
            Series::Request => self.requests,
            Series::Write => self.writes,
            Series::List => self.lists,
            Series::Watch => self.watches,
            Series::Event => self.events,
        }
    }

    /// Counts one more, and says which it is.
    pub(super) fn count(&mut self, series: Series) -> Point {
        let count = match series {
            Series::Request => &mut self.requests,
            Series::Write => &mut self.writes,
            Series::List => &mut self.lists,
            Series::Watch => &mut self.watches,
            Series::Event => &mut self.events,
        };
        *count = count.saturating_add(1);
        Point::Nth(series, NonZeroU32::new(*count).unwrap_or(NonZeroU32::MIN))
    }

    /// Every plan with a single fault that the way to the server can do ([`Harm::OF_TRANSPORT`]), at every request,
    /// write, list, watch and event of a run with these counts.
    ///
    /// The position of a plan in this list is its number: it depends on nothing but the counts.
    pub fn singles(&self) -> Vec<Plan> {
        self.plans(Harm::OF_TRANSPORT)
    }

    /// Every plan with one of these harms, at every point where it says something of its own: a reply is lost at
    /// writes, a request refused at all of them. Harm by harm, then from the first point to the last.
    pub fn plans(&self, harms: &[Harm]) -> Vec<Plan> {
        let mut plans = Vec::new();
        for harm in harms {
            for series in harm.homes() {
                let points =
                    (1..=self.of(*series)).filter_map(NonZeroU32::new).map(|n| Point::Nth(*series, n));
                plans.extend(points.filter_map(|at| Fault::new(at, *harm).ok()).map(Plan::from));
            }
        }
        plans
    }
}
