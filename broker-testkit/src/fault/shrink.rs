//! Smaller plans, for whoever looks for the smallest one that still breaks something.

use super::harm::{Failure, Harm, fewer, shorter};
use super::plan::{Fault, Plan};
use super::point::Point;

impl Plan {
    /// Plans that are smaller, the boldest steps first: without some of the faults, with a milder harm, with an earlier
    /// point, with a smaller parameter.
    ///
    /// A loop that goes on with the first candidate that still breaks ends by itself: with each step the number of
    /// faults goes down, or it stays and the weight of the harms goes down, or both stay and the points come earlier,
    /// or all of them stay and the parameters get smaller.
    pub fn shrink(&self) -> Vec<Self> {
        let faults: Vec<Fault> = self.faults().collect();
        let mut smaller = Vec::new();
        if faults.len() > 3 {
            let (first, second) = faults.split_at(faults.len() / 2);
            smaller.extend([first, second].map(|half| half.iter().copied().collect()));
        }
        let without = |fault: &Fault| self.faults().filter(|other| other != fault).collect::<Self>();
        smaller.extend(faults.iter().map(without));
        for change in [milder, earlier, lesser] {
            for fault in &faults {
                smaller.extend(change(fault).into_iter().map(|changed| {
                    let mut plan = without(fault);
                    plan.extend([changed]);
                    plan
                }));
            }
        }
        smaller
    }
}

fn milder(fault: &Fault) -> Vec<Fault> {
    let harms: &[Harm] = match fault.harm() {
        Harm::CrashAfter => &[Harm::CrashBefore, Harm::Lost],
        Harm::SilenceAfter | Harm::FailingAfter(_) => &[Harm::Lost],
        Harm::CrashBefore | Harm::Lost | Harm::Silence | Harm::Away(_) => &[Harm::Unreachable],
        Harm::Unreachable
        | Harm::Conflict
        | Harm::TooMany(_)
        | Harm::Unauthorized(_)
        | Harm::Failing(Failure::Internal | Failure::Timeout) => &[Harm::Failing(Failure::Unavailable)],
        Harm::Cut | Harm::Stall | Harm::Expired => &[Harm::End],
        Harm::Failing(Failure::Unavailable)
        | Harm::Slow(_)
        | Harm::Delay(_)
        | Harm::End
        | Harm::Repeat(_)
        | Harm::Stale(_)
        | Harm::Forward(_)
        | Harm::Back(_)
        | Harm::SliceLost(_)
        | Harm::SliceMoved => &[],
    };
    harms.iter().filter_map(|harm| Fault::new(fault.at(), *harm).ok()).collect()
}

fn earlier(fault: &Fault) -> Vec<Fault> {
    let points: Vec<Point> = match fault.at() {
        Point::Nth(series, n) => fewer(n).into_iter().map(|n| Point::Nth(series, n)).collect(),
        Point::Moment(after) => shorter(after).into_iter().map(Point::Moment).collect(),
    };
    points.into_iter().filter_map(|at| Fault::new(at, fault.harm()).ok()).collect()
}

fn lesser(fault: &Fault) -> Vec<Fault> {
    fault.harm().lesser().into_iter().filter_map(|harm| Fault::new(fault.at(), harm).ok()).collect()
}
