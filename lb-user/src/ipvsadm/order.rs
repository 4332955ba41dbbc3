//! The order in which services and servers are listed.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::api::{ServerEntry, ServiceEntry};
use crate::model::{Family, ServiceId};

/// Sorts services as libipvs does (`ipvs_cmp_services`).
pub(super) fn services<'a>(entries: impl IntoIterator<Item = &'a ServiceEntry>) -> Vec<&'a ServiceEntry> {
    merge_sort(entries.into_iter().collect(), |left, right| compare(&service_key(left), &service_key(right)))
}

/// Sorts real servers as libipvs does (`ipvs_cmp_dests`).
pub(super) fn servers<'a>(entries: impl IntoIterator<Item = &'a ServerEntry>) -> Vec<&'a ServerEntry> {
    merge_sort(entries.into_iter().collect(), |left, right| compare(&server_key(left), &server_key(right)))
}

/// What libipvs compares, one number after the other.
type Key = [u32; 8];

fn service_key(entry: &ServiceEntry) -> Key {
    let family = match entry.service.id.family() {
        Family::Inet => 2,
        Family::Inet6 => 10,
    };
    match entry.service.id {
        ServiceId::Mark { mark, .. } => [mark, family, 0, 0, 0, 0, 0, 0],
        ServiceId::Address { protocol, vip, port } => {
            let [a, b, c, d] = words(vip);
            [0, family, protocol.number().into(), a, b, c, d, port.into()]
        }
    }
}

fn server_key(entry: &ServerEntry) -> Key {
    let [a, b, c, d] = words(entry.server.address);
    [0, 0, 0, a, b, c, d, entry.server.port.into()]
}

fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [address.to_bits(), 0, 0, 0],
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
        }
    }
}

/// The first difference decides, by the sign of its 32 bits. So 8.8.8.8 comes after 172.16.100.250, and the order is
/// not even transitive; scripts see it all the same.
fn compare(left: &Key, right: &Key) -> Ordering {
    let differences = left.iter().zip(right).map(|(left, right)| left.wrapping_sub(*right).cast_signed());
    differences.map(|difference| difference.cmp(&0)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The merge sort behind glibc's `qsort`: where the order is not transitive, the result depends on the algorithm, and
/// the standard library's may refuse such an order.
fn merge_sort<T: Copy>(items: Vec<T>, compare: fn(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let (left, right) = items.split_at(items.len() / 2);
    let mut left = merge_sort(left.to_vec(), compare).into_iter().peekable();
    let mut right = merge_sort(right.to_vec(), compare).into_iter().peekable();
    let mut merged = Vec::with_capacity(items.len());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(a, b).is_le() { left.next() } else { right.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> Key {
        let [a, b, c, d] = words(address.parse().expect("an address"));
        [0, 0, 0, a, b, c, d, 0]
    }

    #[test]
    fn addresses_compare_by_wrapping_subtraction() {
        for (left, right, order) in [
            ("10.0.0.1", "10.0.0.2", Ordering::Less),
            ("172.16.100.250", "8.8.8.8", Ordering::Less),
            ("8.8.8.8", "10.0.0.1", Ordering::Less),
            ("10.0.0.1", "172.16.100.250", Ordering::Greater),
            ("2001:db8::1", "2001:db8::2", Ordering::Less),
            ("2001:db8::1", "2001:db8::1", Ordering::Equal),
        ] {
            assert_eq!(compare(&key(left), &key(right)), order, "{left} {right}");
        }
    }

    #[test]
    fn sorting_keeps_the_order_of_equals() {
        let items = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')];
        let sorted = merge_sort(items, |left, right| left.0.cmp(&right.0));
        assert_eq!(sorted, [(1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }
}
