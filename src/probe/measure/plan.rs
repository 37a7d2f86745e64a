//! Which addresses of a hop are dialled, in which order, and how many.

use std::net::IpAddr;

/// How far the name servers have got.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Every own resolver has answered or given up.
    pub(super) own_done: bool,
    /// The reference has answered or given up.
    pub(super) reference_done: bool,
    /// Addresses that only the reference gave may be dialled by now.
    pub(super) control_open: bool,
}

/// The addresses of one hop. Own ones come first; a third of the places is kept for those that only the reference
/// gave, because a forged answer with many addresses would else hide the true ones; one place is kept for the
/// rarer family.
#[derive(Debug)]
pub(super) struct AddressPlan {
    max: usize,
    ipv6: bool,
    own: Vec<IpAddr>,
    control: Vec<IpAddr>,
    dialled: Vec<IpAddr>,
    /// Own answers that are never dialled.
    refused: Vec<IpAddr>,
}

impl AddressPlan {
    /// A plan for at most `max` addresses. Without `ipv6`, IPv6 addresses are dialled only when there are no others.
    pub(super) fn new(max: usize, ipv6: bool) -> Self {
        Self { max: max.max(1), ipv6, own: Vec::new(), control: Vec::new(), dialled: Vec::new(), refused: Vec::new() }
    }

    pub(super) fn add_own(&mut self, ip: IpAddr) {
        if !self.own.contains(&ip) {
            self.own.push(ip);
        }
    }

    /// Notes that an own resolver gave an address that is not to be dialled.
    pub(super) fn refuse_own(&mut self, ip: IpAddr) {
        if !self.refused.contains(&ip) {
            self.refused.push(ip);
        }
    }

    pub(super) fn add_control(&mut self, ip: IpAddr) {
        if !self.control.contains(&ip) {
            self.control.push(ip);
        }
    }

    /// Whether an own resolver gave it.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        self.own.contains(&ip) || self.refused.contains(&ip)
    }

    /// The addresses that were given out.
    pub(super) fn dialled(&self) -> &[IpAddr] {
        &self.dialled
    }

    /// The own addresses given out so far, first ones first.
    pub(super) fn dialled_own(&self) -> impl Iterator<Item = IpAddr> {
        self.dialled.iter().copied().filter(|ip| self.own.contains(ip))
    }

    /// The addresses to dial now. Each is given out once.
    pub(super) fn next(&mut self, progress: Progress) -> Vec<IpAddr> {
        let all_done = progress.own_done && progress.reference_done;
        let no_v4 = !self.own.iter().chain(&self.control).any(IpAddr::is_ipv4);
        let usable = |ip: &&IpAddr| ip.is_ipv4() || self.ipv6 || (all_done && no_v4);
        let own: Vec<IpAddr> = self.own.iter().filter(usable).copied().collect();
        let control: Vec<IpAddr> =
            self.control.iter().filter(usable).filter(|ip| !self.own.contains(ip)).copied().collect();

        let share = self.max / 3;
        let kept_for_control = if progress.reference_done { share.min(control.len()) } else { share };
        let mut chosen = self.choose(&own, self.max - kept_for_control, !progress.own_done);
        self.dialled.extend(&chosen);
        if progress.control_open {
            let more = self.choose(&control, self.max, false);
            self.dialled.extend(&more);
            chosen.extend(more);
        }
        chosen
    }

    fn choose(&self, candidates: &[IpAddr], places: usize, more_may_come: bool) -> Vec<IpAddr> {
        let mut chosen: Vec<IpAddr> = Vec::new();
        for &ip in candidates.iter().filter(|ip| !self.dialled.contains(ip)) {
            let free = places.saturating_sub(self.dialled.len() + chosen.len());
            let other_has_none = !self.dialled.iter().chain(&chosen).any(|dialled| dialled.is_ipv4() != ip.is_ipv4());
            let other_waits = candidates.iter().any(|other| other.is_ipv4() != ip.is_ipv4());
            let other_may_come = more_may_come && (self.ipv6 || ip.is_ipv6());
            let kept = usize::from(places > 1 && other_has_none && (other_waits || other_may_come));
            if free > kept {
                chosen.push(ip);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Progress = Progress { own_done: true, reference_done: true, control_open: true };

    fn v4(n: u8) -> IpAddr {
        [203, 0, 113, n].into()
    }

    fn v6(n: u16) -> IpAddr {
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, n].into()
    }

    fn plan(max: usize, ipv6: bool, own: &[IpAddr], control: &[IpAddr]) -> AddressPlan {
        let mut plan = AddressPlan::new(max, ipv6);
        own.iter().for_each(|ip| plan.add_own(*ip));
        control.iter().for_each(|ip| plan.add_control(*ip));
        plan
    }

    #[test]
    fn own_come_first_and_nothing_is_dialled_twice() {
        let mut plan = plan(6, true, &[v4(1), v4(2)], &[v4(2), v4(3)]);
        assert_eq!(plan.next(DONE), [v4(1), v4(2), v4(3)]);
        assert!(plan.next(DONE).is_empty());
        assert!(plan.is_own(v4(2)) && !plan.is_own(v4(3)));
    }

    #[test]
    fn a_flood_of_own_addresses_leaves_room_for_the_references() {
        let own: Vec<IpAddr> = (1..20).map(v4).collect();
        let mut plan = plan(6, false, &own, &[v4(100), v4(101), v4(102)]);
        assert_eq!(plan.next(DONE), [v4(1), v4(2), v4(3), v4(4), v4(100), v4(101)]);
    }

    #[test]
    fn both_families_are_represented() {
        let own: Vec<IpAddr> = (1..20).map(v4).chain([v6(1), v6(2)]).collect();
        assert_eq!(plan(6, true, &own, &[]).next(DONE), [v4(1), v4(2), v4(3), v4(4), v4(5), v6(1)]);
        let mut early = plan(6, true, &own[..19], &[]);
        let waiting = Progress { own_done: false, reference_done: false, control_open: false };
        assert_eq!(early.next(waiting), [v4(1), v4(2), v4(3)]);
        early.add_own(v6(1));
        assert_eq!(early.next(waiting), [v6(1)]);
        assert_eq!(early.next(DONE), [v4(4), v4(5)]);
    }

    #[test]
    fn without_ipv6_its_addresses_wait_until_there_is_nothing_else() {
        assert_eq!(plan(6, false, &[v6(1), v4(1)], &[]).next(DONE), [v4(1)]);
        let mut only = plan(6, false, &[v6(1)], &[]);
        assert!(only.next(Progress { reference_done: false, ..DONE }).is_empty());
        assert_eq!(only.next(DONE), [v6(1)]);
    }

    proptest::proptest! {
        #[test]
        fn bounds_hold_in_every_order(
            max in 0usize..8,
            ipv6: bool,
            steps in proptest::collection::vec((0u8..3, 0u8..12, proptest::bool::ANY), 0..40),
        ) {
            let mut plan = AddressPlan::new(max, ipv6);
            let mut dialled = Vec::new();
            let mut given = false;
            for (step, n, six) in steps {
                let ip = if six { v6(n.into()) } else { v4(n) };
                match step {
                    0 => plan.add_own(ip),
                    1 => plan.add_control(ip),
                    _ => {
                        let progress = Progress { own_done: six, reference_done: n > 6, control_open: n % 2 == 0 };
                        dialled.extend(plan.next(progress));
                        continue;
                    }
                }
                given |= ipv6 || !six;
            }
            dialled.extend(plan.next(DONE));
            proptest::prop_assert!(dialled.len() <= max.max(1));
            proptest::prop_assert!(!given || !dialled.is_empty());
            let mut distinct = dialled.clone();
            distinct.sort();
            distinct.dedup();
            proptest::prop_assert_eq!(distinct.len(), dialled.len());
        }
    }
}
