//! Everybody on every interface, by every address that they can have: the directed broadcast address, 255.255.255.255
//! and ff02::1. Each reaches hosts that the others miss: with another netmask, without an address yet, without IPv4.

use crate::engine::broadcast::{Choice, Form, Plan, plan};
use crate::model::event::{Notice, Skipped};
use crate::model::interface::Table;
pub use crate::model::target::DISCOVERY_PORT;
use crate::model::{Error, Family, Link, Selector, Unusable};

/// Whom to reach.
#[derive(Clone, Debug)]
pub struct Reach {
    /// On these interfaces only; none means every one that can.
    pub interfaces: Vec<Selector>,
    /// Over this IP version only.
    pub family: Option<Family>,
    /// At this port.
    pub port: u16,
}

impl Default for Reach {
    fn default() -> Self {
        Self { interfaces: Vec::new(), family: None, port: DISCOVERY_PORT }
    }
}

impl Reach {
    /// The list of addresses, and the interfaces that none of them is on, with the reason.
    ///
    /// # Errors
    /// [`Error::NoSuchInterface`], or [`Error::NothingToBroadcastOn`] with every reason.
    pub fn plan(&self, table: &Table) -> Result<Plan, Error> {
        let mut all = Plan::default();
        for form in self.forms() {
            let choice =
                Choice { interfaces: self.interfaces.clone(), form: *form, mask_derived: false, port: self.port };
            match plan(table, &choice) {
                Ok(one) => {
                    all.destinations.extend(one.destinations);
                    all.skipped.extend(one.skipped);
                    all.notices.extend(one.notices);
                }
                Err(Error::NothingToBroadcastOn { skipped }) => all.skipped.extend(skipped),
                Err(error) => return Err(error),
            }
        }
        // Hosts configured otherwise hear 255.255.255.255, which is among the forms.
        all.notices.retain(|notice| !matches!(notice, Notice::OddBroadcast(..)));
        leave_out_ipv6_loopback(&mut all, table);
        let reached = |skipped: &Skipped| all.destinations.iter().any(|to| to.link.as_ref() == Some(&skipped.link));
        let mut told = Vec::new();
        let mut skipped = std::mem::take(&mut all.skipped);
        // One reason for each interface: the first, which is that of the commonest way.
        skipped.retain(|skipped| !reached(skipped) && is_new(&mut told, skipped.link.index));
        if all.destinations.is_empty() {
            return Err(Error::NothingToBroadcastOn { skipped });
        }
        // Nobody expects their own loopback among "every interface".
        skipped.retain(|skipped| skipped.why != Unusable::Loopback);
        Ok(Plan { skipped, ..all })
    }

    /// The same; for a run that `follows` the interfaces, that nobody can be reached yet is nothing but a notice.
    ///
    /// # Errors
    /// As for [`Reach::plan`].
    pub fn plan_or_wait(&self, table: &Table, follows: bool) -> Result<Plan, Error> {
        match self.plan(table) {
            Err(Error::NothingToBroadcastOn { skipped }) if follows => {
                Ok(Plan { skipped, notices: vec![Notice::NoInterfaceYet], ..Plan::default() })
            }
            plan => plan,
        }
    }

    const fn forms(&self) -> &'static [Form] {
        match self.family {
            None => &[Form::Directed, Form::Limited, Form::AllNodes],
            Some(Family::V4) => &[Form::Directed, Form::Limited],
            Some(Family::V6) => &[Form::AllNodes],
        }
    }
}

/// On loopback everybody is reached over IPv4, and many a system has no route to ff02::1 there.
fn leave_out_ipv6_loopback(plan: &mut Plan, table: &Table) {
    let is_loopback = |link: &Link| table.rows().iter().any(|row| row.facts.loopback && row.link() == link);
    let over_ipv4: Vec<Link> = plan
        .destinations
        .iter()
        .filter(|to| to.address.is_ipv4())
        .filter_map(|to| to.link.clone())
        .filter(is_loopback)
        .collect();
    plan.destinations
        .retain(|to| to.address.is_ipv4() || !to.link.as_ref().is_some_and(|link| over_ipv4.contains(link)));
}

fn is_new(told: &mut Vec<u32>, index: u32) -> bool {
    let new = !told.contains(&index);
    told.push(index);
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Interface;
    use crate::model::interface::Facts;

    fn row(index: u32, name: &str, address: Option<(&str, u8)>) -> Facts {
        Facts::plain(index, name, address)
    }

    fn table() -> Table {
        let lo = Facts { loopback: true, can_broadcast: false, ..row(1, "lo", Some(("127.0.0.1", 8))) };
        let down = Facts { up: false, ..row(4, "down0", Some(("10.4.0.1", 24))) };
        let rows = [
            lo.clone(),
            Facts { address: Some(("::1".parse().unwrap(), 128)), ..lo },
            row(2, "e0", Some(("10.2.0.1", 24))),
            row(2, "e0", Some(("10.2.0.33", 24))),
            row(2, "e0", Some(("fe80::2", 64))),
            row(3, "six", Some(("fe80::3", 64))),
            down,
        ];
        Table::new(rows.map(Interface::judge).to_vec())
    }

    #[test]
    fn every_address_of_every_interface_and_one_reason_for_each_that_has_none() {
        let plan = Reach::default().plan(&table()).unwrap();
        let to: Vec<String> = plan.destinations.iter().map(|to| to.address.to_string()).collect();
        assert_eq!(to, ["10.2.0.255:1061", "255.255.255.255:1061", "[ff02::1%2]:1061", "[ff02::1%3]:1061"]);
        let skipped: Vec<_> = plan.skipped.iter().map(|skipped| (&*skipped.link.name, skipped.why)).collect();
        assert_eq!(skipped, [("down0", Unusable::Down)]);
    }

    #[test]
    fn an_odd_broadcast_address_is_no_news_where_everybody_is_reached_by_another() {
        let odd = Facts { reported: Some([10, 2, 0, 127].into()), ..row(2, "e0", Some(("10.2.0.1", 24))) };
        let table = Table::new(vec![Interface::judge(odd)]);
        let plan = Reach::default().plan(&table).unwrap();
        let to: Vec<String> = plan.destinations.iter().map(|to| to.address.to_string()).collect();
        assert_eq!(to, ["10.2.0.127:1061", "255.255.255.255:1061"]);
        assert!(plan.notices.is_empty(), "{:?}", plan.notices);
    }

    #[test]
    fn loopback_is_used_only_where_it_is_named_and_an_ip_version_can_be_chosen() {
        let reach = |name: &str, family| {
            let reach = Reach { interfaces: vec![name.parse().unwrap()], family, ..Reach::default() };
            reach.plan(&table()).map(|plan| plan.destinations.iter().map(|to| to.address.to_string()).collect())
        };
        let lo: Vec<String> = reach("lo", None).unwrap();
        assert_eq!(lo, ["127.255.255.255:1061", "255.255.255.255:1061"]);
        assert_eq!(reach("e0", Some(Family::V6)).unwrap(), ["[ff02::1%2]:1061"]);
        assert!(matches!(reach("down0", None), Err(Error::NothingToBroadcastOn { skipped }) if skipped.len() == 1));
        let down = Reach { interfaces: vec!["down0".parse().unwrap()], ..Reach::default() };
        let waits = down.plan_or_wait(&table(), true).unwrap();
        assert!(waits.destinations.is_empty() && matches!(waits.notices[..], [Notice::NoInterfaceYet]));
        assert!(matches!(down.plan_or_wait(&table(), false), Err(Error::NothingToBroadcastOn { .. })));
        assert!(matches!(reach("e9", None), Err(Error::NoSuchInterface { .. })));
    }
}
